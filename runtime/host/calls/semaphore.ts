/** At most `limit` holders at once; first come, first served; waiting ends early when its signal aborts. */
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

  /** True: a slot is held, and `release` is owed. False: the signal aborted first. */
  acquire(signal: AbortSignal): Promise<boolean> | boolean {
    if (signal.aborted) return false
    if (this.#free > 0) {
      this.#free--
      return true
    }
    return new Promise((resolve) => {
      const granted = () => {
        signal.removeEventListener('abort', aborted)
        resolve(true)
      }
      const aborted = () => {
        this.#waiting.delete(granted)
        resolve(false)
      }
      this.#waiting.add(granted)
      signal.addEventListener('abort', aborted, { once: true })
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
