import type { Command } from 'commander'
import { FlotillaError } from '../../runtime/errors.ts'
import { usingOperator } from '../operator.ts'
import { paint, print, printJson } from '../output.ts'
import { serviceNames } from '../service-names.ts'

export function addTopics(program: Command): void {
  program
    .command('topics')
    .description('the fleet’s topics: what they carry and how much they hold')
    .option('--create', 'create those that are missing')
    .option('--json', 'JSON on stdout')
    .action(topics)
}

async function topics(options: { create?: boolean; json?: boolean }): Promise<void> {
  await usingOperator(async (operator, log) => {
    if (options.create && !log)
      throw new FlotillaError(
        'DATA_LOCKED',
        'a running fleet holds this log; it has created its topics already',
      )
    if (options.create) await log?.ensureTopics(serviceNames.filter((name) => name !== 'gateway'))
    const rows = await operator.topics()
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
