import type { Command } from 'commander'
import type { DeadLetterView } from '../../operator/direct/dead-letters.ts'
import type { ReplayOptions } from '../../operator/direct/replay.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { wholeNumber } from '../arguments.ts'
import { defaultSubcommand } from '../default-subcommand.ts'
import { usingOperator } from '../../operator/connect.ts'
import { paint, print, printJson } from '../output.ts'
import { printTable, type Column } from '../table.ts'
import { moment } from '../units.ts'

export function defineDeadLetters(command: Command): void {
  command.description('records that no stage could process, with their bytes and the reason')
  defaultSubcommand(command, 'list')
    .description('newest first')
    .option('--limit <n>', 'how many at most', wholeNumber, 100)
    .option('--json', 'JSON on stdout')
    .action(list)
  command
    .command('show')
    .description('one dead letter with its headers and bytes')
    .argument('<id>', 'partition:offset, as list shows it')
    .option('--json', 'JSON on stdout')
    .action(show)
  command
    .command('replay')
    .description('publish the original record again, once the cause is fixed')
    .argument('<id...>', 'partition:offset, as list shows it')
    .option('--as <task id>', 'submit the task of this dead letter as a new task with this id')
    .option('--force', 'also replay an event that only stages write: its stage handles it again')
    .action(replay)
}

const columns: readonly Column[] = [
  { name: 'id', keep: true },
  { name: 'failed at' },
  { name: 'code' },
  { name: 'message' },
  { name: 'stage', optional: true },
  { name: 'record', optional: true },
  { name: 'key', optional: true },
]

const cellsOf = (letter: DeadLetterView): string[] => [
  letter.id,
  moment(letter.failedAtMs),
  letter.code,
  letter.message,
  letter.stage,
  `${letter.sourceTopic}[${letter.sourcePartition}]@${letter.sourceOffset}`,
  letter.key ?? '–',
]

async function list(options: { limit: number; json?: boolean }): Promise<void> {
  await usingOperator(async ({ deadLetters }) => {
    const letters = await deadLetters.list(options.limit)
    if (options.json) return printJson(letters)
    if (letters.length === 0) return print('No dead letters.')
    printTable(columns, letters.map(cellsOf))
  })
  process.exit(0)
}

async function show(id: string, options: { json?: boolean }): Promise<void> {
  await usingOperator(async ({ deadLetters }) => {
    const letter = await deadLetters.get(id)
    if (options.json) printJson(letter)
    else
      for (const [field, value] of Object.entries(letter))
        print(
          `${paint('cyan', field.padEnd(16))} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
        )
  })
  process.exit(0)
}

async function replay(ids: string[], options: ReplayOptions): Promise<void> {
  if (options.as !== undefined && ids.length > 1)
    throw new FlotillaError('REQUEST_INVALID', '--as names one task: replay one dead letter with it')
  await usingOperator(async ({ deadLetters }) => {
    for (const id of ids) {
      const { topic, partition, offset } = await deadLetters.replay(id, options)
      print(`${id} is now ${topic}[${partition}]@${offset}`)
    }
  })
  process.exit(0)
}
