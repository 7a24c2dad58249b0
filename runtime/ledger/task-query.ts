import { FlotillaError } from '../errors.ts'
import { oneOf, timeOf } from './reader.ts'
import { MAX_TASKS, taskStates, type TaskQuery } from './tasks.ts'

const filters = ['status', 'agent', 'user', 'model', 'since', 'limit', 'after'] as const
const states = [...taskStates, 'open'] as const
const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Parses filters as people and URLs give them. Throws REQUEST_INVALID, naming the allowed values. */
export function taskQuery(given: Readonly<Record<string, unknown>>): TaskQuery {
  for (const name of Object.keys(given))
    if (!filters.some((each) => each === name))
      throw new FlotillaError('REQUEST_INVALID', `no filter ${name}; there are: ${filters.join(', ')}`)
  const text = (name: string): string | undefined => {
    const value = given[name]
    if (value === undefined || typeof value === 'string') return value
    throw new FlotillaError('REQUEST_INVALID', `${name} is given more than once`)
  }
  const [status, agent, user, model, since, limit, after] = filters.map(text)
  return {
    ...(status === undefined ? {} : { status: oneOf('status', status, states) }),
    ...(agent === undefined ? {} : { agent }),
    ...(user === undefined ? {} : { user }),
    ...(model === undefined ? {} : { model }),
    ...(since === undefined ? {} : { sinceMs: sinceOf(since) }),
    ...(limit === undefined ? {} : { limit: limitOf(limit) }),
    ...(after === undefined ? {} : { after }),
  }
}

/** A day, a time, or how long ago: `2026-11-01`, `90m`, `2d`. Epoch milliseconds. */
export function sinceOf(value: string, nowMs: number = Date.now()): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(value) ?? []
  return count === undefined
    ? timeOf('since', value, ', or how long ago: 30m, 2h, 1d')
    : nowMs - Number(count) * (unitMs[unit] ?? 0)
}

function limitOf(value: string): number {
  const limit = /^\d{1,6}$/.test(value) ? Number(value) : 0
  if (limit >= 1 && limit <= MAX_TASKS) return limit
  throw new FlotillaError(
    'REQUEST_INVALID',
    `limit must be a whole number from 1 to ${MAX_TASKS}, not "${value}"`,
  )
}
