// Checks whether a Redis may be trusted with the call journal: every server that a connection reaches, before
// the first write, because a failover may lead to one with other settings.
import { FlotillaError, messageOf } from '../../errors.ts'
import type { RedisConnection } from './connection.ts'

interface Durability {
  readonly durable: boolean
  readonly reason: string
}

/** Settings change while a server runs, too. */
const CHECK_EVERY_MS = 30_000
/** Less than a command may take. */
const WAIT_MS = 1_000

/** Rejects with STORE_UNAVAILABLE if it can't be asked, and at a replica, which is disconnected. */
export async function describeDurability({ redis, asked, reconnect }: RedisConnection): Promise<Durability> {
  const [role] = (await asked('asking for its role', redis.role())) as [string]
  if (role !== 'master') {
    reconnect()
    const advice =
      role === 'sentinel' ? ': name an address that leads to the primary (docs/operating.md)' : ''
    throw new FlotillaError(
      'STORE_UNAVAILABLE',
      `Redis at REDIS_URL is a ${role} and takes no writes${advice}`,
    )
  }
  const setting = async (name: string): Promise<string> => {
    const reply = (await redis.config('GET', name)) as string[]
    return reply[1] ?? 'unknown'
  }
  try {
    const found = await Promise.all(['appendonly', 'appendfsync', 'maxmemory-policy'].map(setting))
    const [appendOnly, sync, eviction] = found
    return {
      durable: appendOnly === 'yes' && sync === 'always' && eviction === 'noeviction',
      reason: `Redis has appendonly ${appendOnly}, appendfsync ${sync}, maxmemory-policy ${eviction}; the journal needs yes, always, noeviction`,
    }
  } catch (error) {
    const reason = messageOf(error)
    return {
      durable: false,
      reason: `Redis does not show its settings (CONFIG GET: ${reason}); the journal needs appendonly yes, appendfsync always, maxmemory-policy noeviction`,
    }
  }
}

/** Lets writes through to a durable server, and refuses them at any other. */
export class Fitness {
  readonly #connection: RedisConnection
  readonly #timer: NodeJS.Timeout
  /** Result for this connection; null: not asked yet. */
  #checked: Promise<Durability> | null = null

  constructor(connection: RedisConnection) {
    this.#connection = connection
    connection.redis.on('close', () => (this.#checked = null))
    this.#timer = setInterval(() => (this.#checked = null), CHECK_EVERY_MS).unref()
  }

  async require(): Promise<void> {
    // Writes now go to the next server.
    if (!this.#connection.isOpen()) this.#checked = null
    const checking = (this.#checked ??= describeDurability(this.#connection))
    const { durable, reason } = await checking.catch((error: unknown) => {
      if (this.#checked === checking) this.#checked = null
      throw error
    })
    if (durable) return
    // Checked again at the next write: correcting the settings needs no restart.
    if (this.#checked === checking) this.#checked = null
    throw new FlotillaError('STORE_UNAVAILABLE', `${reason}. No calls are made until it is corrected`)
  }

  close(): void {
    clearInterval(this.#timer)
  }
}

/**
 * Waits until that many replicas have a write, for a primary whose loss must lose nothing. One WAIT covers
 * every write that was answered before it was sent.
 */
export class Replicas {
  readonly #connection: RedisConnection
  readonly #wanted: number
  #current: Promise<unknown> = Promise.resolve()
  #next: Promise<number> | null = null

  constructor(connection: RedisConnection, wanted: number) {
    this.#connection = connection
    this.#wanted = wanted
  }

  /** Rejects with STORE_UNAVAILABLE: the write took effect, may be lost with the primary; repeat it. */
  async acknowledge(generation: number): Promise<void> {
    if (this.#wanted === 0) return
    const acknowledged = await (this.#next ??= this.#send())
    // A new connection has written nothing yet, so its WAIT does not cover the former one's writes.
    if (this.#connection.generation() !== generation)
      throw new FlotillaError(
        'STORE_UNAVAILABLE',
        'the connection to Redis broke before its replicas had a write',
      )
    if (acknowledged >= this.#wanted) return
    throw new FlotillaError(
      'STORE_UNAVAILABLE',
      `${acknowledged} of ${this.#wanted} replicas of Redis (FLOTILLA_REDIS_WAIT_REPLICAS) have a write after ${WAIT_MS} ms`,
    )
  }

  async #send(): Promise<number> {
    await this.#current.catch(() => undefined)
    this.#next = null
    const { redis, asked } = this.#connection
    const waiting = asked('waiting for replicas', redis.wait(this.#wanted, WAIT_MS))
    this.#current = waiting
    return await waiting
  }
}
