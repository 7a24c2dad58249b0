// What the parts of the fleet's page ask for.
import { get, type Got } from '../api/client.ts'
import { may } from '../api/session.ts'

export const AGAIN_MS = 5_000

export type Lane = Got<'/v1/fleet/lanes'>[number]
export type Breaker = Got<'/v1/breakers'>[number]
export type Alert = Got<'/v1/alerts'>[number]
export type DeadLetter = Got<'/v1/dead-letters'>[number]
export type Pause = Got<'/v1/fleet/pauses'>[number]
export type Budget = Got<'/v1/limits'>[number]
type Readiness = Got<'/ready'>

/** Also of a process that is not ready, which answers 503. */
async function readiness(signal: AbortSignal): Promise<Readiness> {
  const response = await fetch('/ready', { signal, cache: 'no-store', credentials: 'omit' })
  return (await response.json()) as Readiness
}

const QUEUE = 500
/** Letters counted in the overview; more are said to be more. */
export const COUNTED = 100

export async function overview(signal: AbortSignal) {
  const [lanes, pauses, breakers, alerts, letters, budgets, ready, queue] = await Promise.all([
    get('/v1/fleet/lanes', { signal }),
    get('/v1/fleet/pauses', { signal }),
    get('/v1/breakers', { signal }),
    get('/v1/alerts', { signal }),
    get('/v1/dead-letters', { query: { limit: COUNTED }, signal }),
    get('/v1/limits', { signal }),
    readiness(signal),
    may('tasks:read:all') ? get('/v1/tasks', { query: { status: 'queued', limit: QUEUE }, signal }) : null,
  ])
  return { lanes, pauses, breakers, alerts, letters, budgets, ready, queue }
}
