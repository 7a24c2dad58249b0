// How calls of some tools went of late, tool by tool. The work is bounded: the latest calls of the fleet are looked at.
import { sql as raw } from 'kysely'
import type { Sql } from '../store/sql.ts'

/** Calls that ended in one way. */
export interface ToolCalls {
  readonly tool: string
  /** Null: they succeeded. */
  readonly code: string | null
  readonly made: number
  readonly cached: number
  /** Sum over all of them. */
  readonly durationMs: number
  readonly lastAtMs: number
  /** Task of the last one. */
  readonly taskId: string
}

export interface RecentCalls {
  readonly calls: readonly ToolCalls[]
  readonly fromMs: number
}

/** Rows of the ledger that are looked at, those of models too. */
const MOST_ROWS = 20_000
/** Failures without a code are older than the codes. */
const NO_CODE = 'TOOL_FAILED'

/** Those since `sinceMs`, as far as they are among the fleet's latest. */
export async function recentToolCalls(
  sql: Sql,
  tools: readonly string[],
  sinceMs: number,
): Promise<RecentCalls> {
  if (tools.length === 0) return { calls: [], fromMs: sinceMs }
  const cut = await sql
    .selectFrom('usage_ledger')
    .select('at_ms')
    .where('at_ms', '>=', sinceMs)
    .orderBy('at_ms', 'desc')
    .offset(MOST_ROWS)
    .limit(1)
    .executeTakeFirst()
  const fromMs = cut === undefined ? sinceMs : Number(cut.at_ms)
  const own = sql
    .selectFrom('usage_ledger')
    .where('at_ms', '>=', fromMs)
    .where('kind', '=', 'tool')
    .where('tool', 'in', tools)
  const code = raw<
    string | null
  >`case when succeeded = 1 then null else coalesce(error_code, ${raw.lit(NO_CODE)}) end`
  const sums = await own
    .select(({ fn }) => [
      'tool',
      code.as('code'),
      fn.countAll<number>().as('made'),
      fn.sum<number>('cached').as('cached'),
      fn.sum<number>('duration_ms').as('duration_ms'),
      fn.max('at_ms').as('last_at_ms'),
    ])
    .groupBy(['tool', code])
    .execute()
  if (sums.length === 0) return { calls: [], fromMs }
  const lasts = await own
    .select(['tool', code.as('code'), 'at_ms', 'task_id'])
    .where('at_ms', 'in', [...new Set(sums.map(({ last_at_ms }) => Number(last_at_ms)))])
    .execute()
  const taskOf = new Map(lasts.map((row) => [`${row.tool} ${row.code} ${Number(row.at_ms)}`, row.task_id]))
  const calls = sums.map((row) => ({
    tool: row.tool ?? '',
    code: row.code,
    made: Number(row.made),
    cached: Number(row.cached),
    durationMs: Number(row.duration_ms),
    lastAtMs: Number(row.last_at_ms),
    taskId: taskOf.get(`${row.tool} ${row.code} ${Number(row.last_at_ms)}`) ?? '',
  }))
  return { calls, fromMs }
}
