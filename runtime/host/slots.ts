// Slots: at most so many calls of a target at once in one process; the rest wait their turn.
//
// 1. A call that waits uses nothing: no capacity of the process, no entry in the journal, no reservation,
//    none of its time limit. A server with few slots gets only what it can do, so one that is busy does not
//    look like one that is down.
// 2. Waiting users take turns: one with a thousand calls delays another by a single call.
// 3. Each process counts for itself.
import { FairQueue } from '../worker/fair-queue.ts'
import type { Call, Emit } from '../stage.ts'
import type { Instruments } from '../telemetry/instruments.ts'
import type { StopSignal } from './calls/stop.ts'

/** The slot that a call needs. */
export interface SlotRule {
  readonly name: string
  readonly limit: number
  /** The user on whose behalf: holders take turns. */
  readonly holder: string
  /** Shown to watchers of the task if the call waits for long. Default: nothing. */
  readonly waiting?: (key: string, atMs: number) => Emit
}

/** Null: no limit. Pure. */
export type SlotsOf = (call: Call) => SlotRule | null

interface Row {
  readonly name: string
  held: number
  readonly waiting: FairQueue<() => void>
}

const unbounded = { entries: Number.POSITIVE_INFINITY, entriesPerKey: Number.POSITIVE_INFINITY }

export class Slots {
  readonly #rows = new Map<string, Row>()
  readonly #stage: string
  readonly #instruments: Pick<Instruments, 'gauge'>

  constructor(stage: string, instruments: Pick<Instruments, 'gauge'>) {
    this.#stage = stage
    this.#instruments = instruments
  }

  get held(): number {
    return [...this.#rows.values()].reduce((sum, { held }) => sum + held, 0)
  }

  isFull({ name, limit }: SlotRule): boolean {
    return (this.#rows.get(name)?.held ?? 0) >= limit
  }

  /** True: a slot is held, and `release` is owed. False: a signal aborted first. */
  async acquire(rule: SlotRule, ...signals: readonly StopSignal[]): Promise<boolean> {
    if (signals.some(({ aborted }) => aborted)) return false
    const row = this.#row(rule.name)
    if (row.held < rule.limit) {
      row.held++
      this.#show(row)
      return true
    }
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const granted = () => resolve(true)
    const aborted = () => {
      row.waiting.remove(rule.holder, granted)
      resolve(false)
    }
    row.waiting.push(rule.holder, granted)
    for (const signal of signals) signal.addEventListener('abort', aborted, { once: true })
    this.#show(row)
    try {
      return await promise
    } finally {
      for (const signal of signals) signal.removeEventListener('abort', aborted)
      this.#show(row)
    }
  }

  release({ name }: SlotRule): void {
    const row = this.#row(name)
    const next = row.waiting.shift()
    // The slot passes directly to the next waiter.
    if (next) next()
    else row.held--
    this.#show(row)
  }

  #row(name: string): Row {
    let row = this.#rows.get(name)
    if (row === undefined) this.#rows.set(name, (row = { name, held: 0, waiting: new FairQueue(unbounded) }))
    return row
  }

  #show({ name, held, waiting }: Row): void {
    const labels = { stage: this.#stage, target: name }
    this.#instruments.gauge('slots_held', held, labels)
    this.#instruments.gauge('slots_waited_for', waiting.size, labels)
  }
}
