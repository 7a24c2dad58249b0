import type { Command } from 'commander'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { openLog } from '../../runtime/log/open.ts'
import { usingOperator } from '../../operator/connect.ts'
import { paint, printJson, say } from '../output.ts'
import { printTable, type Column } from '../table.ts'
import { count } from '../units.ts'
import { stageNames } from '../../services/index.ts'

export function defineTopics(command: Command): void {
  command
    .description('the fleet’s topics: what they carry and how much they hold')
    .option('--create', 'create the missing topics')
    .option('--json', 'JSON on stdout')
    .action(topics)
}

const columns: readonly Column[] = [
  { name: 'topic', keep: true },
  { name: 'partitions', kind: 'figure' },
  { name: 'records', kind: 'figure' },
  { name: 'purpose' },
  { name: 'events', optional: true },
]

async function topics(options: { create?: boolean; json?: boolean }): Promise<void> {
  if (options.create) await create()
  await usingOperator(async (operator) => {
    const rows = await operator.topics.list()
    if (options.json) return printJson(rows)
    printTable(
      columns,
      rows.map(({ name, partitions, records, purpose, events }) => [
        name,
        partitions === 0 ? 'missing' : count(partitions),
        count(records),
        purpose,
        events.join(', '),
      ]),
    )
    if (rows.some(({ partitions }) => partitions === 0))
      say(
        paint('yellow', 'Topics are missing: start the fleet, or create them with flotilla topics --create.'),
      )
  })
  process.exit(0)
}

async function create(): Promise<void> {
  const log = await openLog(readEnvironment(process.env))
  try {
    await log.ensureTopics(stageNames)
  } finally {
    await log.close()
  }
}
