import type { Clock } from '../clock.ts'
import type { ServerSecurity } from '../config/environment/server-security.ts'
import { messageOf } from '../errors.ts'
import type { ValueHead } from '../store/port.ts'
import { keyValueKey } from '../store/redis/key-value.ts'
import { connectRedis, type RedisConnection, type StoreLog } from '../store/redis/connection.ts'
import {
  KEEP_BUDGET_MS,
  SWEEP_IDS,
  type BudgetState,
  type Limits,
  type Reserved,
  type SettleRequest,
} from './port.ts'
import { limitsScript } from './redis-script.ts'

export interface RedisLimitsOptions {
  readonly url: string
  readonly security?: ServerSecurity
  /** Fleets that share a Redis are kept apart by it. Default `flotilla`. */
  readonly prefix?: string
  /** Default: Redis's own time, which is one for all processes. */
  readonly clock?: Pick<Clock, 'now'>
  readonly log?: StoreLog
  /** The connection of the key-value store, which the limits then share. Default: one of their own. */
  readonly connection?: RedisConnection
}

/** Keys and arguments, as the script has them. */
type Script = (...args: string[]) => Promise<string>

interface Settled {
  /** Lua's encoder writes an empty list as an empty object. */
  readonly warned: number[] | Record<string, never>
}

const SCAN_COUNT = 500
/** A key of the other store is in another slot, or on another server behind a proxy. */
const ELSEWHERE = /\b(CROSSSLOT|MOVED|ASK|non local key|undeclared key)\b/

/** The hash tag keeps all keys in one slot, where a script may reach them. */
export const limitsPrefix = (prefix: string): string => `{${prefix}}:limits`

export function openRedisLimits(options: RedisLimitsOptions): Limits {
  const { redis, asked, written, close } = options.connection ?? connectRedis(options, options.log)
  const fleet = options.prefix ?? 'flotilla'
  const prefix = limitsPrefix(fleet)
  redis.defineCommand('flotillaLimits', { numberOfKeys: 1, lua: limitsScript })
  redis.defineCommand('flotillaSettleIf', { numberOfKeys: 2, lua: limitsScript })
  const scripts = redis as unknown as { flotillaLimits: Script; flotillaSettleIf: Script }
  const what = (operation: string): string => `${operation} of the limits (keys ${prefix}:…)`
  const nowMs = (): string => (options.clock === undefined ? '' : String(options.clock.now()))
  const run = async <T>(operation: string, request: unknown): Promise<T> => {
    const reply = scripts.flotillaLimits(prefix, operation, JSON.stringify(request), nowMs())
    return JSON.parse(await written(what(operation), reply)) as T
  }
  let together = options.connection !== undefined
  const settleIf = async (request: SettleRequest, { key, begins }: ValueHead): Promise<number[] | null> => {
    if (!together) return null
    const keys = [prefix, keyValueKey(fleet, key)]
    const reply = scripts.flotillaSettleIf(...keys, 'settleIf', JSON.stringify(request), nowMs(), begins)
    try {
      const settled = JSON.parse(await written(what('settle'), reply)) as Settled | { isOther: true }
      return 'isOther' in settled ? null : warnedIn(settled)
    } catch (error) {
      if (!ELSEWHERE.test(messageOf(error))) throw error
      together = false
      return null
    }
  }
  const sweep = async (): Promise<void> => {
    while ((await run<{ ended: number }>('sweep', {})).ended === SWEEP_IDS);
  }
  const budgetKey = `${prefix}:budget:`
  const budgets = async (keyPrefix: string): Promise<BudgetState[]> => {
    // A Redis that takes no writes shows what has ended as reserved.
    await sweep().catch(() => undefined)
    const found: BudgetState[] = []
    const pattern = `${escaped(budgetKey + keyPrefix)}*`
    for (let cursor: string | null = '0'; cursor !== null;) {
      const [next, keys]: [string, string[]] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT)
      const rows = await Promise.all(keys.map((key) => redis.hmget(key, 'settled', 'reserved')))
      for (const [index, [settled, reserved]] of rows.entries())
        found.push({
          key: String(keys[index]).slice(budgetKey.length),
          settled: Number(settled ?? 0),
          reserved: Number(reserved ?? 0),
        })
      cursor = next === '0' ? null : next
    }
    // A scan may name a key twice.
    const byKey = new Map(found.map((state) => [state.key, state]))
    return [...byKey.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
  }
  return {
    reserve: (request) => run<Reserved>('reserve', request),
    settle: async (request) => warnedIn(await run<Settled>('settle', request)),
    ...(together ? { settleIf } : {}),
    release: async (id) => void (await run('release', { id })),
    end: async (id) => void (await run('end', { id })),
    budgets: (keyPrefix) => asked('reading budgets', budgets(keyPrefix)),
    correct: async (key, settled, resetsAtMs) => {
      const correction = redis
        .multi()
        .hset(budgetKey + key, 'settled', settled)
        .pexpireat(budgetKey + key, resetsAtMs + KEEP_BUDGET_MS)
      await written('correcting a budget', correction.exec())
    },
    check: async () => void (await run('sweep', {})),
    close,
  }
}

const warnedIn = ({ warned }: Settled): number[] => (Array.isArray(warned) ? warned : [])

function escaped(text: string): string {
  return text.replaceAll(/[*?[\]\\]/g, String.raw`\$&`)
}
