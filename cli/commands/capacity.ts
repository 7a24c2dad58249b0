import { InvalidArgumentError, type Command } from 'commander'
import { capacityFor, type Capacity, type Load } from '../actions/capacity-model.ts'
import { print, printJson } from '../output/output.ts'
import { beside } from '../output/text-width.ts'
import { count, plural } from '../output/units.ts'

/** Columns of the names. */
const INDENT = 12

interface Options extends Load {
  readonly json?: boolean
}

const number =
  (least: number, most: number, isWhole = false) =>
  (text: string): number => {
    const value = Number(text.trim() === '' ? Number.NaN : text)
    if (!(value >= least && value <= most) || (isWhole && !Number.isInteger(value)))
      throw new InvalidArgumentError(
        `It must be a ${isWhole ? 'whole ' : ''}number from ${least} to ${most}.`,
      )
    return value
  }

export function defineCapacity(command: Command): void {
  command
    .description('what a load needs on Kafka: partitions, processes, brokers, disk')
    .requiredOption('--tasks-per-second <n>', 'at the peak', number(0.001, 1_000_000))
    .option(
      '--steps <n>',
      'model calls of a task, with a tool call between each two',
      number(1, 10_000, true),
      3,
    )
    .option('--model-seconds <s>', 'time of a model call', number(0, 3_600), 3)
    .option('--tool-seconds <s>', 'time of a tool call', number(0, 3_600), 0.5)
    .option('--replication <n>', 'copies of each partition', number(1, 9, true), 3)
    .option('--retention-days <n>', 'how long topics keep their records', number(0.01, 3_650), 7)
    .option(
      '--extra-bytes <n>',
      'bytes of each step in addition to a line of text',
      number(0, 10_000_000),
      2_000,
    )
    .option('--json', 'JSON on stdout')
    .addHelpText('after', '\nThe figures and where they come from: docs/capacity.md.')
    .action((options: Options) => {
      const { json, ...load } = options
      const capacity = capacityFor(load)
      if (json) printJson({ load, ...capacity })
      else show(capacity)
    })
}

function show({ perTask, processes, brokers, limits, ...rest }: Capacity): void {
  const of = Object.entries(processes).map(([service, replicas]) => `${service} ${count(replicas)}`)
  const rows: readonly (readonly [string, string])[] = [
    [
      'a task',
      `${plural(perTask.records, 'record')}, ${plural(perTask.bytes, 'byte')}, ${plural(perTask.commits, 'transaction')}, ${perTask.cpuMs} ms of CPU`,
    ],
    ['under way', plural(rest.tasksInFlight, 'task')],
    ['partitions', `${count(rest.partitions)} of each task topic (FLOTILLA_PARTITIONS)`],
    ['processes', of.join(', ')],
    ['CPU', `${plural(rest.cores, 'core')} in use`],
    [
      'brokers',
      `${count(brokers.count)}, ${count(Math.round(brokers.bytesPerSecond / 1_000))} kB/s written, ${count(brokers.requestsPerSecond)} requests/s, ${count(brokers.connections)} connections`,
    ],
    ['disk', `${count(brokers.diskGbPerDay)} GB a day, ${count(brokers.diskGb)} GB kept`],
    ['Redis', `${count(rest.redisOpsPerSecond)} operations/s`],
    ['PostgreSQL', `${count(rest.postgresRowsPerSecond)} rows/s, ${count(rest.postgresGbPerDay)} GB a day`],
  ]
  for (const [name, text] of rows) print(beside(name.padEnd(INDENT), INDENT, text, process.stdout))
  print('\nLimits')
  for (const limit of limits) print(beside('- ', 2, limit, process.stdout))
}
