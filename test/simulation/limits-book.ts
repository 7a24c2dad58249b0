// The fleet's use of its budgets, kept apart from the limits themselves and compared with them after every
// step.
import type { Clock } from '../../runtime/clock.ts'
import type { Claim, Limits, Reserved, ReserveRequest, SettleRequest } from '../../runtime/limits/port.ts'
import type { ValueHead } from '../../runtime/store/port.ts'

interface Sum {
  settled: number
  reserved: number
}

interface Taken {
  readonly settled: boolean
  /** Tokens by budget. */
  readonly amounts: ReadonlyMap<string, number>
  /** A reservation ends then. */
  readonly untilMs: number
}

/** A call takes by its task and its own id; entries are kept by the latter. */
const callOf = (taker: string): string => taker.slice(taker.lastIndexOf('/') + 1)

export class LimitsBook {
  readonly violations: string[] = []
  readonly #clock: Clock
  readonly #taken = new Map<string, Taken>()
  readonly #limits = new Map<string, number>()
  /** Settled when its reservation had ended, by budget: the real figure counts all the same (port.ts). */
  readonly #late = new Map<string, number>()
  /** Sums of what is taken, by budget. */
  readonly #sums = new Map<string, Sum>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The figure that this id has settled, in a budget that counts everything; null: none yet. */
  settledOf(id: string): number | null {
    const taken = this.#taken.get(id)
    return taken?.settled ? Math.max(0, ...taken.amounts.values()) : null
  }

  /** Ids of the calls that were settled; a task that gave its estimate back settles no budget. */
  *settled(): Iterable<string> {
    for (const [id, { settled, amounts }] of this.#taken) if (settled && amounts.size > 0) yield id
  }

  /** A model was called: its tokens must have been reserved, and may be settled by another owner already. */
  called(callId: string): void {
    if (!this.#taken.has(callId))
      this.violations.push(`model call ${callId} reached the model with nothing reserved`)
  }

  /** The same limits, with every step recorded, one after the other. */
  watch(limits: Limits): Limits {
    let last: Promise<unknown> = Promise.resolve()
    const step = <T>(work: () => Promise<T>, note: (result: T) => void): Promise<T> => {
      const done = last.then(async () => {
        const result = await work()
        note(result)
        await this.#compare(limits)
        return result
      })
      last = done.catch(() => undefined)
      return done
    }
    const { settleIf } = limits
    return {
      ...limits,
      ...(settleIf && {
        settleIf: (request: SettleRequest, value: ValueHead) =>
          step(
            () => settleIf(request, value),
            (settled) => void (settled && this.#settle(callOf(request.id), request.claims)),
          ),
      }),
      reserve: (request) =>
        step(
          () => limits.reserve(request),
          (reserved) => this.#reserve(request, reserved),
        ),
      settle: (request) =>
        step(
          () => limits.settle(request),
          () => this.#settle(callOf(request.id), request.claims),
        ),
      release: (id) =>
        step(
          () => limits.release(id),
          () => this.#release(callOf(id)),
        ),
      end: (id) =>
        step(
          () => limits.end(id),
          () => this.#release(callOf(id)),
        ),
    }
  }

  #release(id: string): void {
    if (this.#taken.get(id)?.settled === false) this.#put(id, null)
  }

  #reserve({ id: taker, alternatives, ttlMs, replaces }: ReserveRequest, reserved: Reserved): void {
    const id = callOf(taker)
    const now = this.#endLate()
    if (!reserved.granted) return
    const known = this.#taken.get(id)
    if (known) {
      if (!known.settled) this.#put(id, { ...known, untilMs: now + ttlMs })
      return
    }
    if (replaces !== undefined) this.#release(replaces)
    this.#take(id, false, alternatives[reserved.alternative] ?? [], now + ttlMs)
  }

  /** Ends the reservations whose time is over. Returns the time. */
  #endLate(): number {
    const now = this.#clock.now()
    for (const [id, { untilMs }] of this.#taken) if (untilMs <= now) this.#put(id, null)
    return now
  }

  #settle(id: string, claims: readonly Claim[]): void {
    const hasEnded = !this.#taken.has(id)
    this.#take(id, true, claims, Infinity)
    if (!hasEnded) return
    for (const [key, amount] of this.#taken.get(id)?.amounts ?? [])
      this.#late.set(key, (this.#late.get(key) ?? 0) + amount)
  }

  #take(id: string, settled: boolean, claims: readonly Claim[], untilMs: number): void {
    const budgets = claims.filter(({ form }) => form === 'budget')
    for (const { key, limit } of budgets) this.#limits.set(key, limit)
    const amounts = new Map(budgets.map(({ key, amount }) => [key, amount]))
    this.#put(id, { settled, amounts, untilMs })
  }

  /** Keeps the sums with the entries: they are compared after every step. */
  #put(id: string, taken: Taken | null): void {
    this.#add(this.#taken.get(id), -1)
    if (taken) this.#taken.set(id, taken)
    else this.#taken.delete(id)
    this.#add(taken ?? undefined, 1)
  }

  #add(taken: Taken | undefined, sign: 1 | -1): void {
    if (!taken) return
    for (const [key, amount] of taken.amounts) {
      let sum = this.#sums.get(key)
      if (!sum) this.#sums.set(key, (sum = { settled: 0, reserved: 0 }))
      sum[taken.settled ? 'settled' : 'reserved'] += sign * amount
    }
  }

  async #compare(limits: Limits): Promise<void> {
    this.#endLate()
    for (const { key, settled, reserved } of await limits.budgets('')) {
      const limit = this.#limits.get(key) ?? 0
      if (settled + reserved > limit + (this.#late.get(key) ?? 0))
        this.violations.push(`${key}: ${settled} settled and ${reserved} reserved of ${limit}`)
      const sum = this.#sums.get(key) ?? { settled: 0, reserved: 0 }
      if (sum.settled !== settled || sum.reserved !== reserved)
        this.violations.push(
          `${key}: ${settled} settled and ${reserved} reserved, where ${sum.settled} and ${sum.reserved} were asked for`,
        )
    }
  }
}
