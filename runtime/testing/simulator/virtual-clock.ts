import TinyQueue from 'tinyqueue'
import type { Clock } from '../../clock.ts'

interface Scheduled {
  readonly atMs: number
  /** Equal times run in the order of scheduling. */
  readonly order: number
  fn: (() => void) | null
}

/** A clock that moves only when everything that can happen now has happened. */
export class VirtualClock implements Clock {
  readonly #queue = new TinyQueue<Scheduled>([], (a, b) => a.atMs - b.atMs || a.order - b.order)
  #timeMs: number
  #count = 0
  /** Events run so far: a measure of a run's length. */
  steps = 0

  constructor(startMs: number) {
    this.#timeMs = startMs
  }

  now(): number {
    return this.#timeMs
  }

  schedule(delayMs: number, fn: () => void): () => void {
    const entry: Scheduled = {
      atMs: this.#timeMs + Math.ceil(Math.max(0, delayMs)),
      order: this.#count++,
      fn,
    }
    this.#queue.push(entry)
    return () => (entry.fn = null)
  }

  /** Runs until `done` says so or `untilMs` is reached. Resolves with whether it was done. */
  async run(untilMs: number, done: () => boolean): Promise<boolean> {
    for (;;) {
      // Lets every promise settle that can now: nothing here waits for real input or output.
      await new Promise((resume) => setImmediate(resume))
      if (done()) return true
      const next = this.#queue.peek()
      if (!next || next.atMs > untilMs) {
        this.#timeMs = Math.max(this.#timeMs, untilMs)
        return done()
      }
      this.#queue.pop()
      this.#timeMs = Math.max(this.#timeMs, next.atMs)
      if (next.fn) this.steps++
      next.fn?.()
    }
  }
}
