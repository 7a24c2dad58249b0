import { once } from 'node:events'
import type { Command } from 'commander'
import { exportOptions, summaryOptions } from '../../runtime/ledger/reader.ts'
import type { SummaryLine } from '../../runtime/ledger/summary.ts'
import { defaultSubcommand } from '../default-subcommand.ts'
import { usingOperator } from '../../operator/connect.ts'
import { alignColumns, paint, print, printJson } from '../output.ts'

export function defineUsage(command: Command): void {
  command.description('usage and cost of the fleet: executions, success rate, mean time, tokens, cost')
  addTimes(
    defaultSubcommand(command, 'summary')
      .description('totals over everything, or by user, agent, model, tool or day')
      .option('--by <what>', 'total, user, agent, model, tool or day', 'total'),
  )
    .option('--json', 'JSON on stdout')
    .option('--csv', 'CSV on stdout')
    .addHelpText(
      'after',
      '\nBy user, agent and day it counts tasks, by model and tool it counts calls. Days are UTC.',
    )
    .action(summary)
  addTimes(
    command
      .command('export')
      .description('the ledgers, row by row, oldest first')
      .option('--table <name>', 'calls: what each call used; tasks: results with their feedback', 'calls')
      .option('--format <format>', 'csv, or json: a line each', 'csv'),
  ).action(printExport)
}

function addTimes(command: Command): Command {
  return command
    .option('--from <time>', 'from this day or time on (2026-11-01, 2026-11-01T08:00Z)')
    .option('--to <time>', 'before this day or time')
}

type Times = { from?: string; to?: string }

async function summary(options: Times & { by: string; json?: boolean; csv?: boolean }): Promise<void> {
  const asked = summaryOptions({ by: options.by, ...timesOf(options) })
  const lines = await usingOperator(({ usage }) => usage.summary(asked))
  if (options.json) printJson(lines)
  else if (options.csv) print(await csvOf(lines))
  else printTable(options.by, lines)
  process.exit(0)
}

const timesOf = ({ from, to }: Times): Times => ({ ...(from ? { from } : {}), ...(to ? { to } : {}) })

async function csvOf(lines: readonly SummaryLine[]): Promise<string> {
  const { csvText } = await import('../../runtime/ledger/export.ts')
  const columns: (keyof SummaryLine)[] = [
    'group',
    'executions',
    'successRate',
    'meanMs',
    'inputTokens',
    'outputTokens',
    'cost',
    'satisfaction',
    'quality',
  ]
  return `${columns.join()}\n${csvText(lines, columns)}`.trimEnd()
}

function printTable(by: string, lines: readonly SummaryLine[]): void {
  if (lines.length === 0) return print('Nothing is recorded for this period.')
  const share = (value: number | null) => (value === null ? '–' : `${(100 * value).toFixed(1)} %`)
  const header = [by, 'executions', 'success', 'mean', 'tokens in', 'out', 'cost', 'satisfied', 'quality']
  const cells = lines.map((line) => [
    line.group ?? (by === 'total' ? 'all' : 'none'),
    String(line.executions),
    share(line.successRate),
    `${(line.meanMs / 1_000).toFixed(2)} s`,
    String(line.inputTokens),
    String(line.outputTokens),
    `$${line.cost.toFixed(4)}`,
    share(line.satisfaction),
    share(line.quality),
  ])
  const [head = '', ...rows] = alignColumns(header, cells)
  print(paint('dim', head))
  for (const row of rows) print(row)
}

async function printExport(options: Times & { table: string; format: string }): Promise<void> {
  const asked = exportOptions({ table: options.table, format: options.format, ...timesOf(options) })
  await usingOperator(async ({ usage: ledger }) => {
    for await (const text of ledger.export(asked))
      if (!process.stdout.write(text)) await once(process.stdout, 'drain')
  })
  process.exit(0)
}
