import { type Command, Option } from 'commander'
import { exportFormats, exportTables, summaryBy } from '../../runtime/ledger/choices.ts'
import { exportOptions, summaryOptions } from '../../runtime/ledger/reader.ts'
import type { SummaryBy, SummaryLine } from '../../runtime/ledger/summary.ts'
import { defaultSubcommand } from '../program/default-subcommand.ts'
import { usingOperator } from '../../operator/connect.ts'
import { print, printJson, writeResult } from '../output/output.ts'
import { printTable, type Column } from '../output/table.ts'
import { count, elapsed, money, share } from '../output/units.ts'

export function defineUsage(command: Command): void {
  command
    .description('usage and cost of the fleet: executions, success rate, mean time, tokens, cost')
    .addHelpText(
      'after',
      '\nBy user, agent and day it counts tasks, by model and tool it counts calls.\nThe success rate is that of the tasks that were not rejected. Days are UTC.',
    )
  addTimes(
    defaultSubcommand(command, 'summary')
      .description('totals over everything, or by user, agent, model, tool or day')
      .addOption(new Option('--by <what>', 'what a line stands for').choices(summaryBy).default('total')),
  )
    .option('--json', 'JSON on stdout')
    .option('--csv', 'CSV on stdout')
    .action(summary)
  addTimes(
    command
      .command('export')
      .description('the ledgers, row by row, oldest first')
      .addOption(
        new Option('--table <name>', 'calls: what each call used; tasks: results with feedback')
          .choices(exportTables)
          .default('calls'),
      )
      .addOption(new Option('--format <format>', 'json: a line each').choices(exportFormats).default('csv')),
  ).action(printExport)
}

function addTimes(command: Command): Command {
  return command
    .option('--from <time>', 'from this day (2026-11-01) or time (2026-11-01T08:00Z) on')
    .option('--to <time>', 'before this day or time')
}

type Times = { from?: string; to?: string }

async function summary(options: Times & { by: string; json?: boolean; csv?: boolean }): Promise<void> {
  const asked = summaryOptions({ by: options.by, ...timesOf(options) })
  const lines = await usingOperator(({ usage }) => usage.summary(asked))
  if (options.json) printJson(lines)
  else if (options.csv) print(await csvOf(lines))
  else printLines(asked.by, lines)
  process.exit(0)
}

const timesOf = ({ from, to }: Times): Times => ({ ...(from ? { from } : {}), ...(to ? { to } : {}) })

async function csvOf(lines: readonly SummaryLine[]): Promise<string> {
  const { csvText } = await import('../../runtime/ledger/export.ts')
  const columns: (keyof SummaryLine)[] = [
    'group',
    'executions',
    'rejected',
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

function printLines(by: SummaryBy, lines: readonly SummaryLine[]): void {
  if (lines.length === 0) return print('Nothing is recorded for this period.')
  const columns: Column[] = [
    { name: by },
    { name: by === 'model' || by === 'tool' ? 'calls' : 'tasks', kind: 'figure' },
    { name: 'success', kind: 'figure' },
    { name: 'mean', kind: 'figure' },
    { name: 'tokens in', kind: 'figure' },
    { name: 'tokens out', kind: 'figure' },
    { name: 'cost', kind: 'figure' },
    { name: 'rejected', kind: 'figure', optional: true },
    { name: 'satisfied', kind: 'figure', optional: true },
    { name: 'quality', kind: 'figure', optional: true },
  ]
  const summed = lines.length > 1 ? [cellsOf('total', totalOf(lines))] : []
  const rows = lines.map((line) => cellsOf(line.group ?? (by === 'total' ? 'all' : '(none)'), line))
  printTable(columns, [...rows, ...summed], (index) => (index === lines.length ? 'bold' : null))
}

const cellsOf = (name: string, line: SummaryLine): string[] => [
  name,
  count(line.executions),
  share(line.successRate),
  elapsed(line.meanMs),
  count(line.inputTokens),
  count(line.outputTokens),
  money(line.cost),
  count(line.rejected),
  share(line.satisfaction),
  share(line.quality),
]

/** The sum of the lines. Feedback is left out: how many tasks had any is not in a line. */
function totalOf(lines: readonly SummaryLine[]): SummaryLine {
  const sum = (of: (line: SummaryLine) => number) => lines.reduce((total, line) => total + of(line), 0)
  const executions = sum((line) => line.executions)
  const rejected = sum((line) => line.rejected)
  const accepted = executions - rejected
  const succeeded = sum((line) => (line.successRate ?? 0) * (line.executions - line.rejected))
  return {
    group: null,
    executions,
    rejected,
    successRate: accepted === 0 ? null : succeeded / accepted,
    meanMs: sum((line) => line.meanMs * line.executions) / executions,
    inputTokens: sum((line) => line.inputTokens),
    outputTokens: sum((line) => line.outputTokens),
    cost: sum((line) => line.cost),
    satisfaction: null,
    quality: null,
  }
}

async function printExport(options: Times & { table: string; format: string }): Promise<void> {
  const asked = exportOptions({ table: options.table, format: options.format, ...timesOf(options) })
  await usingOperator(async ({ usage: ledger }) => {
    for await (const text of ledger.export(asked)) writeResult(text)
  })
  process.exit(0)
}
