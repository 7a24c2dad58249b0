// Circuit breakers: one for each provider (`model:openai`) and each tool (`tool:fetch_page`).
//
// 1. Only errors that mean "the other side is down" open a breaker: 5xx, connection failures, timeouts. An
//    answer, even an unwelcome one (429, quota, other 4xx, a tool's own error), shows that it is up. A
//    cancelled call shows nothing.
// 2. The window counts outcomes, not starts: calls of a model outlive the window, and a failure must count
//    when it is known. So a call runs outside opossum, and its outcome is fired through it; opossum keeps
//    window, state and timer.
// 3. While half open one call at a time is let through, and only its outcome moves the state. Outcomes of
//    calls that began before the breaker opened are ignored once it has, even after it has closed again.
// 4. Nothing here keeps the process alive.
import CircuitBreaker from 'opossum'
import { type ErrorCode, FlotillaError, messageOf } from './errors.ts'
import { exactTime } from './text/quantities.ts'

export type BreakerState = 'closed' | 'open' | 'half_open'

/** Whether an error shows that the other side is up. */
export type Verdict = 'up' | 'down' | 'unknown'

export type Classify = (error: unknown) => Verdict

export interface BreakerChange {
  readonly breaker: string
  readonly from: BreakerState
  readonly to: BreakerState
  /** Message of the failure that opened it. */
  readonly reason: string | null
  readonly atMs: number
}

export interface BreakerOptions {
  /** Must not throw. Called once per change, after the state has changed. */
  readonly onChange?: (change: BreakerChange) => void
  readonly windowMs?: number
  /** Fewer outcomes than this in the window never open it. */
  readonly minimumCalls?: number
  /** Opens at this share of failures, 0 to 100. */
  readonly failurePercent?: number
  readonly halfOpenAfterMs?: number
}

const breakerDefaults = {
  windowMs: 10_000,
  minimumCalls: 5,
  failurePercent: 50,
  halfOpenAfterMs: 10_000,
} as const

export interface BreakerView {
  readonly name: string
  readonly state: BreakerState
  /** How long calls are refused; 0 unless open. */
  readonly retryAfterMs: number
}

export interface Breakers {
  /** A name never used reads as closed. */
  get(name: string): BreakerView
  list(): BreakerView[]
  /** Rejects with BREAKER_OPEN (retryAfterMs: until half open) without calling, or with `call`'s error. */
  run<T>(name: string, call: () => Promise<T>, classify?: Classify): Promise<T>
  /** Stops timers and forgets every breaker. */
  close(): void
}

const DOWN: ReadonlySet<ErrorCode> = new Set([
  'MODEL_UNAVAILABLE',
  'MODEL_TIMEOUT',
  'TOOL_UNAVAILABLE',
  'TOOL_TIMEOUT',
  'SANDBOX_UNAVAILABLE',
  'CALL_TIMEOUT',
] satisfies ErrorCode[])

/** The call never reached the other side, or was stopped before it answered. */
const UNKNOWN: ReadonlySet<ErrorCode> = new Set([
  'CALL_ABORTED',
  'CALL_OUTCOME_UNKNOWN',
  'BREAKER_OPEN',
  'MODEL_NOT_CONFIGURED',
  'MODEL_CONTEXT_TOO_LONG',
  'MODEL_UNKNOWN_ERROR',
  'TOOL_UNKNOWN',
  'TOOL_ARGUMENTS_INVALID',
  'PAYLOAD_MISSING',
  'INTERNAL',
] satisfies ErrorCode[])

/** By the code of a FlotillaError; anything else is a bug of ours and proves nothing. */
export function verdictOf(error: unknown): Verdict {
  if (!(error instanceof FlotillaError)) return 'unknown'
  // A call that would fail in the same way again: the other side works.
  if (DOWN.has(error.code)) return error.retryable ? 'down' : 'up'
  return UNKNOWN.has(error.code) ? 'unknown' : 'up'
}

export function createBreakers(options: BreakerOptions = {}): Breakers {
  const breakers = new Map<string, Breaker>()
  const breakerOf = (name: string): Breaker => {
    let breaker = breakers.get(name)
    if (breaker === undefined) breakers.set(name, (breaker = new Breaker(name, options)))
    return breaker
  }
  return {
    get: (name) => breakers.get(name)?.view() ?? { name, state: 'closed', retryAfterMs: 0 },
    list: () => [...breakers.values()].map((breaker) => breaker.view()),
    run: (name, call, classify = verdictOf) => breakerOf(name).run(call, classify),
    close: () => {
      for (const breaker of breakers.values()) breaker.close()
      breakers.clear()
    },
  }
}

interface Outcome {
  readonly error: unknown
  readonly down: boolean
}

class Breaker {
  readonly #name: string
  readonly #circuit: CircuitBreaker<[Outcome], void>
  readonly #halfOpenAfterMs: number
  #halfOpenAtMs = 0
  #probing = false
  #state: BreakerState = 'closed'
  /** Times it has opened: an outcome counts only in the era in which its call began. */
  #era = 0
  #reason: string | null = null

  constructor(name: string, options: BreakerOptions) {
    const settings = { ...breakerDefaults, ...options }
    this.#name = name
    this.#halfOpenAfterMs = settings.halfOpenAfterMs
    this.#circuit = new CircuitBreaker(replay, {
      name,
      timeout: false,
      rollingCountTimeout: settings.windowMs,
      volumeThreshold: settings.minimumCalls,
      // opossum opens above its threshold; ours opens at it.
      errorThresholdPercentage: settings.failurePercent - 1e-9,
      resetTimeout: settings.halfOpenAfterMs,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
    })
    this.#watch(options.onChange ?? (() => {}))
  }

  view(): BreakerView {
    const retryAfterMs = this.#state === 'open' ? Math.max(1, this.#halfOpenAtMs - Date.now()) : 0
    return { name: this.#name, state: this.#state, retryAfterMs }
  }

  async run<T>(call: () => Promise<T>, classify: Classify): Promise<T> {
    const isProbe = this.#admit()
    const era = this.#era
    try {
      const value = await call()
      const moving = this.#settle('up', null, isProbe, era)
      if (moving) await moving
      return value
    } catch (error) {
      await this.#settle(classify(error), error, isProbe, era)
      throw error
    } finally {
      if (isProbe) this.#probing = false
    }
  }

  close(): void {
    this.#circuit.shutdown()
  }

  /** True: this call is the probe of a half-open breaker. */
  #admit(): boolean {
    if (this.#state === 'closed') return false
    if (this.#state === 'open' || this.#probing) throw this.#refusal()
    this.#probing = true
    return true
  }

  #refusal(): FlotillaError {
    // Another call is the probe; its answer takes a second or so.
    const retryAfterMs = this.#state === 'open' ? this.view().retryAfterMs : 1_000
    const why = this.#reason === null ? '' : ` The last failure: ${this.#reason}`
    return new FlotillaError(
      'BREAKER_OPEN',
      `Calls to ${this.#name} are paused for ${exactTime(Math.ceil(retryAfterMs / 1_000) * 1_000)}.${why}`,
      {
        retryAfterMs,
      },
    )
  }

  /** A promise if the outcome may move the breaker: the call waits until it has. */
  #settle(verdict: Verdict, error: unknown, isProbe: boolean, era: number): Promise<void> | null {
    const counts = era === this.#era && (isProbe || this.#state === 'closed')
    if (verdict === 'unknown' || !counts || this.#circuit.isShutdown) return null
    if (verdict === 'up' && !isProbe) {
      // All that `fire` would change: the window counts the circuit's own events, and opens at a share of failures in them.
      this.#circuit.emit('fire')
      return null
    }
    if (verdict === 'down') this.#reason = messageOf(error)
    return this.#circuit.fire({ error, down: verdict === 'down' }).catch(() => {})
  }

  #watch(onChange: (change: BreakerChange) => void): void {
    const move = (to: BreakerState) => {
      const from = this.#state
      if (from === to) return
      this.#state = to
      onChange({
        breaker: this.#name,
        from,
        to,
        reason: to === 'open' ? this.#reason : null,
        atMs: Date.now(),
      })
    }
    this.#circuit.on('open', () => {
      this.#era++
      this.#halfOpenAtMs = Date.now() + this.#halfOpenAfterMs
      move('open')
    })
    this.#circuit.on('halfOpen', () => move('half_open'))
    this.#circuit.on('close', () => move('closed'))
  }
}

/** The action that opossum counts: an outcome that is already known. */
async function replay(outcome: Outcome): Promise<void> {
  if (outcome.down) throw outcome.error
}
