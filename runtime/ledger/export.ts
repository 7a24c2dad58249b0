// The ledgers, row by row, as CSV or as lines of JSON. The only importer of csv-stringify.
import { stringify } from 'csv-stringify/sync'
import type { Sql } from '../store/sql.ts'
import type { exportFormats, exportTables } from './choices.ts'

export interface ExportOptions {
  /** `calls`: every model, tool and code call. `tasks`: every result, with its feedback. */
  readonly table: (typeof exportTables)[number]
  readonly format: (typeof exportFormats)[number]
  /** Epoch milliseconds; default: everything. */
  readonly fromMs?: number
  /** Exclusive. */
  readonly toMs?: number
}

/** Key of the row at which a page ended. */
interface Place {
  readonly atMs: number
  readonly id: string
}

type Row = Readonly<Record<string, string | number | null>>

interface Source {
  readonly columns: readonly string[]
  /** Rows from a time on, or behind a place, oldest first. */
  page(sql: Sql, from: number | Place, toMs: number): Promise<readonly Row[]>
  place(row: Row): Place
}

const PAGE = 1_000

/**
 * Yields pieces of text, oldest first. A row that is written meanwhile may be included or not; none comes
 * twice. Cells that a spreadsheet would run as a formula are escaped.
 */
export async function* exportLedger(sql: Sql, options: ExportOptions): AsyncGenerator<string> {
  const { columns, page, place } = options.table === 'calls' ? calls : tasks
  const toMs = options.toMs ?? Number.MAX_SAFE_INTEGER
  const text = (rows: readonly Row[]): string =>
    options.format === 'json'
      ? rows.map((row) => `${JSON.stringify(row)}\n`).join('')
      : csvText(rows, columns)
  if (options.format === 'csv') yield `${columns.join()}\n`
  let from: number | Place = options.fromMs ?? 0
  for (;;) {
    const rows = await page(sql, from, toMs)
    if (rows.length > 0) yield text(rows)
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return
    from = place(last)
  }
}

/** Without a header. */
export function csvText(rows: readonly object[], columns: readonly string[]): string {
  return stringify([...rows], { columns: [...columns], escape_formulas: true })
}

const callColumns = [
  'at_ms',
  'event_id',
  'task_id',
  'call_id',
  'kind',
  'user_id',
  'agent',
  'model',
  'provider',
  'tool',
  'input_tokens',
  'output_tokens',
  'cost',
  'cost_is_guess',
  'duration_ms',
  'succeeded',
  'error_code',
  'cached',
] as const

const calls: Source = {
  columns: callColumns,
  place: (row) => ({ atMs: Number(row['at_ms']), id: String(row['event_id']) }),
  page: (sql, from, toMs) => {
    const rows = sql.selectFrom('usage_ledger').select(callColumns).where('at_ms', '<', toMs)
    const since =
      typeof from === 'number'
        ? rows.where('at_ms', '>=', from)
        : rows.where(({ eb, refTuple, tuple }) =>
            eb(refTuple('at_ms', 'event_id'), '>', tuple(from.atMs, from.id)),
          )
    return since.orderBy('at_ms').orderBy('event_id').limit(PAGE).execute()
  },
}

const taskColumns = [
  'completed_at_ms',
  'submitted_at_ms',
  'task_ledger.task_id',
  'status',
  'user_id',
  'agent',
  'model',
  'profile',
  'execution_ms',
  'steps',
  'input_tokens',
  'output_tokens',
  'cost',
  'error_code',
  'satisfaction',
  'comment',
  'quality',
  'scorer',
] as const

const tasks: Source = {
  columns: taskColumns.map((name) => name.replace('task_ledger.', '')),
  place: (row) => ({ atMs: Number(row['completed_at_ms']), id: String(row['task_id']) }),
  page: (sql, from, toMs) => {
    const rows = sql
      .selectFrom('task_ledger')
      .leftJoin('task_feedback', 'task_feedback.task_id', 'task_ledger.task_id')
      .select(taskColumns)
      .where('completed_at_ms', '<', toMs)
    const since =
      typeof from === 'number'
        ? rows.where('completed_at_ms', '>=', from)
        : rows.where(({ eb, refTuple, tuple }) =>
            eb(refTuple('completed_at_ms', 'task_ledger.task_id'), '>', tuple(from.atMs, from.id)),
          )
    return since.orderBy('completed_at_ms').orderBy('task_ledger.task_id').limit(PAGE).execute()
  },
}
