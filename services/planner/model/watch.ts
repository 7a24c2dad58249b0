// Watches one call to a provider: how long it is silent, how long it takes in all, and whether a complete
// answer is ever closed.
//
// 1. Silence is time without a part of an answer. Keep-alives do not count: proxies send them for servers
//    that hang.
// 2. A complete answer waits only a moment for the end of its connection: for its usage, and because a
//    connection that is read to its end can be reused.
// 3. The call ends with one error, the same for every caller that asks.
import type { CallLimits } from '../../../runtime/models/call-limits.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { exactTime } from '../../../runtime/text/quantities.ts'

/** Wait for the rest after a finish reason: usage, [DONE], the end. */
const FINISH_MS = 2_000

export interface Watched {
  readonly provider: string
  readonly model: string
  readonly limits: Pick<CallLimits, 'idleTimeoutMs' | 'timeoutMs'>
}

export class CallWatch {
  readonly #watched: Watched
  readonly #finishMs: number
  #exchange: { cancel(why: Error): void } | null = null
  #isOver = false
  readonly #total: NodeJS.Timeout
  readonly #idle: NodeJS.Timeout
  #finish: NodeJS.Timeout | undefined
  #isWhole: () => boolean = () => false
  #stopped: FlotillaError | null = null
  /** Reads the answer; null before the request. */
  reader: { /** Describes the part that has arrived. */ readonly received: string } | null = null

  /** `outer`: the host's signal, of this call alone: it is listened to until both are dropped. */
  constructor(watched: Watched, outer: AbortSignal, finishMs: number = FINISH_MS) {
    this.#watched = watched
    this.#finishMs = finishMs
    const { idleTimeoutMs, timeoutMs } = watched.limits
    this.#total = setTimeout(() => this.#expire('total'), timeoutMs)
    this.#idle = setTimeout(() => this.#expire('idle'), idleTimeoutMs)
    const abort = () => this.#stop(asError(outer.reason))
    outer.addEventListener('abort', abort, { once: true })
    if (outer.aborted) abort()
  }

  /** The exchange that ends with the call: when it is stopped, or its answer is complete. */
  guard(exchange: { cancel(why: Error): void }): void {
    this.#exchange = exchange
    if (this.#stopped !== null) exchange.cancel(this.#stopped)
  }

  /** Why the call was stopped; null while it runs, and if its answer is complete. */
  get stopped(): FlotillaError | null {
    return this.#stopped
  }

  /**
   * Call when a part of an answer has arrived. `isWhole`: whether it may be the last; asked if nothing
   * follows for a moment.
   */
  heard(isWhole?: () => boolean): void {
    if (this.#isOver) return
    this.#idle.refresh()
    if (isWhole === undefined) return
    this.#isWhole = isWhole
    if (this.#finish === undefined) this.#finish = setTimeout(() => this.#finished(), this.#finishMs)
    else this.#finish.refresh()
  }

  get #received(): string {
    return this.reader?.received ?? ''
  }

  close(): void {
    this.#isOver = true
    clearTimeout(this.#total)
    clearTimeout(this.#idle)
    clearTimeout(this.#finish)
  }

  #finished(): boolean {
    const isWhole = this.#isWhole()
    if (isWhole) this.#end(new Error('the answer is complete'))
    return isWhole
  }

  #expire(limit: 'idle' | 'total'): void {
    if (this.#finished()) return
    const { provider, model, limits } = this.#watched
    const setting = limit === 'idle' ? 'idleTimeoutMs' : 'timeoutMs'
    const what = limit === 'idle' ? 'sent nothing for' : 'did not finish within'
    const message =
      `${provider} ${what} ${exactTime(limits[setting])} (model ${model}), ${this.#received || 'before its answer began'}. ` +
      `If it needs longer, raise models.providers.${provider}.${setting}.`
    // A call that was answering all the time would take as long again.
    const again = limit === 'total' && this.#received !== '' ? { retryable: false } : {}
    this.#stop(new FlotillaError('MODEL_TIMEOUT', message, again))
  }

  #stop(why: FlotillaError): void {
    if (this.#isOver) return
    this.#stopped = why
    this.#end(why)
  }

  #end(why: Error): void {
    this.#isOver = true
    this.#exchange?.cancel(why)
  }
}

const asError = (reason: unknown): FlotillaError =>
  reason instanceof FlotillaError ? reason : new FlotillaError('CALL_ABORTED', 'The model call was stopped.')
