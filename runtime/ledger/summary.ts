// Summarises tasks and costs of the fleet (R6), from the ledgers. Works on SQLite and PostgreSQL alike.
import { sql as raw, type Expression, type RawBuilder } from 'kysely'
import type { Sql } from '../store/sql.ts'
import type { summaryBy, summaryPer } from './choices.ts'

export type SummaryBy = (typeof summaryBy)[number]

export interface SummaryLine {
  /** User, agent, day (2026-11-22, UTC), model or tool; null if an execution has none, and for the total. */
  readonly group: string | null
  /** Tasks; by model and tool: calls. */
  readonly executions: number
  /** Tasks among them that the router rejected. */
  readonly rejected: number
  /** Share of success among those that were not rejected, 0 to 1; null if all were. */
  readonly successRate: number | null
  readonly meanMs: number
  /** Beginning of its hour or day, epoch milliseconds; with `per` alone. */
  readonly fromMs?: number
  /** Half of the durations, and 95 of 100, are at most these; with `percentiles` alone. */
  readonly p50Ms?: number
  readonly p95Ms?: number
  /** Calls that the cache answered; by model and tool alone. */
  readonly cached?: number
  readonly inputTokens: number
  readonly outputTokens: number
  /** US dollars. */
  readonly cost: number
  /** Means of the feedback on its tasks, 0 to 1; null without feedback, and by model and tool. */
  readonly satisfaction: number | null
  readonly quality: number | null
}

export interface SummaryOptions {
  readonly by: SummaryBy
  /** Epoch milliseconds; default: everything. */
  readonly fromMs?: number
  /** Exclusive. */
  readonly toMs?: number
  /** A line for each group and hour or day (UTC). Default: a line for each group. */
  readonly per?: (typeof summaryPer)[number]
  /** Percentiles of the durations too, for which all of them are sorted. */
  readonly percentiles?: boolean
  /** Lines returned at most. Default 1,000. */
  readonly limit?: number
}

const DAY_MS = 86_400_000
const perMs = { hour: 3_600_000, day: DAY_MS } as const
const MAX_LINES = 1_000

interface Source {
  /** Its rows, with their feedback. */
  readonly rows: (sql: Sql) => Expression<unknown>
  readonly group: RawBuilder<unknown>
  readonly at: 'completed_at_ms' | 'at_ms'
  readonly duration: 'execution_ms' | 'duration_ms'
  /** 1 or 0; null where it was rejected. */
  readonly succeeded: RawBuilder<number | null>
  readonly rejected: RawBuilder<number>
  readonly where: RawBuilder<boolean>
  readonly said: RawBuilder<unknown>
}

const tasks = (group: RawBuilder<unknown>): Source => ({
  rows: (sql) =>
    sql
      .selectFrom('task_ledger')
      .leftJoin('task_feedback', 'task_feedback.task_id', 'task_ledger.task_id')
      .selectAll('task_ledger')
      .select(['satisfaction', 'quality']),
  group,
  at: 'completed_at_ms',
  duration: 'execution_ms',
  succeeded: raw<
    number | null
  >`case when status = 'succeeded' then 1 when status = 'rejected' then null else 0 end`,
  rejected: raw<number>`case when status = 'rejected' then 1 else 0 end`,
  where: raw<boolean>`1 = 1`,
  said: raw`avg(satisfaction) as satisfaction, avg(quality) as quality, null as cached`,
})

const calls = (kind: 'model' | 'tool'): Source => ({
  rows: (sql) => sql.selectFrom('usage_ledger').selectAll(),
  group: raw.ref(kind),
  at: 'at_ms',
  duration: 'duration_ms',
  succeeded: raw<number>`succeeded`,
  rejected: raw<number>`0`,
  where: raw<boolean>`kind = ${kind}`,
  said: raw`null as satisfaction, null as quality, sum(cached) as cached`,
})

const sources: Readonly<Record<SummaryBy, Source>> = {
  total: tasks(raw`null`),
  user: tasks(raw.ref('user_id')),
  agent: tasks(raw.ref('agent')),
  day: tasks(raw`completed_at_ms / ${raw.lit(DAY_MS)}`),
  model: calls('model'),
  tool: calls('tool'),
}

export async function summarise(sql: Sql, options: SummaryOptions): Promise<SummaryLine[]> {
  const { by, limit = MAX_LINES, per, percentiles = false } = options
  const { group, duration, succeeded, rejected, said } = sources[by]
  const period = per === undefined ? raw`null` : raw`${raw.ref(sources[by].at)} / ${raw.lit(perMs[per])}`
  const { rows } = await raw<Record<string, unknown>>`
    select grp, period, count(*) as executions, avg(${succeeded}) as success_rate, sum(${rejected}) as rejected, avg(${raw.ref(duration)}) as mean_ms,
      ${percentiles ? placedAt(duration) : raw`null as p50_ms, null as p95_ms`},
      sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens, sum(cost) as cost, ${said}
    from (${rowsIn(sql, options, { group, period })}) as entries
    group by grp, period
    order by period desc, ${by === 'day' ? raw`grp` : raw`cost`} desc, executions desc limit ${limit}
  `.execute(sql)
  return rows.map((row) => line(by, row, per)).filter(({ executions }) => executions > 0)
}

type Grouping = Readonly<Record<'group' | 'period', RawBuilder<unknown>>>

/** The rows in the time asked for with their group and period; for percentiles, each with its place by duration. */
function rowsIn(sql: Sql, options: SummaryOptions, { group, period }: Grouping): RawBuilder<unknown> {
  const { by, fromMs = 0, toMs = Number.MAX_SAFE_INTEGER, percentiles = false } = options
  const { rows, at, duration, where } = sources[by]
  const grouped = raw`
    select source.*, ${group} as grp, ${period} as period from ${rows(sql)} as source
    where ${where} and ${raw.ref(at)} >= ${fromMs} and ${raw.ref(at)} < ${toMs}`
  if (!percentiles) return grouped
  return raw`
    select grouped.*, row_number() over (partition by grp, period order by ${raw.ref(duration)}) as place,
      count(*) over (partition by grp, period) as places
    from (${grouped}) as grouped`
}

/** The least duration that so many of all are at most as long as. */
function placedAt(duration: Source['duration']): RawBuilder<unknown> {
  const ms = raw.ref(duration)
  return raw`min(case when place >= 0.5 * places then ${ms} end) as p50_ms,
    min(case when place >= 0.95 * places then ${ms} end) as p95_ms`
}

/** PostgreSQL returns counts and sums as text, because they may exceed a double. */
function line(by: SummaryBy, row: Record<string, unknown>, per: SummaryOptions['per']): SummaryLine {
  const number = (name: string) => Number(row[name] ?? 0)
  const orNull = (name: string) => (row[name] === null ? null : number(name))
  return {
    group: groupName(by, row['grp']),
    executions: number('executions'),
    rejected: number('rejected'),
    successRate: orNull('success_rate'),
    meanMs: number('mean_ms'),
    inputTokens: number('input_tokens'),
    outputTokens: number('output_tokens'),
    cost: number('cost'),
    satisfaction: orNull('satisfaction'),
    quality: orNull('quality'),
    ...(per === undefined ? {} : { fromMs: number('period') * perMs[per] }),
    ...(row['p50_ms'] === null ? {} : { p50Ms: number('p50_ms'), p95Ms: number('p95_ms') }),
    ...(row['cached'] === null ? {} : { cached: number('cached') }),
  }
}

function groupName(by: SummaryBy, group: unknown): string | null {
  if (group === null || group === undefined) return null
  return by === 'day' ? new Date(Number(group) * DAY_MS).toISOString().slice(0, 10) : String(group)
}
