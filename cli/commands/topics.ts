import type { Command } from 'commander'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { openLog } from '../../runtime/log/open.ts'
import { usingOperator } from '../../operator/connect.ts'
import { paint, print, printJson } from '../output.ts'
import { serviceNames } from '../../services/index.ts'

export function defineTopics(command: Command): void {
  command
    .description('the fleet’s topics: what they carry and how much they hold')
    .option('--create', 'create the missing topics')
    .option('--json', 'JSON on stdout')
    .action(topics)
}

async function topics(options: { create?: boolean; json?: boolean }): Promise<void> {
  if (options.create) await create()
  await usingOperator(async (operator) => {
    const rows = await operator.topics.list()
    if (options.json) return printJson(rows)
    for (const { name, partitions, records, events, purpose } of rows) {
      print(
        `${paint('cyan', name.padEnd(18))} ${String(partitions).padStart(3)} partitions ${String(records).padStart(9)} records  ${purpose}`,
      )
      print(paint('dim', `${' '.repeat(18)} ${events.join(', ')}`))
    }
  })
  process.exit(0)
}

async function create(): Promise<void> {
  const log = await openLog(readEnvironment(process.env))
  try {
    await log.ensureTopics(serviceNames.filter((name) => name !== 'gateway'))
  } finally {
    await log.close()
  }
}
