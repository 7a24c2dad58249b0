import type { Command } from 'commander'
import type { BreakerView } from '../../operator/direct/breakers.ts'
import { usingOperator } from '../../operator/connect.ts'
import { paint, print, printJson } from '../output.ts'

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
    if (found.length === 0) print('No breaker has opened in the last 24 hours.')
    for (const each of found) show(each)
  })
  process.exit(0)
}

const colours = { open: 'red', half_open: 'yellow', closed: 'green' } as const

function show({ breaker, state, sinceMs, stage, instance, reason, stale }: BreakerView): void {
  const since = new Date(sinceMs).toISOString()
  const gone = stale ? ', and its process has not reported since' : ''
  print(
    `${paint(colours[state], state.padEnd(9))} ${breaker.padEnd(24)} since ${since}${gone}  ${paint('dim', `${stage} ${instance}`)}`,
  )
  if (reason !== null) print(paint('dim', `          ${reason}`))
}
