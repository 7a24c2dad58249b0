import type { Command } from 'commander'
import { FlotillaError } from '../../runtime/errors.ts'
import { number, taskId } from '../program/arguments.ts'
import { AT_NEXT_START, withClient } from '../fleet/client.ts'
import { assertNotUnknown, assertTask } from '../fleet/known-task.ts'
import { print } from '../output/output.ts'

export function defineFeedback(command: Command): void {
  command
    .description('rate the result of a task (a later rating replaces an earlier one)')
    .argument('<taskId>', '', taskId)
    .option('--score <1..5>', 'satisfaction, from 1 (not at all) to 5 (entirely)', number)
    .option('--comment <text>', 'free text')
    .option('--user <id>', 'id of the user who rates')
    .option('--quality <0..1>', 'quality of the output, as rated by an evaluator', number)
    .option('--scorer <name>', 'name of the evaluator: a person or a program')
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
  await assertTask(taskId)
  const isRunning = await withClient(
    async (client, isRunning) => {
      if (!isRunning) await assertNotUnknown(taskId)
      if (score !== undefined) {
        const more = { ...(comment ? { comment } : {}), ...(user ? { userId: user } : {}) }
        await client.feedback({ taskId, satisfaction: (score - 1) / 4, ...more })
      }
      if (quality !== undefined) await client.scoreQuality({ taskId, quality, ...(scorer ? { scorer } : {}) })
      return isRunning
    },
    { offline: true },
  )
  print(`feedback sent for task ${taskId}${isRunning ? '' : `; ${AT_NEXT_START}`}`)
  process.exit(0)
}
