// What a run has scored and paid so far, and what one more task may cost within its cost limit.
//
// 1. Sums are kept as cases come. A case that is scored again takes the place of its earlier row, in the sums too.
// 2. With a limit every task has a share of what is left, as its own `maxCost`. Shares of running tasks are set aside, so
//    that together with what was paid they never pass the limit, however dear a case turns out to be. A task may pass its
//    share by its last model call; judges come on top.
// 3. A share is at least four times what the dearest case has cost. Where so much is not there for each of those that
//    could run at once, fewer run, at last one with all that is left. Until one case is paid for, one runs.
import type { EvaluationCase } from '../api/schemas/evaluations.ts'

const ROOM = 4

export class Tally {
  readonly #rows = new Map<string, EvaluationCase>()
  readonly #keyOf: (row: EvaluationCase) => string
  #scored = 0
  #spent = 0
  #dearest = 0

  constructor(stored: readonly EvaluationCase[], keyOf: (row: EvaluationCase) => string) {
    this.#keyOf = keyOf
    for (const row of stored) this.put(row)
  }

  put(row: EvaluationCase): void {
    const key = this.#keyOf(row)
    const before = this.#rows.get(key)
    if (before) this.#count(before, -1)
    this.#count(row, 1)
    this.#dearest = Math.max(this.#dearest, costOf(row))
    this.#rows.set(key, row)
  }

  #count(row: EvaluationCase, sign: 1 | -1): void {
    this.#spent += sign * costOf(row)
    if (row.score !== null) this.#scored += sign
  }

  get(key: string): EvaluationCase | undefined {
    return this.#rows.get(key)
  }

  has(key: string): boolean {
    return this.#rows.has(key)
  }

  cases(): EvaluationCase[] {
    return [...this.#rows.values()]
  }

  get size(): number {
    return this.#rows.size
  }

  /** Rows that have a score. */
  get scored(): number {
    return this.#scored
  }

  /** US dollars, judges included. */
  get spent(): number {
    return this.#spent
  }

  /** What the dearest case has cost. US dollars. */
  get dearest(): number {
    return this.#dearest
  }
}

const costOf = ({ cost, judgeCost }: EvaluationCase): number => cost + judgeCost

export interface CostLimit {
  /** US dollars; null: no limit. */
  readonly maxCost: number | null
  /** Tasks at once. */
  readonly concurrency: number
}

export class Budget {
  readonly #tally: Tally
  readonly #limit: CostLimit
  #running = 0
  #aside = 0
  #waiting: (() => void)[] = []

  constructor(tally: Tally, limit: CostLimit) {
    this.#tally = tally
    this.#limit = limit
  }

  get running(): number {
    return this.#running
  }

  /** Sets aside what one more task may cost: US dollars, Infinity without a limit. Null: none may begin now. */
  begin(): number | null {
    const share = this.#share()
    if (share === null) return null
    this.#running += 1
    if (share !== Infinity) this.#aside += share
    return share
  }

  /** The task that began with this share has ended. */
  end(share: number): void {
    this.#running -= 1
    if (share !== Infinity) this.#aside = this.#running === 0 ? 0 : this.#aside - share
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
  }

  /** Resolves when one of those that run has ended: what it did not use of its share is free then. */
  ended(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #share(): number | null {
    const { maxCost, concurrency } = this.#limit
    if (maxCost === null) return Infinity
    const { scored, spent, dearest } = this.#tally
    const left = maxCost - spent - this.#aside
    const isAlone = this.#running === 0
    if (left <= 0) return null
    if (scored === 0) return isAlone ? left : null
    const share = Math.max(ROOM * dearest, left / Math.max(1, concurrency - this.#running))
    if (share <= left) return share
    return isAlone && spent / scored <= left ? left : null
  }
}
