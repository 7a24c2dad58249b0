// Clock and callbacks of one simulated process: its clock may be wrong, it may be paused (SIGSTOP, a long
// garbage collection, a closed laptop), and it dies.
//
// 1. Everything that reaches the process from outside, timers included, passes `hear`: at once, when it
//    resumes, or never.
import type { Clock } from '../../clock.ts'
import type { VirtualClock } from './virtual-clock.ts'

export class ProcessClock implements Clock {
  readonly #clock: VirtualClock
  readonly #skewMs: number
  #pausedUntilMs = 0
  #held: (() => void)[] = []
  #dead = false

  /** `skewMs`: how far this process's clock is ahead. */
  constructor(clock: VirtualClock, skewMs: number) {
    this.#clock = clock
    this.#skewMs = skewMs
  }

  now(): number {
    return this.#clock.now() + this.#skewMs
  }

  schedule(delayMs: number, fn: () => void): () => void {
    let cancelled = false
    const cancel = this.#clock.schedule(delayMs, () => this.hear(() => cancelled || fn()))
    return () => {
      cancelled = true
      cancel()
    }
  }

  /** Happens to the process, even while it is paused. */
  later(delayMs: number, fn: () => void): void {
    this.#clock.schedule(delayMs, () => void (this.#dead || fn()))
  }

  wait(delayMs: number): Promise<void> {
    return new Promise((resume) => this.schedule(delayMs, resume))
  }

  hear(fn: () => void): void {
    if (this.#dead) return
    if (this.#pausedUntilMs > this.#clock.now()) this.#held.push(fn)
    else fn()
  }

  /** The promise as the process sees it: once it is dead, it never settles. */
  heard<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.hear(() => resolve(value)),
        (error: unknown) => this.hear(() => reject(error as Error)),
      )
    })
  }

  pause(forMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#clock.now() + forMs)
    this.#clock.schedule(forMs, () => this.#goOn())
  }

  #goOn(): void {
    if (this.#pausedUntilMs > this.#clock.now()) return
    // One tick each, as without the pause.
    for (const fn of this.#held.splice(0)) this.#clock.schedule(0, () => this.hear(fn))
  }

  die(): void {
    this.#dead = true
    this.#held = []
  }

  get isDead(): boolean {
    return this.#dead
  }
}
