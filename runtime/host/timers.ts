import TinyQueue from 'tinyqueue'
import type { Clock } from '../clock.ts'

export interface ArmedTimer {
  readonly key: string
  readonly name: string
  readonly causeId: string
  readonly dueMs: number
  readonly traceparent: string | null
}

/**
 * Timers of one lane, by due time. Cancelled and replaced timers stay in the queue until due: `fire` asks the state
 * whether the timer still stands.
 */
export class TimerQueue {
  private readonly queue = new TinyQueue<ArmedTimer>([], (a, b) => a.dueMs - b.dueMs)
  private readonly clock: Clock
  private readonly fire: (timer: ArmedTimer) => void
  private cancelWake: (() => void) | null = null
  private wakeAtMs = Number.POSITIVE_INFINITY
  private stopped = false

  constructor(clock: Clock, fire: (timer: ArmedTimer) => void) {
    this.clock = clock
    this.fire = fire
  }

  arm(timer: ArmedTimer): void {
    if (this.stopped) return
    this.queue.push(timer)
    if (timer.dueMs < this.wakeAtMs) this.wakeAt(timer.dueMs)
  }

  stop(): void {
    this.stopped = true
    this.cancelWake?.()
  }

  private wakeAt(dueMs: number): void {
    this.cancelWake?.()
    this.wakeAtMs = dueMs
    this.cancelWake = this.clock.schedule(dueMs - this.clock.now(), () => this.wake())
  }

  private wake(): void {
    this.wakeAtMs = Number.POSITIVE_INFINITY
    this.cancelWake = null
    const now = this.clock.now()
    for (let next = this.queue.peek(); next && next.dueMs <= now && !this.stopped; next = this.queue.peek()) {
      this.queue.pop()
      this.fire(next)
    }
    const next = this.queue.peek()
    if (next && !this.stopped) this.wakeAt(next.dueMs)
  }
}
