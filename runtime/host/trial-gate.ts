/**
 * Trials of one process, over all of its stages and lanes: one at a time, the most suspicious event first, and while there
 * is one nothing else is started. What was at work before goes on.
 */
export class TrialGate {
  readonly #waiting: { rank: number; resume: () => void }[] = []
  readonly #passing: (() => void)[] = []
  #busy = false

  /** Events that wait for their trial. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** Resolves when the trials are over; null while there are none. */
  pass(): Promise<void> | null {
    return this.#busy ? new Promise((resume) => this.#passing.push(resume)) : null
  }

  /** Resolves when it is this event's turn. Its `leave` must follow. */
  enter(rank: number): Promise<void> {
    if (this.#busy) return new Promise((resume) => this.#waiting.push({ rank, resume }))
    this.#busy = true
    return Promise.resolve()
  }

  leave(): void {
    const next = this.#waiting.reduce<{ rank: number; resume: () => void } | null>(
      (best, each) => (best === null || each.rank > best.rank ? each : best),
      null,
    )
    if (next) {
      this.#waiting.splice(this.#waiting.indexOf(next), 1)
      return next.resume()
    }
    this.#busy = false
    for (const resume of this.#passing.splice(0)) resume()
  }
}
