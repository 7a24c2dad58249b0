// Calls that are under way in this process, for its gauge and for its end.
import type { Clock } from '../../clock.ts'
import type { Instruments } from '../../telemetry/instruments.ts'

export interface UnderWayParts {
  /** Label of the gauge. */
  readonly stage: string
  readonly clock: Clock
  readonly instruments: Pick<Instruments, 'gauge'>
}

export class UnderWay {
  readonly #parts: UnderWayParts
  readonly #byKind = new Map<string, number>()
  #count = 0
  readonly #idle: (() => void)[] = []

  constructor(parts: UnderWayParts) {
    this.#parts = parts
  }

  /** A call of this kind begins; `end` is owed. */
  begin(kind: string): void {
    this.#count++
    this.#show(kind, 1)
  }

  end(kind: string): void {
    this.#show(kind, -1)
    if (--this.#count === 0) for (const resume of this.#idle.splice(0)) resume()
  }

  #show(kind: string, change: 1 | -1): void {
    const { stage, instruments } = this.#parts
    const running = (this.#byKind.get(kind) ?? 0) + change
    this.#byKind.set(kind, running)
    instruments.gauge('calls_in_flight', running, { stage, kind })
  }

  /** Resolves when no call is under way any more, or after that time. */
  settled(withinMs: number): Promise<void> {
    if (this.#count === 0 || withinMs <= 0) return Promise.resolve()
    return new Promise((resolve) => {
      const cancel = this.#parts.clock.schedule(withinMs, resolve)
      this.#idle.push(() => {
        cancel()
        resolve()
      })
    })
  }
}
