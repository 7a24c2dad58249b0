import type { ServerSecurity } from '../../config/environment/server-security.ts'
import type { KeyValue } from '../port.ts'
import { connectRedis, type RedisConnection, type StoreLog } from './connection.ts'
import { describeDurability, Fitness, Replicas } from './fitness.ts'

export interface RedisOptions {
  readonly url: string
  readonly security?: ServerSecurity
  /** Fleets that share a Redis are kept apart by it. Default `flotilla`. */
  readonly prefix?: string
  /** Refuses to write to a Redis that may lose writes. Default false. */
  readonly requireDurable?: boolean
  /** Replicas that must have a compare-and-set before it resolves. Default 0. */
  readonly waitReplicas?: number
  readonly log?: StoreLog
  /** Default: one of its own. */
  readonly connection?: RedisConnection
}

/**
 * KEYS: the value, its lease. ARGV: 1 whether a value is expected (empty: whichever, or none), the expected one, the next
 * one, its lifetime in ms (empty: no end), its lease in ms (empty: none). Replies {1} or {0, current, rest of its
 * lease}. A lease is a key that expires, so Redis's clock alone decides.
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

/** A key of this store as Redis has it. */
export const keyValueKey = (prefix: string, key: string): string => `${prefix}:kv:${key}`

const CHECK_KEPT_MS = '60000'

type CompareAndSet = (...args: string[]) => Promise<[number, (string | null)?, number?]>

/** Connects in the background; a Redis that is away shows in `check` and in each operation. */
export function openRedisKeyValue(options: RedisOptions): KeyValue {
  const connection = options.connection ?? connectRedis(options, options.log)
  const { redis, asked, written, generation, close } = connection
  const fitness = options.requireDurable ? new Fitness(connection) : null
  const replicas = new Replicas(connection, options.waitReplicas ?? 0)
  redis.defineCommand('flotillaCompareAndSet', { numberOfKeys: 2, lua: compareAndSet })
  const swap = (redis as unknown as { flotillaCompareAndSet: CompareAndSet }).flotillaCompareAndSet.bind(
    redis,
  )
  const full = (key: string): string => keyValueKey(options.prefix ?? 'flotilla', key)
  // The hash tag keeps both in one slot of a Redis Cluster.
  const leaseOf = (key: string): string => `{${full(key)}}:lease`
  return {
    kind: 'redis',
    get: (key) => asked(`reading ${full(key)}`, redis.get(full(key))),
    set: async (key, value, ttlMs) => {
      const set =
        ttlMs === undefined ? redis.set(full(key), value) : redis.set(full(key), value, 'PX', wholeMs(ttlMs))
      await written(`writing ${full(key)}`, set)
    },
    async compareAndSet(key, expected, next, lifetime, sent) {
      const { ttlMs, leaseMs } =
        typeof lifetime === 'object' ? lifetime : { ttlMs: lifetime, leaseMs: undefined }
      const args = [full(key), leaseOf(key), expected === null ? '0' : '1', expected ?? '', next]
      await fitness?.require()
      const connected = generation()
      const reply = swap(...args, msOrNone(ttlMs), msOrNone(leaseMs))
      sent?.()
      const [swapped, current, leaseLeftMs = 0] = await written(`writing ${full(key)}`, reply)
      if (swapped === 1) {
        await replicas.acknowledge(connected)
        return { swapped: true }
      }
      return { swapped: false, current: current ?? null, ...(leaseLeftMs > 0 ? { leaseLeftMs } : {}) }
    },
    delete: async (keys) => {
      if (keys.length > 0) await written('deleting keys', redis.del(...keys.map(full)))
    },
    durability: () => describeDurability(connection),
    check: async () => {
      await fitness?.require()
      const connected = generation()
      // A replica, and a server without memory or disk, answers everything except writes; a user with few rights may
      // write a key, and neither run a script nor write a lease.
      await written(
        'writing for a check',
        swap(full('check'), leaseOf('check'), '', '', '', CHECK_KEPT_MS, CHECK_KEPT_MS),
      )
      await replicas.acknowledge(connected)
    },
    close: () => {
      fitness?.close()
      return close()
    },
  }
}

const msOrNone = (ms: number | undefined): string => (ms === undefined ? '' : String(wholeMs(ms)))

/** Redis refuses a lifetime of 0. */
function wholeMs(ttlMs: number): number {
  return Math.max(1, Math.ceil(ttlMs))
}
