// Writes that may wait a moment, because something newer mostly makes them unnecessary before it is over.
//
// 1. What is written, overwritten or deleted meanwhile is never written; who reads finds what waits.
// 2. Written at the second tick: after one to two times LATER_MS. Lost when the process dies before.
import type { Clock } from '../clock.ts'

/** Half of the longest wait: longer than most commits take, and a crash within it costs little. */
const LATER_MS = 10

interface Write {
  readonly value: (() => string) | null
  readonly ttlMs: number | undefined
  readonly tick: number
}

export interface Store {
  /** Runs `work` in the next transaction. */
  write(work: () => void): Promise<void>
  /** Both in a transaction. */
  set(key: string, value: string, ttlMs?: number): void
  remove(key: string): void
}

export class LaterWrites {
  readonly #store: Store
  readonly #clock: Clock
  readonly #waiting = new Map<string, Write>()
  #tick = 0
  #cancel: (() => void) | null = null

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  add(key: string, value: (() => string) | null, ttlMs: number | undefined): void {
    this.#waiting.set(key, { value, ttlMs, tick: this.#tick })
    this.#cancel ??= this.#clock.schedule(LATER_MS, () => this.#next())
  }

  /** Undefined: nothing waits; null: its deletion does. */
  get(key: string): string | null | undefined {
    const write = this.#waiting.get(key)
    return write && (write.value?.() ?? null)
  }

  /** Something else is written now. */
  drop(key: string): void {
    this.#waiting.delete(key)
  }

  /** Writes what waits. */
  close(): void {
    this.#cancel?.()
    this.#write(this.#tick)
  }

  #next(): void {
    this.#write(this.#tick - 1)
    this.#tick++
    this.#cancel = this.#waiting.size > 0 ? this.#clock.schedule(LATER_MS, () => this.#next()) : null
  }

  /** What can't be written is lost, as if the process had died a moment ago. */
  #write(upToTick: number): void {
    if (this.#waiting.size === 0) return
    const work = (): void => {
      for (const [key, write] of this.#waiting) {
        if (write.tick > upToTick) continue
        this.#waiting.delete(key)
        if (write.value === null) this.#store.remove(key)
        else this.#store.set(key, write.value(), write.ttlMs)
      }
    }
    this.#store.write(work).catch(() => undefined)
  }
}
