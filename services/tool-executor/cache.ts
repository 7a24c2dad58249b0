// Results of tools, kept in the key-value store (R5). A failed, slow or corrupt cache is a
// warning and a miss.
import { createHash } from 'node:crypto'
import { systemClock, type Clock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/telemetry/instruments.ts'
import type { Json } from '../../schemas/json.ts'
import type { KeyValue } from '../../runtime/store/port.ts'
import { sortedJson } from '../../runtime/json/sorted.ts'

/** Longer keys are hashed. Characters. */
const MAX_KEY_CHARS = 1_024
/** A slower cache is useless. */
const TIME_LIMIT_MS = 1_000
const WARN_EVERY_MS = 60_000

export class ToolCache {
  readonly #store: Pick<KeyValue, 'get' | 'set'>
  readonly #log: Pick<Log, 'warn'>
  readonly #clock: Clock
  #quietUntilMs = 0

  constructor(store: Pick<KeyValue, 'get' | 'set'>, log: Pick<Log, 'warn'>, clock: Clock = systemClock) {
    this.#store = store
    this.#log = log
    this.#clock = clock
  }

  async get(key: string): Promise<{ output: Json } | null> {
    return this.#tolerant(async () => {
      const text = await this.#store.get(key)
      return text === null ? null : { output: JSON.parse(text) as Json }
    })
  }

  /** `text`: the output as JSON. */
  async set(key: string, text: string, ttlMs: number): Promise<void> {
    await this.#tolerant(() => this.#store.set(key, text, ttlMs))
  }

  async #tolerant<T>(operation: () => Promise<T>): Promise<T | null> {
    try {
      return await withTimeLimit(this.#clock, operation())
    } catch (error) {
      this.#warn(error)
      return null
    }
  }

  #warn(error: unknown): void {
    const now = this.#clock.now()
    if (now < this.#quietUntilMs) return
    this.#quietUntilMs = now + WARN_EVERY_MS
    this.#log.warn({ err: error }, 'tool cache failed; calling tools instead (logged once a minute)')
  }
}

/**
 * Tool name and arguments in sorted JSON: the order of arguments makes no difference. With `scope`, the key
 * of one user's results; tasks that name no user share theirs.
 */
export function cacheKey(tool: string, args: Json, scope?: { readonly userId: string | null }): string {
  // Arguments are an object, so no shared key starts like a user's.
  const user = scope === undefined ? '' : `user:${JSON.stringify(scope.userId)}:`
  const key = `tool-cache:${tool}:${user}${sortedJson(args)}`
  if (key.length <= MAX_KEY_CHARS) return key
  return `tool-cache:${tool}:sha256:${createHash('sha256').update(key).digest('hex')}`
}

async function withTimeLimit<T>(clock: Clock, work: Promise<T>): Promise<T> {
  let stop = () => {}
  const late = new Promise<never>((_, reject) => {
    stop = clock.schedule(TIME_LIMIT_MS, () => reject(new Error(`no answer within ${TIME_LIMIT_MS} ms`)))
  })
  try {
    return await Promise.race([work, late])
  } finally {
    stop()
  }
}
