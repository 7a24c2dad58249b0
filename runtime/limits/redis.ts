import type { Clock } from '../clock.ts'
import type { ServerSecurity } from '../config/server-security.ts'
import { connectRedis, type StoreLog } from '../store/redis-connection.ts'
import { KEEP_BUDGET_MS, SWEEP_IDS, type BudgetState, type Limits, type Reserved } from './port.ts'
import { limitsScript } from './redis-script.ts'

export interface RedisLimitsOptions {
  readonly url: string
  readonly security?: ServerSecurity
  /** Fleets that share a Redis are kept apart by it. Default `flotilla`. */
  readonly prefix?: string
  /** Default: Redis's own time, which is one for all processes. */
  readonly clock?: Pick<Clock, 'now'>
  readonly log?: StoreLog
}

type Script = (key: string, operation: string, request: string, nowMs: string) => Promise<string>

const SCAN_COUNT = 500

/** The hash tag keeps all keys in one slot, where a script may reach them. */
export const limitsPrefix = (prefix: string): string => `{${prefix}}:limits`

export function openRedisLimits(options: RedisLimitsOptions): Limits {
  const { redis, asked, written, close } = connectRedis(options, options.log)
  const prefix = limitsPrefix(options.prefix ?? 'flotilla')
  redis.defineCommand('flotillaLimits', { numberOfKeys: 1, lua: limitsScript })
  const script = (redis as unknown as { flotillaLimits: Script }).flotillaLimits.bind(redis)
  const run = async <T>(operation: string, request: unknown): Promise<T> => {
    const nowMs = options.clock === undefined ? '' : String(options.clock.now())
    const reply = await written(
      `${operation} of the limits (keys ${prefix}:…)`,
      script(prefix, operation, JSON.stringify(request), nowMs),
    )
    return JSON.parse(reply) as T
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
    settle: async (request) => {
      // Lua's encoder writes an empty list as an empty object.
      const { warned } = await run<{ warned: number[] | Record<string, never> }>('settle', request)
      return Array.isArray(warned) ? warned : []
    },
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

function escaped(text: string): string {
  return text.replaceAll(/[*?[\]\\]/g, String.raw`\$&`)
}
