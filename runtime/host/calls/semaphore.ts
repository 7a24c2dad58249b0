import type { StopSignal } from './stop.ts'

/** At most `limit` holders at once; first come, first served; waiting ends early when one of its signals aborts. */
export class Semaphore {
  readonly limit: number
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor(limit: number) {
    this.limit = limit
    this.#free = limit
  }

  get held(): number {
    return this.limit - this.#free
  }

  /** True: a slot is held, and `release` is owed. False: a signal aborted first. */
  acquire(...signals: readonly StopSignal[]): Promise<boolean> | boolean {
    if (signals.some(({ aborted }) => aborted)) return false
    if (this.#free > 0) {
      this.#free--
      return true
    }
    return new Promise((resolve) => {
      const unlisten = () => {
        for (const signal of signals) signal.removeEventListener('abort', aborted)
      }
      const granted = () => {
        unlisten()
        resolve(true)
      }
      const aborted = () => {
        unlisten()
        this.#waiting.delete(granted)
        resolve(false)
      }
      this.#waiting.add(granted)
      for (const signal of signals) signal.addEventListener('abort', aborted, { once: true })
    })
  }

  release(): void {
    for (const next of this.#waiting) {
      this.#waiting.delete(next)
      next()
      return
    }
    this.#free++
  }
}
