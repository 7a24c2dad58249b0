import type { KeyValue } from './port.ts'
import { connectRedis, type Asked, type RedisConnection } from './redis-connection.ts'

export interface RedisOptions {
  readonly url: string
  /** Fleets that share a Redis are kept apart by it. Default `flotilla`. */
  readonly prefix?: string
}

/**
 * KEYS: the value, its lease. ARGV: 1 whether a value is expected, the expected one, the next one, its lifetime in ms (empty:
 * no end), its lease in ms (empty: none). Replies {1} or {0, current, what is left of its lease}. A lease is a key that
 * expires, so Redis's clock alone decides.
 */
const compareAndSet = `
local current = redis.call('GET', KEYS[1])
if (ARGV[1] == '1' and current ~= ARGV[2]) or (ARGV[1] == '0' and current) then
  return {0, current, redis.call('PTTL', KEYS[2])}
end
if ARGV[4] == '' then redis.call('SET', KEYS[1], ARGV[3])
else redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) end
if ARGV[5] == '' then redis.call('DEL', KEYS[2])
else redis.call('SET', KEYS[2], '', 'PX', ARGV[5]) end
return {1}`

type CompareAndSet = (...args: string[]) => Promise<[number, (string | null)?, number?]>

/** Connects in the background; a Redis that is away shows in `check` and in each operation. */
export function openRedisKeyValue(options: RedisOptions): KeyValue {
  const { redis, asked, close } = connectRedis(options.url)
  redis.defineCommand('flotillaCompareAndSet', { numberOfKeys: 2, lua: compareAndSet })
  const swap = (redis as unknown as { flotillaCompareAndSet: CompareAndSet }).flotillaCompareAndSet.bind(
    redis,
  )
  const full = (key: string): string => `${options.prefix ?? 'flotilla'}:kv:${key}`
  const leaseOf = (key: string): string => `${options.prefix ?? 'flotilla'}:lease:${key}`
  return {
    kind: 'redis',
    get: (key) => asked(`reading ${key}`, redis.get(full(key))),
    set: async (key, value, ttlMs) => {
      const set =
        ttlMs === undefined ? redis.set(full(key), value) : redis.set(full(key), value, 'PX', wholeMs(ttlMs))
      await asked(`writing ${key}`, set)
    },
    async compareAndSet(key, expected, next, lifetime) {
      const { ttlMs, leaseMs } =
        typeof lifetime === 'object' ? lifetime : { ttlMs: lifetime, leaseMs: undefined }
      const args = [full(key), leaseOf(key), expected === null ? '0' : '1', expected ?? '', next]
      const [swapped, current, leaseLeftMs = 0] = await asked(
        `writing ${key}`,
        swap(...args, msOrNone(ttlMs), msOrNone(leaseMs)),
      )
      if (swapped === 1) return { swapped: true }
      return { swapped: false, current: current ?? null, ...(leaseLeftMs > 0 ? { leaseLeftMs } : {}) }
    },
    delete: async (keys) => {
      if (keys.length > 0) await asked('deleting keys', redis.del(...keys.map(full)))
    },
    durability: () => describeDurability(redis, asked),
    check: async () => void (await asked('asking for a sign of life', redis.ping())),
    close,
  }
}

const msOrNone = (ms: number | undefined): string => (ms === undefined ? '' : String(wholeMs(ms)))

/** Redis refuses a lifetime of 0. */
function wholeMs(ttlMs: number): number {
  return Math.max(1, Math.ceil(ttlMs))
}

async function describeDurability(
  redis: RedisConnection['redis'],
  asked: Asked,
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
