// What the parts of the fleet's page ask for.
import { ApiError, asApiError, get, type Got } from '../api/client.ts'
import { may } from '../api/session.ts'

export const AGAIN_MS = 5_000

export type Lane = Got<'/v1/fleet/lanes'>[number]
export type Breaker = Got<'/v1/breakers'>[number]
export type Alert = Got<'/v1/alerts'>[number]
export type DeadLetter = Got<'/v1/dead-letters'>[number]
export type Pause = Got<'/v1/fleet/pauses'>[number]
export type Budget = Got<'/v1/limits'>[number]
export type Readiness = Got<'/ready'>

/** Partitions that no broker leads, as `topic[partition]`, each once: what is in them is in no figure. */
export const leaderlessIn = (lanes: readonly Lane[]): readonly string[] => [
  ...new Set(lanes.flatMap(({ lane, leaderless = [] }) => leaderless.map((topic) => `${topic}[${lane}]`))),
]

/** Also of a process that is not ready, which answers 503. */
async function readiness(signal: AbortSignal): Promise<Readiness> {
  const response = await fetch('/ready', { signal, cache: 'no-store', credentials: 'omit' })
  const found = (await response.json().catch(() => null)) as Readiness | { error?: object } | null
  if (found !== null && 'parts' in found) return found
  throw new ApiError(response.status, found?.error ?? {})
}

const QUEUE = 500
/** Letters counted in the overview; more are said to be more. */
export const COUNTED = 100

/** One of the things that the overview asks for: while a store is away, the others are still known. */
export type Piece<T> = { readonly value: T } | { readonly error: ApiError }

const settled = async <T>(asked: Promise<T>): Promise<Piece<T>> =>
  asked.then(
    (value) => ({ value }),
    (cause: unknown) => ({ error: asApiError(cause) }),
  )

/** Rejects if nothing is known. */
export async function overview(signal: AbortSignal) {
  const [lanes, pauses, breakers, alerts, letters, budgets, ready, queue] = await Promise.all([
    settled(get('/v1/fleet/lanes', { signal })),
    settled(get('/v1/fleet/pauses', { signal })),
    settled(get('/v1/breakers', { signal })),
    settled(get('/v1/alerts', { signal })),
    settled(get('/v1/dead-letters', { query: { limit: COUNTED }, signal })),
    settled(get('/v1/limits', { signal })),
    settled(readiness(signal)),
    may('tasks:read:all')
      ? settled(get('/v1/tasks', { query: { status: 'queued', limit: QUEUE }, signal }))
      : null,
  ])
  const pieces = [lanes, pauses, breakers, alerts, letters, budgets, ready]
  if ('error' in lanes && pieces.every((piece) => 'error' in piece)) throw lanes.error
  return { lanes, pauses, breakers, alerts, letters, budgets, ready, queue }
}
