// Times as people and URLs give them, in epoch milliseconds.
import { FlotillaError } from '../errors.ts'

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** JavaScript would take 0.5 and "may" for dates too. */
const DATE = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?( ?(Z|[+-]\d{2}:?\d{2}))?)?$/i

/** A day, a time, or how long ago: `2026-11-01`, `90m`, `2d`. Throws REQUEST_INVALID. */
export function sinceOf(value: string, nowMs: number = Date.now()): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(value) ?? []
  return count === undefined ? timeOf('since', value) : nowMs - Number(count) * (unitMs[unit] ?? 0)
}

/** A day means its beginning in UTC. */
export function timeOf(name: string, value: string): number {
  const parsed = DATE.test(value) ? Date.parse(value) : NaN
  const atMs = /^\d{13}$/.test(value) ? Number(value) : parsed
  if (!Number.isNaN(atMs)) return atMs
  const message = `${name} must be a day (2026-11-01) or a time (2026-11-01T08:00Z), not "${value}"`
  throw new FlotillaError('REQUEST_INVALID', message)
}
