// What the work of a stage waits for: a store or a database that refuses it, and is asked again and again.
//
// 1. The first failure is logged, and so is each other cause, once; one line says that it works again. The causes are
//    compared, because messages name the keys of single events. That a breaker refuses calls is the cause of nothing.
// 2. What has failed for longer than SHOWN_AFTER_MS is a problem of the stage (/ready) until it works.
import { FlotillaError, hasCode, isFinal, messageOf } from '../errors.ts'
import { plural } from '../text/quantities.ts'
import type { Clock } from '../clock.ts'
import type { Instruments } from '../telemetry/instruments.ts'

/** A connection that broke, or a server that starts again, needs nobody. */
const SHOWN_AFTER_MS = 1_000

const MAX_CAUSES = 20

/** Decides between two attempts. */
export interface Again<T = never> {
  /** Ends the attempts at an error that no retry cures: their result, or throws. Default: such an error is like any other. */
  readonly final?: (error: FlotillaError) => T
  /** Throws what ends the attempts: this error, or another one. */
  readonly refuse: (error: unknown, attempt: number) => void
  /** Rejects if there is to be no other attempt. */
  readonly pause: (attempt: number) => Promise<void>
}

interface Stall {
  readonly sinceMs: number
  waiting: number
  reason: string
  /** Those that were logged. */
  readonly causes: Set<string>
}

export class Stalls {
  readonly #stage: string
  readonly #clock: Pick<Clock, 'now'>
  readonly #log: Pick<Instruments['log'], 'warn' | 'info'>
  readonly #stalls = new Map<string, Stall>()

  constructor(stage: string, clock: Pick<Clock, 'now'>, log: Pick<Instruments['log'], 'warn' | 'info'>) {
    this.#stage = stage
    this.#clock = clock
    this.#log = log
  }

  /** A sentence for each thing that is waited for. */
  get problems(): string[] {
    const beforeMs = this.#clock.now() - SHOWN_AFTER_MS
    return [...this.#stalls]
      .filter(([, { sinceMs }]) => sinceMs <= beforeMs)
      .map(([what, { waiting, reason }]) => {
        const wait = waiting === 1 ? 'waits' : 'wait'
        return `${what} can't be used, and ${plural(waiting, 'event')} ${wait} for that: ${reason}`
      })
  }

  /** Repeats `step` until it resolves, or until it is refused another attempt. `what` it needs: a noun. */
  async retry<T>(what: string, step: () => T | Promise<T>, again: Again<T>): Promise<T> {
    try {
      return await step()
    } catch (error) {
      if (again.final && isFinal(error)) return again.final(error)
      again.refuse(error, 0)
      return this.#retry(what, step, again, error)
    }
  }

  async #retry<T>(what: string, step: () => T | Promise<T>, again: Again<T>, failed: unknown): Promise<T> {
    const stall = this.#enter(what)
    try {
      let error = failed
      for (let attempt = 0; ; attempt++) {
        this.#note(what, stall, error)
        await again.pause(attempt)
        try {
          return await step()
        } catch (next) {
          if (again.final && isFinal(next)) return again.final(next)
          again.refuse(next, attempt + 1)
          error = next
        }
      }
    } finally {
      this.#leave(what, stall)
    }
  }

  #enter(what: string): Stall {
    const sinceMs = this.#clock.now()
    const stall = this.#stalls.get(what) ?? { sinceMs, waiting: 0, reason: '', causes: new Set() }
    this.#stalls.set(what, stall)
    stall.waiting++
    return stall
  }

  #note(what: string, stall: Stall, error: unknown): void {
    if (hasCode(error, 'BREAKER_OPEN') && stall.reason !== '') return
    stall.reason = messageOf(error)
    const cause = causeOf(error)
    if (stall.causes.has(cause) || stall.causes.size === MAX_CAUSES) return
    stall.causes.add(cause)
    this.#log.warn({ err: error, stage: this.#stage }, `failed to use ${what}; retrying`)
  }

  #leave(what: string, stall: Stall): void {
    if (--stall.waiting > 0) return
    this.#stalls.delete(what)
    this.#log.info({ stage: this.#stage }, `nothing waits for ${what} any more`)
  }
}

const causeOf = (error: unknown): string =>
  messageOf(error instanceof FlotillaError && error.cause instanceof Error ? error.cause : error)
