// The one importer of ioredis.
//
// 1. A command whose connection broke is never sent again by the client: a compare-and-set that took effect would look refused.
//    It rejects with STORE_UNAVAILABLE when COMMAND_MS have passed, and the caller decides.
// 2. A command waits at most COMMAND_MS, connecting included: a short absence goes unnoticed, a long one is an error, not a hang.
import { Redis } from 'ioredis'
import { FlotillaError } from '../errors.ts'
import type { KeyValue } from './port.ts'

export interface RedisOptions {
  readonly url: string
  /** Fleets that share a Redis are kept apart by it. Default `flotilla`. */
  readonly prefix?: string
}

const CONNECT_MS = 5_000
const COMMAND_MS = 5_000
const KEEP_ALIVE_MS = 10_000
const HEALTH_CHECK_MS = 30_000
const RECONNECT_MOST_MS = 2_000

/** ARGV: 1 whether a value is expected, the expected one, the next one, its lifetime in ms (empty: no end). Replies {1} or {0, current}. */
const compareAndSet = `
local current = redis.call('GET', KEYS[1])
if (ARGV[1] == '1' and current ~= ARGV[2]) or (ARGV[1] == '0' and current) then return {0, current} end
if ARGV[4] == '' then redis.call('SET', KEYS[1], ARGV[3])
else redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) end
return {1}`

type CompareAndSet = (...args: string[]) => Promise<[number, (string | null)?]>

/** Connects in the background; a Redis that is away shows in `check` and in each operation. */
export function openRedisKeyValue(options: RedisOptions): KeyValue {
  const redis = connect(options.url)
  const place = placeOf(options.url)
  redis.defineCommand('flotillaCompareAndSet', { numberOfKeys: 1, lua: compareAndSet })
  const swap = (redis as unknown as { flotillaCompareAndSet: CompareAndSet }).flotillaCompareAndSet.bind(
    redis,
  )
  const full = (key: string): string => `${options.prefix ?? 'flotilla'}:kv:${key}`
  const asked = <T>(what: string, promise: Promise<T>): Promise<T> =>
    promise.catch((cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new FlotillaError('STORE_UNAVAILABLE', `${what} in Redis at ${place}: ${reason}`, { cause })
    })
  const healthTimer = watchHealth(redis)
  return {
    kind: 'redis',
    get: (key) => asked(`reading ${key}`, redis.get(full(key))),
    set: async (key, value, ttlMs) => {
      const set =
        ttlMs === undefined ? redis.set(full(key), value) : redis.set(full(key), value, 'PX', wholeMs(ttlMs))
      await asked(`writing ${key}`, set)
    },
    async compareAndSet(key, expected, next, ttlMs) {
      const lifetime = ttlMs === undefined ? '' : String(wholeMs(ttlMs))
      const args = [full(key), expected === null ? '0' : '1', expected ?? '', next, lifetime]
      const [swapped, current] = await asked(`writing ${key}`, swap(...args))
      return swapped === 1 ? { swapped: true } : { swapped: false, current: current ?? null }
    },
    delete: async (keys) => {
      if (keys.length > 0) await asked('deleting keys', redis.del(...keys.map(full)))
    },
    durability: () => describeDurability(redis, asked),
    check: async () => void (await asked('asking for a sign of life', redis.ping())),
    close: () => {
      clearInterval(healthTimer)
      redis.disconnect()
      return Promise.resolve()
    },
  }
}

function connect(url: string): Redis {
  const redis = new Redis(url, {
    connectTimeout: CONNECT_MS,
    commandTimeout: COMMAND_MS,
    keepAlive: KEEP_ALIVE_MS,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: null,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 8), RECONNECT_MOST_MS),
  })
  // Each operation reports its own error; without a listener ioredis would print to the console.
  redis.on('error', () => undefined)
  return redis
}

/** A connection that no longer answers (a half-open socket) is replaced. */
function watchHealth(redis: Redis): NodeJS.Timeout {
  const check = (): void => {
    if (redis.status === 'ready') redis.ping().catch(() => redis.disconnect(true))
  }
  return setInterval(check, HEALTH_CHECK_MS).unref()
}

/** Redis refuses a lifetime of 0. */
function wholeMs(ttlMs: number): number {
  return Math.max(1, Math.ceil(ttlMs))
}

async function describeDurability(
  redis: Redis,
  asked: <T>(what: string, promise: Promise<T>) => Promise<T>,
): Promise<{ durable: boolean; reason: string }> {
  await asked('asking for a sign of life', redis.ping())
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
    const reason = error instanceof Error ? error.message : String(error)
    return {
      durable: false,
      reason: `Redis does not tell its settings (CONFIG GET: ${reason}); the journal needs appendonly yes, appendfsync always, maxmemory-policy noeviction`,
    }
  }
}

/** Host and port alone: the URL may hold a password. */
function placeOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'an unreadable REDIS_URL'
}
