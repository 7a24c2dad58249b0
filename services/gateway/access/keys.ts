// Checks API keys against the database, and remembers the answer for a moment.
//
// 1. What the database said counts for FRESH_MS, so a revoked key is refused within 5 s everywhere. If the database
//    can't be asked then, the request is (STORE_UNAVAILABLE, 503): a key that was revoked must not work again.
// 2. A wrong secret never replaces what is remembered of a key, and is compared in constant time.
import { timingSafeEqual } from 'node:crypto'
import { hashOfSecret, keyViewOf, type GivenKey, type KeyRow } from '../../../operator/direct/keys.ts'
import { isScope } from '../../../api/scopes.ts'
import { FlotillaError, messageOf } from '../../../runtime/errors.ts'
import type { Sql } from '../../../runtime/store/sql.ts'
import type { Log } from '../../../runtime/telemetry/instruments.ts'
import type { Principal } from './principal.ts'

/** With OPEN_EVERY_MS (open-requests.ts) less than the five seconds that are promised. */
export const FRESH_MS = 3_000
/** Keys that are remembered, about 1 KB each. */
const MAX_KEYS = 10_000
const USED_EVERY_MS = 60_000

interface Remembered {
  readonly row: KeyRow
  readonly readAtMs: number
}

export interface KeyParts {
  readonly sql: Sql
  readonly logger: Log
  /** Milliseconds that only grow. */
  readonly now: () => number
}

/** A principal, or why there is none: for the client, so that it names no secret. */
export type Checked = { readonly principal: Principal } | { readonly problem: string }

export class KeyChecks {
  readonly #parts: KeyParts
  readonly #known = new Map<string, Remembered>()
  readonly #reading = new Map<string, Promise<KeyRow | null>>()
  readonly #usedAtMs = new Map<string, number>()

  constructor(parts: KeyParts) {
    this.#parts = parts
  }

  /** Whether this very key was right before: then it is no guess. */
  isRemembered({ id, secret }: GivenKey): boolean {
    const known = this.#known.get(id)
    return known !== undefined && isRight(known.row, secret)
  }

  /** Rejects with STORE_UNAVAILABLE. */
  async check(given: GivenKey): Promise<Checked> {
    const known = this.#known.get(given.id)
    if (known && !isRight(known.row, given.secret)) return unknown
    const isFresh = known !== undefined && this.#parts.now() - known.readAtMs < FRESH_MS
    const row = isFresh ? known.row : await this.#read(given.id)
    if (row === null || !isRight(row, given.secret)) return unknown
    const problem = problemOf(row, Date.now())
    if (problem !== null) return { problem }
    this.#used(row)
    return { principal: principalOfKey(row) }
  }

  /** The next request asks the database. */
  forget(id: string): void {
    this.#known.delete(id)
  }

  #read(id: string): Promise<KeyRow | null> {
    const started = this.#reading.get(id) ?? this.#readNow(id).finally(() => this.#reading.delete(id))
    this.#reading.set(id, started)
    return started
  }

  async #readNow(id: string): Promise<KeyRow | null> {
    const readAtMs = this.#parts.now()
    const row = await this.#parts.sql
      .selectFrom('api_keys')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst()
      .catch(unavailable)
    this.#known.delete(id)
    if (!row) return null
    this.#known.set(id, { row, readAtMs })
    const [oldest] = this.#known.keys()
    if (this.#known.size > MAX_KEYS && oldest !== undefined) {
      this.#known.delete(oldest)
      this.#usedAtMs.delete(oldest)
    }
    return row
  }

  /** Notes the use at most once a minute; nothing waits for it, and a lost note is no harm. */
  #used({ id }: KeyRow): void {
    const { sql, logger, now } = this.#parts
    const nowMs = now()
    if (nowMs - (this.#usedAtMs.get(id) ?? Number.NEGATIVE_INFINITY) < USED_EVERY_MS) return
    this.#usedAtMs.set(id, nowMs)
    sql
      .updateTable('api_keys')
      .set({ last_used_at_ms: Date.now() })
      .where('id', '=', id)
      .execute()
      .catch((error: unknown) => logger.debug({ err: error, keyId: id }, 'failed to note the use of a key'))
  }
}

const unknown: Checked = { problem: 'the key is not one of this fleet' }

const isRight = ({ secret_hash }: KeyRow, secret: string): boolean =>
  timingSafeEqual(Buffer.from(secret_hash, 'hex'), hashOfSecret(secret))

function problemOf({ id, revoked_at_ms, expires_at_ms }: KeyRow, nowMs: number): string | null {
  if (revoked_at_ms !== null) return `the key ${id} was revoked at ${new Date(revoked_at_ms).toISOString()}`
  if (expires_at_ms !== null && expires_at_ms <= nowMs)
    return `the key ${id} expired at ${new Date(expires_at_ms).toISOString()}`
  return null
}

function principalOfKey(row: KeyRow): Principal {
  const { id, name, userId, madeBy, scopes, agents } = keyViewOf(row)
  const credential = `key ${name} (${id})`
  return { name, credential, madeBy, userId, scopes: new Set(scopes.filter(isScope)), agents }
}

export function unavailable(cause: unknown): never {
  if (cause instanceof FlotillaError) throw cause
  throw new FlotillaError('STORE_UNAVAILABLE', `keys can't be checked now: ${messageOf(cause)}`, { cause })
}
