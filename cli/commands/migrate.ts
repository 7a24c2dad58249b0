import { Option, type Command } from 'commander'
import { readEnvironment } from '../../runtime/config/environment.ts'
import type { MoveReport } from '../../runtime/migration/to-kafka.ts'
import { stageNames } from '../../services/index.ts'
import { print, printJson, say } from '../output/output.ts'
import { printTable, type Column } from '../output/table.ts'
import { count } from '../output/units.ts'

export function defineMigrate(command: Command): void {
  command
    .description(
      'move the stopped fleet of this machine (FLOTILLA_DATA) to Kafka, Redis and PostgreSQL, with its open and ended ' +
        'tasks, sessions and ledgers, under their ids; docs/migrate-to-kafka.md',
    )
    .addOption(new Option('--to <log>', 'where to').choices(['kafka']).makeOptionMandatory())
    .option(
      '--from-prefix <prefix>',
      'prefix of the fleet here, if it differs from the one on Kafka (FLOTILLA_PREFIX)',
    )
    .option('--dry-run', 'show what would be moved and whether it can be; change nothing on the servers')
    .option('--json', 'JSON on stdout')
    .action(migrate)
}

interface Options {
  readonly fromPrefix?: string
  readonly dryRun?: boolean
  readonly json?: boolean
}

async function migrate({ fromPrefix, dryRun = false, json = false }: Options): Promise<void> {
  const { moveToKafka } = await import('../../runtime/migration/to-kafka.ts')
  const environment = readEnvironment(process.env)
  const onProgress = (text: string): void => (json ? undefined : say(text))
  const report = await moveToKafka({
    environment,
    stages: stageNames,
    isDryRun: dryRun,
    onProgress,
    ...(fromPrefix === undefined ? {} : { fromPrefix }),
  })
  if (json) printJson(report)
  else show(report, environment.prefix)
  process.exit(0)
}

const columns: readonly Column[] = [
  { name: 'what', keep: true },
  { name: 'data file', kind: 'figure' },
  { name: 'moved', kind: 'figure' },
]

function show({ outcome, partitions, lines }: MoveReport, prefix: string): void {
  if (outcome === 'moved before') return print('This fleet was moved before; nothing is left to move.')
  printTable(
    columns,
    lines.map(({ what, dataFile, target }) => [what, count(dataFile), target === null ? '' : count(target)]),
  )
  if (outcome === 'would move') return say('Nothing was moved: this was a dry run.')
  say(
    `All of it was compared. Start the fleet on Kafka within 7 days, with FLOTILLA_PARTITIONS=${partitions} and ` +
      `FLOTILLA_PREFIX=${prefix}: brokers forget the positions of a fleet that does not run.`,
  )
}
