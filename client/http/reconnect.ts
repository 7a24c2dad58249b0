// When a client tries again, after its connection to a gateway broke.
import { setTimeout as sleep } from 'node:timers/promises'
import { backoffMs } from '../../runtime/backoff.ts'
import { FlotillaError, type ErrorCode } from '../../runtime/errors.ts'

export interface ReconnectOptions {
  /** The client gives up after it found no gateway for this long. Milliseconds; default 300,000. */
  reconnectMs?: number
  /** Runs before each try to connect again. */
  onReconnect?: (reason: Error) => void
}

const FIRST_MS = 100
const MOST_MS = 5_000
const GIVE_UP_MS = 300_000

/** The gateway is away, stops, or asks for patience. */
const passing: ReadonlySet<ErrorCode> = new Set([
  'GATEWAY_UNAVAILABLE',
  'LOG_UNAVAILABLE',
  'REGISTRY_UNAVAILABLE',
  'STORE_UNAVAILABLE',
  'ISSUER_UNAVAILABLE',
  'SEARCH_UNFINISHED',
  'STREAM_SILENT',
  'TOO_MANY_STREAMS',
  'READER_TOO_SLOW',
])

/** The tries of one stream or one wait. A first connection that fails is final. */
export class Reconnect {
  readonly #options: ReconnectOptions
  #connectedAtMs: number | null = null
  #lostAtMs: number | null = null
  #tries = 0
  #wasConnected: boolean

  /** `wasConnected`: the gateway has answered this client before. */
  constructor(options: ReconnectOptions, wasConnected: boolean) {
    this.#options = options
    this.#wasConnected = wasConnected
  }

  connected(): void {
    this.#wasConnected = true
    this.#connectedAtMs = Date.now()
    this.#lostAtMs = null
  }

  /** Waits for the next try. Throws the error if it is final, or there was no connection for too long. */
  async pause(error: unknown, signal: AbortSignal): Promise<void> {
    const { reconnectMs = GIVE_UP_MS, onReconnect } = this.#options
    if (brokeOff(error)) this.#wasConnected = true
    if (!(error instanceof FlotillaError) || !this.#wasConnected || !passing.has(error.code)) throw error
    // One that accepts connections and ends them at once is not asked more often than one that is away.
    if (this.#connectedAtMs !== null && Date.now() - this.#connectedAtMs > MOST_MS) this.#tries = 0
    this.#connectedAtMs = null
    this.#lostAtMs ??= Date.now()
    if (Date.now() - this.#lostAtMs >= reconnectMs) throw error
    if (this.#tries === 0 && error.code !== 'STREAM_SILENT') onReconnect?.(error)
    // Many clients of one gateway must not come back in step.
    const waitMs = error.retryAfterMs ?? backoffMs(this.#tries, FIRST_MS, MOST_MS) * (0.5 + Math.random() / 2)
    this.#tries++
    await sleep(waitMs, undefined, { signal }).catch(() => {})
  }
}

/** A connection that breaks was one: there is a gateway, or was. */
function brokeOff(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (broken.has((cause as NodeJS.ErrnoException).code ?? '')) return true
  return false
}

const broken: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])
