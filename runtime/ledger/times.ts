// Times as people and URLs give them, in epoch milliseconds.
import { shown } from '../../schemas/identity.ts'
import { FlotillaError } from '../errors.ts'

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A day, a time, or how long ago: `2026-11-01`, `90m`, `2d`. Throws REQUEST_INVALID. */
export function sinceOf(value: string, nowMs: number = Date.now()): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(value) ?? []
  return count === undefined
    ? timeOf('since', value, ', or how long ago: 30m, 2h, 1d')
    : nowMs - Number(count) * (unitMs[unit] ?? 0)
}

/** A day is UTC's; a time without a zone would mean another instant on each machine. */
const withZone = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/

/** A day means its beginning in UTC. `more`: what else may be given. */
export function timeOf(name: string, value: string, more = ''): number {
  const atMs = /^\d{13}$/.test(value) ? Number(value) : withZone.test(value) ? Date.parse(value) : Number.NaN
  if (!Number.isNaN(atMs)) return atMs
  throw new FlotillaError(
    'REQUEST_INVALID',
    `${name} must be a day (2026-11-01) or a time with its zone (2026-11-01T08:00Z)${more}, not "${shown(value)}"`,
  )
}
