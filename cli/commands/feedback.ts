import type { Command } from 'commander'
import { connect } from '../../client/connect.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { print } from '../output.ts'
import { number } from './run.ts'

export function addFeedback(program: Command): void {
  program
    .command('feedback')
    .description('say what you think of a result; the latest counts')
    .argument('<taskId>')
    .option('--score <1..5>', 'how satisfied you are: 1 not at all, 5 entirely', number)
    .option('--comment <text>', 'in your words')
    .option('--user <id>', 'who says so')
    .option('--quality <0..1>', 'how good an evaluator found the output', number)
    .option('--scorer <name>', 'who or what found that')
    .action(feedback)
}

interface FeedbackOptions {
  score?: number
  comment?: string
  user?: string
  quality?: number
  scorer?: string
}

async function feedback(taskId: string, options: FeedbackOptions): Promise<void> {
  const { score, comment, user, quality, scorer } = options
  if (score === undefined && quality === undefined)
    throw new FlotillaError('REQUEST_INVALID', 'say --score 1..5, or --quality 0..1')
  if (score !== undefined && !(score >= 1 && score <= 5))
    throw new FlotillaError('REQUEST_INVALID', `--score must be from 1 to 5, not ${score}`)
  const client = await connect()
  try {
    if (score !== undefined) {
      const more = { ...(comment ? { comment } : {}), ...(user ? { userId: user } : {}) }
      await client.feedback({ taskId, satisfaction: (score - 1) / 4, ...more })
    }
    if (quality !== undefined) await client.scoreQuality({ taskId, quality, ...(scorer ? { scorer } : {}) })
  } finally {
    await client.close()
  }
  print(`feedback on ${taskId} is on its way`)
  process.exit(0)
}
