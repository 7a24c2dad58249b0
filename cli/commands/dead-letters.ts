import { type Command, Option } from 'commander'
import type {
  BulkAnswer,
  BulkOptions,
  DeadLetterView,
} from '../../operator/direct/dead-letters/dead-letters.ts'
import type { LetterFilter } from '../../operator/direct/dead-letters/letters.ts'
import type { ReplayOptions } from '../../operator/direct/dead-letters/replay.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { sinceOf } from '../../runtime/ledger/times.ts'
import { stages } from '../../schemas/topics.ts'
import { wholeNumber } from '../program/arguments.ts'
import { defaultSubcommand } from '../program/default-subcommand.ts'
import { usingOperator } from '../../operator/connect.ts'
import { exitCodes } from '../program/exit-codes.ts'
import { paint, print, printJson, say } from '../output/output.ts'
import { printTable, type Column } from '../output/table.ts'
import { moment, plural } from '../output/units.ts'

export function defineDeadLetters(command: Command): void {
  command.description('records that no stage could process, with their bytes and the reason')
  filterOptions(defaultSubcommand(command, 'list').description('newest first'))
    .option('--json', 'JSON on stdout')
    .action(list)
  command
    .command('show')
    .description('one dead letter with its headers and bytes')
    .argument('<id>', 'partition:offset, as list shows it')
    .option('--json', 'JSON on stdout')
    .action(show)
  bulkOptions(command.command('replay'), 'publish original records again, once the cause is fixed')
    .option('--as <task id>', 'submit the task of this dead letter as a new task with this id')
    .option('--force', 'also replay an event that only stages write: its stage handles it again')
    .action(replay)
  bulkOptions(command.command('purge'), 'hide dead letters that need nothing more from the list').action(
    purge,
  )
}

const filterOptions = (command: Command): Command =>
  command
    .option('--since <when>', 'failed since: 30m, 2h, 1d, or a day')
    .option('--code <code>', 'with this error code')
    .addOption(new Option('--stage <name>', 'given up by this stage').choices(stages))
    .option('--reason <text>', 'with this text in the message')
    .option('--limit <n>', 'how many at most', wholeNumber, 100)

const bulkOptions = (command: Command, description: string): Command =>
  filterOptions(
    command
      .description(`${description}: by id, or all that match`)
      .argument('[id...]', 'partition:offset, as list shows it'),
  )
    .option('--dry-run', 'only show which ones match')
    .option('--json', '{"matched": …, "refused": …, "more": …} on stdout')

const columns: readonly Column[] = [
  { name: 'id', keep: true },
  { name: 'failed at', keep: true },
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

interface Filters {
  since?: string
  code?: string
  stage?: string
  reason?: string
}

function filterOf({ since, code, stage, reason }: Filters): LetterFilter {
  return {
    ...(since === undefined ? {} : { sinceMs: sinceOf(since) }),
    ...(code === undefined ? {} : { code }),
    ...(stage === undefined ? {} : { stage }),
    ...(reason === undefined ? {} : { reason }),
  }
}

async function list(options: Filters & { limit: number; json?: boolean }): Promise<void> {
  await usingOperator(async ({ deadLetters }) => {
    const letters = await deadLetters.list(options.limit, filterOf(options))
    if (options.json) return printJson(letters)
    if (letters.length === 0) return print('No dead letters.')
    printTable(columns, letters.map(cellsOf), (index) =>
      letters[index]?.replayedAtMs === null ? null : 'dim',
    )
  })
  process.exit(0)
}

async function show(id: string, options: { json?: boolean }): Promise<void> {
  await usingOperator(async ({ deadLetters }) => {
    const letter = await deadLetters.get(id)
    if (options.json) printJson(letter)
    else
      for (const [field, value] of Object.entries(letter))
        print(`${paint('cyan', field.replace(/Ms$/, '').padEnd(16))} ${shownField(field, value)}`)
  })
  process.exit(0)
}

function shownField(field: string, value: unknown): string {
  if (field.endsWith('AtMs') && typeof value === 'number') return moment(value)
  return typeof value === 'string' ? value : JSON.stringify(value)
}

type Bulk = Filters & { limit: number; dryRun?: boolean; json?: boolean }

function bulkOf(ids: readonly string[], options: Bulk): BulkOptions {
  const filter = filterOf(options)
  if (ids.length > 0 && Object.keys(filter).length > 0)
    throw new FlotillaError('REQUEST_INVALID', 'name dead letters by id or by a filter, not by both')
  const which = ids.length > 0 ? { ids } : { ...filter, limit: options.limit }
  return { ...which, dryRun: options.dryRun === true }
}

async function replay(ids: string[], options: Bulk & ReplayOptions): Promise<void> {
  const bulk = bulkOf(ids, options)
  const [id] = ids
  if (options.as !== undefined && (id === undefined || ids.length > 1 || options.dryRun))
    throw new FlotillaError('REQUEST_INVALID', '--as names one task: replay one dead letter with it')
  await usingOperator(async ({ deadLetters }) => {
    if (ids.length !== 1 || id === undefined || options.dryRun)
      return report(
        'replayed',
        await deadLetters.replayAll({ ...bulk, force: options.force === true }),
        options,
      )
    const { topic, partition, offset } = await deadLetters.replay(id, {
      ...(options.as === undefined ? {} : { as: options.as }),
      force: options.force === true,
    })
    if (options.json) printJson({ matched: [id], refused: [], more: false })
    else print(`${id} is now ${topic}[${partition}]@${offset}`)
  })
  process.exit(process.exitCode ?? 0)
}

async function purge(ids: string[], options: Bulk): Promise<void> {
  const bulk = bulkOf(ids, options)
  await usingOperator(async ({ deadLetters }) => report('purged', await deadLetters.purge(bulk), options))
  process.exit(process.exitCode ?? 0)
}

/** A refused one fails the command. */
function report(done: string, { matched, refused, more }: BulkAnswer, { dryRun, json }: Bulk): void {
  if (refused.length > 0 && !dryRun) process.exitCode = exitCodes.failed.code
  if (json) return printJson({ matched, refused, more })
  const failed = new Set(refused.map(({ id }) => id))
  const well = matched.filter((id) => !failed.has(id))
  if (dryRun) for (const id of matched) print(id)
  for (const { id, message } of refused)
    say(paint('yellow', `${id} ${dryRun ? 'would be' : 'was'} refused: ${message}`))
  const letters = plural(dryRun ? matched.length : well.length, 'dead letter')
  print(
    dryRun
      ? `${letters} would be ${done}.`
      : `${letters} ${done}${refused.length > 0 ? `, ${refused.length} refused` : ''}.`,
  )
  if (more) say('More match: repeat the command, or raise --limit (1,000 at most).')
}
