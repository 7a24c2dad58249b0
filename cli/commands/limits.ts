import type { Command } from 'commander'
import type { BudgetLine } from '../../runtime/limits/budget-report.ts'
import { defaultSubcommand } from '../program/default-subcommand.ts'
import { usingOperator } from '../../operator/connect.ts'
import { paint, print, printJson } from '../output/output.ts'
import { printTable, type Column } from '../output/table.ts'
import { count, moment, share } from '../output/units.ts'

export function defineLimits(command: Command): void {
  command.description('show today’s token budgets: of the fleet, of users, of models')
  defaultSubcommand(command, 'show')
    .description('used, reserved and recorded tokens of each budget, the fullest first')
    .option('--json', 'JSON on stdout')
    .action(show)
  command
    .command('rebuild')
    .description('reset the used tokens to what the usage ledger recorded, e.g. after Redis lost its data')
    .option('--json', 'JSON on stdout: the changed lines, before the change')
    .addHelpText('after', '\nBest run while no task runs: usage is recorded a moment after it is counted.')
    .action(rebuild)
}

async function show(options: { json?: boolean }): Promise<void> {
  const lines = await usingOperator(({ limits }) => limits.show())
  if (options.json) printJson(lines)
  else if (lines.length === 0) print('No tokens are used or reserved today, or no budget is set.')
  else printLines(lines)
  process.exit(0)
}

async function rebuild(options: { json?: boolean }): Promise<void> {
  const changed = await usingOperator(({ limits }) => limits.rebuild())
  if (options.json) printJson(changed)
  else if (changed.length === 0) print('Every budget agrees with the ledger.')
  for (const { budget, used, recorded } of options.json ? [] : changed)
    print(`${paint('cyan', budget)}: ${count(used)} is now ${count(recorded)}`)
  process.exit(0)
}

const WARN_SHARE = 0.8

const columns: readonly Column[] = [
  { name: 'budget', keep: true },
  { name: 'used', kind: 'figure' },
  { name: 'reserved', kind: 'figure', optional: true },
  { name: 'limit', kind: 'figure' },
  { name: 'full', kind: 'figure' },
  { name: 'recorded', kind: 'figure', optional: true },
]

const fullness = ({ used, reserved, limit }: BudgetLine): number | null =>
  limit === null ? null : (used + reserved) / limit

function printLines(lines: readonly BudgetLine[]): void {
  const rows = lines.map((line) => [
    line.budget,
    count(line.used),
    count(line.reserved),
    line.limit === null ? 'none' : count(line.limit),
    share(fullness(line)),
    line.recorded === line.used ? '=' : count(line.recorded),
  ])
  const isNear = (line: BudgetLine | undefined) => line && (fullness(line) ?? 0) >= WARN_SHARE
  printTable(columns, rows, (index) => (isNear(lines[index]) ? 'yellow' : null))
  print(paint('dim', `Budgets reset at ${moment(lines[0]?.resetsAtMs ?? 0)}.`))
}
