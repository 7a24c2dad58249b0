import type { Command } from 'commander'
import type { BreakerView } from '../../operator/direct/breakers.ts'
import { usingOperator } from '../../operator/connect.ts'
import { print, printJson } from '../output/output.ts'
import { printTable, type Column } from '../output/table.ts'
import { moment } from '../output/units.ts'

export function defineBreakers(command: Command): void {
  command
    .description('circuit breakers of providers and tools, as last reported by each process')
    .option('--json', 'JSON on stdout')
    .action(breakers)
}

async function breakers(options: { json?: boolean }): Promise<void> {
  await usingOperator(async (operator) => {
    const found = await operator.breakers.list()
    if (options.json) return printJson(found)
    if (found.length === 0) return print('No breaker has opened in the last 24 hours.')
    printTable(columns, found.map(cellsOf), (index) => colours[found[index]?.state ?? 'closed'])
  })
  process.exit(0)
}

const colours = { open: 'red', half_open: 'yellow', closed: 'green' } as const

const columns: readonly Column[] = [
  { name: 'breaker', keep: true },
  { name: 'state' },
  { name: 'since', keep: true },
  { name: 'reason' },
  { name: 'stage', optional: true },
  { name: 'process', optional: true },
]

const cellsOf = ({ breaker, state, sinceMs, stage, instance, reason, stale }: BreakerView): string[] => [
  breaker,
  state.replace('_', ' '),
  moment(sinceMs),
  stale ? `${reason ?? ''} (its process has not reported since)`.trim() : (reason ?? ''),
  stage,
  instance,
]
