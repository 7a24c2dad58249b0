// The rules of the port (port.ts), over tables that are kept in memory or in SQLite. Redis has the same rules
// in Lua (redis-script.ts); one conformance suite runs on all three.
import {
  HELD_RETRY_MS,
  KEEP_BUDGET_MS,
  KEEP_SETTLED_MS,
  SWEEP_IDS,
  type BudgetClaim,
  type BudgetState,
  type Claim,
  type Refusal,
  type Reserved,
  type ReserveRequest,
  type SettleRequest,
  type WindowClaim,
} from './port.ts'

/** Amount that an id has taken of one limit. */
export type Entry =
  | { readonly form: 'budget'; readonly key: string; readonly amount: number }
  | { readonly form: 'window'; readonly key: string; readonly amount: number; readonly atMs: number }

/** Amounts that an id has taken. */
export interface Taken {
  readonly settled: boolean
  readonly alternative: number
  readonly entries: readonly Entry[]
}

export interface Budget {
  settled: number
  reserved: number
  /** The `warnAt` at which it was reported; 0: it was not. */
  warnedAt: number
}

/** Rows by key. Every method is synchronous: the caller puts them in one transaction. */
export interface Tables {
  taken(id: string): Taken | null
  /** A reservation ends then, a settled figure is forgotten then. */
  setTaken(id: string, taken: Taken, untilMs: number): void
  deleteTaken(id: string): void
  /** Ids whose time has come; at most `atMost` if finding them all would take long. */
  ended(nowMs: number, atMost: number): string[]
  budget(key: string): Budget | null
  setBudget(key: string, budget: Budget, keepUntilMs: number): void
  /** Does not change when a budget ends. */
  updateBudget(key: string, budget: Budget): void
  budgets(keyPrefix: string): BudgetState[]
  /** Sum of a window after what is as old as `untilMs` or older is dropped. */
  windowSum(key: string, untilMs: number): number
  windowAdd(key: string, id: string, atMs: number, amount: number, windowMs: number): void
  windowRemove(key: string, id: string): void
  /** Oldest first. */
  windowEntries(key: string): Iterable<{ atMs: number; amount: number }>
}

/** A reservation that another one may replace. */
interface Former {
  readonly id: string
  readonly entries: readonly Entry[]
}

export class Accounts {
  readonly #tables: Tables

  constructor(tables: Tables) {
    this.#tables = tables
  }

  reserve({ id, alternatives, ttlMs, replaces }: ReserveRequest, nowMs: number): Reserved {
    this.#sweep(nowMs)
    const known = this.#tables.taken(id)
    if (known) {
      if (!known.settled) this.#tables.setTaken(id, known, nowMs + ttlMs)
      return { granted: true, alternative: known.alternative }
    }
    const former = this.#reservation(replaces)
    const refusals: Refusal[] = []
    for (const [alternative, claims] of alternatives.entries()) {
      const refusal = this.#refusal(claims, former, nowMs)
      if (refusal) {
        refusals.push(refusal)
        continue
      }
      if (former) this.#replace(former, claims)
      const entries = claims.map((claim) => this.#take(id, claim, nowMs, false, nowMs))
      this.#tables.setTaken(id, { settled: false, alternative, entries }, nowMs + ttlMs)
      return { granted: true, alternative, ...(refusals.length > 0 && { refusals }) }
    }
    return { granted: false, refusals }
  }

  #reservation(id: string | undefined): Former | null {
    const taken = id === undefined ? null : this.#tables.taken(id)
    return taken && id !== undefined && !taken.settled ? { id, entries: taken.entries } : null
  }

  #replace({ id, entries }: Former, claims: readonly Claim[]): void {
    const named = new Set(claims.map(({ key }) => key))
    for (const entry of entries)
      if (entry.form === 'budget' || named.has(entry.key)) this.#giveBack(id, entry, false)
    this.#tables.deleteTaken(id)
  }

  settle({ id, claims, atMs }: SettleRequest, nowMs: number): number[] {
    const known = this.#tables.taken(id)
    if (known) this.#undo(id, known)
    const times = new Map(
      known?.entries.flatMap((entry) => (entry.form === 'window' ? [[entry.key, entry.atMs]] : [])),
    )
    const entries = claims.map((claim) => this.#take(id, claim, times.get(claim.key) ?? atMs, true, nowMs))
    const alternative = known?.alternative ?? 0
    this.#tables.setTaken(id, { settled: true, alternative, entries }, nowMs + KEEP_SETTLED_MS)
    return claims.flatMap((claim, index) => (claim.form === 'budget' && this.#warns(claim) ? [index] : []))
  }

  release(id: string): void {
    const known = this.#tables.taken(id)
    if (!known || known.settled) return
    this.#undo(id, known)
    this.#tables.deleteTaken(id)
  }

  end(id: string): void {
    const reservation = this.#reservation(id)
    if (!reservation) return
    this.#giveBackBudgets(reservation)
    this.#tables.deleteTaken(id)
  }

  budgets(keyPrefix: string, nowMs: number): BudgetState[] {
    while (this.#sweep(nowMs) === SWEEP_IDS);
    return this.#tables.budgets(keyPrefix)
  }

  correct(key: string, settled: number, resetsAtMs: number): void {
    const { reserved = 0, warnedAt = 0 } = this.#tables.budget(key) ?? {}
    this.#tables.setBudget(key, { settled, reserved, warnedAt }, resetsAtMs + KEEP_BUDGET_MS)
  }

  /** Returns how many have ended. */
  #sweep(nowMs: number): number {
    const ended = this.#tables.ended(nowMs, SWEEP_IDS)
    for (const id of ended) {
      const reservation = this.#reservation(id)
      if (reservation) this.#giveBackBudgets(reservation)
      this.#tables.deleteTaken(id)
    }
    return ended.length
  }

  #giveBackBudgets({ id, entries }: Former): void {
    for (const entry of entries) if (entry.form === 'budget') this.#giveBack(id, entry, false)
  }

  #refusal(claims: readonly Claim[], former: Former | null, nowMs: number): Refusal | null {
    let worst: Refusal | null = null
    for (const [index, claim] of claims.entries()) {
      const entry = former?.entries.find(({ key }) => key === claim.key)
      const found =
        claim.form === 'budget'
          ? this.#budgetRefusal(claim, index, entry?.amount ?? 0, nowMs)
          : this.#windowRefusal(claim, index, entry, nowMs)
      if (found && (!worst || isWorse(found, worst))) worst = found
    }
    return worst
  }

  #budgetRefusal(claim: BudgetClaim, index: number, credit: number, nowMs: number): Refusal | null {
    const budget = this.#tables.budget(claim.key)
    const { settled, reserved } = {
      settled: budget?.settled ?? 0,
      reserved: (budget?.reserved ?? 0) - credit,
    }
    if (settled + reserved + claim.amount <= claim.limit) return null
    const final = settled + claim.amount > claim.limit
    const retryAfterMs = final ? Math.max(1, claim.resetsAtMs - nowMs) : HELD_RETRY_MS
    return { claim: index, settled, reserved, retryAfterMs, final }
  }

  #windowRefusal(
    claim: WindowClaim,
    index: number,
    former: Entry | undefined,
    nowMs: number,
  ): Refusal | null {
    const fromMs = nowMs - claim.windowMs
    const credit = former?.form === 'window' && former.atMs > fromMs ? former.amount : 0
    const reserved = this.#tables.windowSum(claim.key, fromMs) - credit
    let excess = reserved + claim.amount - claim.limit
    if (excess <= 0) return null
    let freeAtMs = nowMs + claim.windowMs
    for (const { atMs, amount } of this.#tables.windowEntries(claim.key)) {
      excess -= amount
      freeAtMs = atMs + claim.windowMs
      if (excess <= 0) break
    }
    const retryAfterMs = Math.max(1, freeAtMs - nowMs)
    return { claim: index, settled: 0, reserved, retryAfterMs, final: claim.amount > claim.limit }
  }

  #take(id: string, claim: Claim, atMs: number, settled: boolean, nowMs: number): Entry {
    const { key, amount } = claim
    if (claim.form === 'budget') {
      const budget = this.#tables.budget(key) ?? { settled: 0, reserved: 0, warnedAt: 0 }
      if (settled) budget.settled += amount
      else budget.reserved += amount
      this.#tables.setBudget(key, budget, claim.resetsAtMs + KEEP_BUDGET_MS)
      return { form: 'budget', key, amount }
    }
    if (amount > 0 && atMs > nowMs - claim.windowMs)
      this.#tables.windowAdd(key, id, atMs, amount, claim.windowMs)
    return { form: 'window', key, amount, atMs }
  }

  #undo(id: string, taken: Taken): void {
    for (const entry of taken.entries) this.#giveBack(id, entry, taken.settled)
  }

  #giveBack(id: string, entry: Entry, settled: boolean): void {
    if (entry.form === 'window') return this.#tables.windowRemove(entry.key, id)
    const budget = this.#tables.budget(entry.key)
    if (!budget) return
    if (settled) budget.settled -= entry.amount
    else budget.reserved -= entry.amount
    this.#tables.updateBudget(entry.key, budget)
  }

  /** True once for each budget; once more if the budget has been raised since. */
  #warns({ key, warnAt }: BudgetClaim): boolean {
    const budget = this.#tables.budget(key)
    if (warnAt === undefined || !budget || budget.warnedAt >= warnAt || budget.settled < warnAt) return false
    this.#tables.updateBudget(key, { ...budget, warnedAt: warnAt })
    return true
  }
}

function isWorse(found: Refusal, than: Refusal): boolean {
  if (found.final !== than.final) return found.final
  return found.retryAfterMs > than.retryAfterMs
}
