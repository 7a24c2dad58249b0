import TinyQueue from 'tinyqueue'
import type { Clock } from '../../clock.ts'
import { Turns } from '../../turns.ts'
import type { TimerRow } from './state.ts'

/** Timers fired without a break: after a standstill many are due, and other work must get its turn. */
const MAX_FIRED_AT_ONCE = 500
/**
 * What came due while nobody owned the lane waits this long after its opening: a cancel, or an end, that came meanwhile is
 * read first, and no call is made for a task that is over.
 */
export const CATCH_UP_MS = 300

export interface ArmedTimer {
  readonly key: string
  readonly name: string
  readonly causeId: string
  readonly dueMs: number
  readonly traceparent: string | null
}

interface Waiting {
  readonly timer: ArmedTimer
  readonly firesMs: number
}

/**
 * Timers of one lane, by due time. Cancelled and replaced timers stay in the queue until due: `fire` asks the
 * state whether the timer is still set.
 */
export class TimerQueue {
  readonly #queue = new TinyQueue<Waiting>(
    [],
    (a, b) => a.firesMs - b.firesMs || a.timer.dueMs - b.timer.dueMs,
  )
  readonly #clock: Clock
  readonly #fire: (timer: ArmedTimer) => void
  #cancelWake: (() => void) | null = null
  #wakeAtMs = Number.POSITIVE_INFINITY
  readonly #isHeld: () => boolean
  #stopped = false

  /** While `isHeld`, none fires: see `proceed`. */
  constructor(clock: Clock, fire: (timer: ArmedTimer) => void, isHeld: () => boolean = () => false) {
    this.#isHeld = isHeld
    this.#clock = clock
    this.#fire = fire
  }

  arm(timer: ArmedTimer): void {
    if (this.#stopped) return
    this.#queue.push({ timer, firesMs: timer.dueMs })
    if (timer.dueMs < this.#wakeAtMs) this.#wakeAt(timer.dueMs)
  }

  /** Arms a lane's timers when it opens. None fires before all are armed; other work goes on meanwhile. */
  async restore(timers: Iterable<{ key: string; name: string; timer: TimerRow }>): Promise<void> {
    const turns = new Turns()
    const caughtUpMs = this.#clock.now() + CATCH_UP_MS
    for (const { key, name, timer } of timers) {
      this.#queue.push({ timer: { key, name, ...timer }, firesMs: Math.max(timer.dueMs, caughtUpMs) })
      const others = turns.next()
      if (others) await others
    }
    this.proceed()
  }

  /** They are no longer held: fires those that came due meanwhile. */
  proceed(): void {
    const first = this.#queue.peek()
    if (first && !this.#stopped) this.#wakeAt(first.firesMs)
  }

  stop(): void {
    this.#stopped = true
    this.#cancelWake?.()
  }

  #wakeAt(dueMs: number): void {
    this.#cancelWake?.()
    this.#wakeAtMs = dueMs
    this.#cancelWake = this.#clock.schedule(dueMs - this.#clock.now(), () => this.#wake())
  }

  #wake(): void {
    this.#wakeAtMs = Number.POSITIVE_INFINITY
    this.#cancelWake = null
    if (this.#isHeld()) return
    const now = this.#clock.now()
    let next = this.#queue.peek()
    for (let fired = 0; next && next.firesMs <= now && fired < MAX_FIRED_AT_ONCE && !this.#stopped; fired++) {
      this.#queue.pop()
      this.#fire(next.timer)
      next = this.#queue.peek()
    }
    if (next && !this.#stopped) this.#wakeAt(next.firesMs)
  }
}
