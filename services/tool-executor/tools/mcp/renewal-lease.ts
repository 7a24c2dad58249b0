// The right to use a refresh token, which one process of a fleet has at a time: an issuer that sees one twice may take
// back all that came from it.
//
// 1. It is a key of the store that all share, and ends by itself if its holder dies.
// 2. A holder that is stopped for longer than the lease may be overtaken: what it writes then is compared first
//    (credentials.ts), so that the newer token stays.
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { exactTime } from '../../../../runtime/text/quantities.ts'
import type { KeyValue } from '../../../../runtime/store/port.ts'

export type SharedTokens = Pick<KeyValue, 'get' | 'compareAndSet'>

const ASK_EVERY_MS = 50
/** A process may die while it holds the lease, and others may be before this one. */
const MOST_LEASES = 4

export interface RenewalLease {
  /** Null: nobody shares the token. */
  readonly keyValue: SharedTokens | null
  readonly key: string
  /** Longer than the work may take. */
  readonly leaseMs: number
}

/** Does the work while no other process does work of this key. Throws TOOL_UNAVAILABLE if others have it for too long. */
export async function alone<T>({ keyValue, key, leaseMs }: RenewalLease, work: () => Promise<T>): Promise<T> {
  if (keyValue === null) return work()
  const own = randomUUID()
  const untilMs = performance.now() + MOST_LEASES * leaseMs
  while (!(await keyValue.compareAndSet(key, null, own, leaseMs)).swapped) {
    if (performance.now() > untilMs) throw tooLong(leaseMs)
    await pause(ASK_EVERY_MS * (0.5 + Math.random()))
  }
  try {
    return await work()
  } finally {
    // It may have ended, and be another's: then nothing is written.
    await keyValue.compareAndSet(key, own, '', 1).catch(() => undefined)
  }
}

const tooLong = (leaseMs: number): FlotillaError =>
  new FlotillaError(
    'TOOL_UNAVAILABLE',
    `other processes renewed the same refresh token for ${exactTime(MOST_LEASES * leaseMs)}`,
  )
