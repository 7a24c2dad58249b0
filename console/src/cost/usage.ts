// What the cost page asks for, and the series that its plots show. Pure but for the request.
import { get, type Got } from '../api/client.ts'
import { fleetMs } from '../clock.ts'
import type { Series } from '../components/series.ts'

export type UsageLine = Got<'/v1/usage'>[number]

export const ranges = [
  { name: '24h', label: '24 hours', ms: 86_400_000, per: 'hour' },
  { name: '7d', label: '7 days', ms: 7 * 86_400_000, per: 'day' },
  { name: '30d', label: '30 days', ms: 30 * 86_400_000, per: 'day' },
  { name: '90d', label: '90 days', ms: 90 * 86_400_000, per: 'day' },
] as const
export type Range = (typeof ranges)[number]

export const groups = ['model', 'agent', 'user', 'tool'] as const
export type Group = (typeof groups)[number]

const PERIOD_MS = { hour: 3_600_000, day: 86_400_000 } as const
const LINES = 1_000
const PERIODS = 10_000

export interface Usage {
  readonly fromMs: number
  readonly toMs: number
  readonly total: UsageLine | null
  /** Tasks, a line for each period. */
  readonly periods: readonly UsageLine[]
  /** A line for each group, the most expensive first. */
  readonly lines: readonly UsageLine[]
  /** A line for each group and period, the latest first. */
  readonly parts: readonly UsageLine[]
  /** Earlier periods are left out of `parts`. */
  readonly isCut: boolean
}

/** A range begins with a whole hour or day: what is shown of it and what is saved of it add up to the same. */
export function beginOf({ ms, per }: Pick<Range, 'ms' | 'per'>, toMs: number): number {
  const fromMs = toMs - ms
  return fromMs - (fromMs % PERIOD_MS[per])
}

export async function usageOf(range: Range, by: Group, signal: AbortSignal): Promise<Usage> {
  const toMs = fleetMs()
  const fromMs = beginOf(range, toMs)
  const ask = (query: { by: 'total' | Group; per?: 'hour' | 'day'; limit?: number }) =>
    get('/v1/usage', {
      query: { ...query, percentiles: true, from: new Date(fromMs).toISOString() },
      signal,
    })
  const [[total = null], periods, lines, parts] = await Promise.all([
    ask({ by: 'total' }),
    ask({ by: 'total', per: range.per }),
    ask({ by, limit: LINES }),
    ask({ by, per: range.per, limit: PERIODS }),
  ])
  return { fromMs, toMs, total, periods, lines, parts, isCut: parts.length === PERIODS }
}

/** The beginning of every period, also of those in which nothing happened. */
export function timesOf({ fromMs, toMs }: Pick<Usage, 'fromMs' | 'toMs'>, per: Range['per']): number[] {
  const stepMs = PERIOD_MS[per]
  return Array.from(
    { length: Math.floor((toMs - fromMs) / stepMs) + 1 },
    (_, index) => fromMs + index * stepMs,
  )
}

/** The value of each period; `none` where there is no line. */
export function valuesOf(
  lines: readonly UsageLine[],
  timesMs: readonly number[],
  valueOf: (line: UsageLine) => number | null,
  none: number | null,
): (number | null)[] {
  const found = new Map(lines.map((line) => [line.fromMs, valueOf(line)]))
  return timesMs.map((ms) => (found.has(ms) ? (found.get(ms) ?? null) : none))
}

const colours = ['--model', '--tool', '--python', '--person', '--trouble']

/** A series for each of the groups that come first, and one for the rest together. */
export function seriesByGroup(
  { lines, parts }: Pick<Usage, 'lines' | 'parts'>,
  timesMs: readonly number[],
  valueOf: (line: UsageLine) => number | null,
  none: 0 | null = 0,
): Series[] {
  const first = lines.slice(0, colours.length).map(({ group }) => group)
  const own = first.map((group, index) => ({
    name: group ?? 'none',
    colour: colours[index] ?? '--queue',
    values: valuesOf(
      parts.filter((part) => part.group === group),
      timesMs,
      valueOf,
      none,
    ),
  }))
  // Sums alone can be added up.
  if (lines.length <= first.length || none === null) return own
  const rest = new Map<number | undefined, number>()
  for (const part of parts)
    if (!first.includes(part.group))
      rest.set(part.fromMs, (rest.get(part.fromMs) ?? 0) + (valueOf(part) ?? 0))
  return [...own, { name: 'others', colour: '--queue', values: timesMs.map((ms) => rest.get(ms) ?? 0) }]
}
