// Limits that hold over every process of a fleet: budgets of a period, and exact sliding windows.
//
// 1. Each operation is atomic over all the limits that it names: one Lua script on Redis, one transaction in
//    SQLite.
// 2. An id's amount is counted once, however often it is reserved or settled. Settling again replaces the
//    figure.
// 3. A reservation never takes settled and reserved together past a limit. Only a settled figure above its
//    reservation can.
// 4. A reservation whose owner died ends at its time, and its budgets get the amount back; a window keeps it
//    until it has aged out. If it is settled later all the same, the real figure counts.
// 5. A refusal takes nothing, and is not remembered.
import type { ValueHead } from '../store/port.ts'

/** Tokens of a day, say: counts up until the period that its key names is over. */
export interface BudgetClaim {
  readonly form: 'budget'
  /** Names the period too, so that the next one begins at nothing. */
  readonly key: string
  readonly amount: number
  readonly limit: number
  /** End of the period. Epoch milliseconds. */
  readonly resetsAtMs: number
  /** Settling reports the budget once, when its settled figure reaches this. */
  readonly warnAt?: number
}

/** Requests of the last 60 s, say. An entry counts from its reservation until it is `windowMs` old. */
export interface WindowClaim {
  readonly form: 'window'
  readonly key: string
  readonly amount: number
  readonly limit: number
  readonly windowMs: number
}

/** Amount that an id takes of one limit. */
export type Claim = BudgetClaim | WindowClaim

export interface ReserveRequest {
  /** Id of the task or the call. */
  readonly id: string
  /** The first of these lists that fits as a whole is taken. */
  readonly alternatives: readonly (readonly Claim[])[]
  /** Ends by itself after this; reserving again restarts it. Milliseconds. */
  readonly ttlMs: number
  /**
   * A reservation that this one replaces, if it is granted: the task's, by its first call. Its amounts in
   * budgets and in the windows named here are released in the same step; its other windows keep theirs.
   */
  readonly replaces?: string
}

export interface Refusal {
  /** Index of the limit in its list. */
  readonly claim: number
  readonly settled: number
  /** Reserved by others; for a window, everything in it. */
  readonly reserved: number
  /** When a retry may succeed. Milliseconds. */
  readonly retryAfterMs: number
  /** True: settled figures leave no room, so waiting is no use before the budget resets. */
  readonly final: boolean
}

export type Reserved =
  /** `refusals`: of the alternatives before it. Absent: none was. */
  | { readonly granted: true; readonly alternative: number; readonly refusals?: readonly Refusal[] }
  /** One refusal for each alternative: a final one if there is one, else the longest wait. */
  | { readonly granted: false; readonly refusals: readonly Refusal[] }

export interface SettleRequest {
  readonly id: string
  /** Amounts that were really taken. */
  readonly claims: readonly Claim[]
  /** When it was taken: for windows without a reservation. Epoch milliseconds. */
  readonly atMs: number
}

/** Current state of one budget. */
export interface BudgetState {
  readonly key: string
  readonly settled: number
  readonly reserved: number
}

/** Adapters: Redis, SQLite, memory (simulator). Operations reject with STORE_UNAVAILABLE; retry them. */
export interface Limits {
  reserve(request: ReserveRequest): Promise<Reserved>
  /** Indices of budgets that have just reached `warnAt`: once each, and again if the limit was raised. */
  settle(request: SettleRequest): Promise<number[]>
  /**
   * As `settle`, if the key-value store has this value by then, in one step; null: nothing was settled, because it has
   * another one, or because the two can't be asked together. Absent: they never can.
   */
  settleIf?(request: SettleRequest, value: ValueHead): Promise<number[] | null>
  /** Releases a reservation. A settled or unknown id stays as it is. */
  release(id: string): Promise<void>
  /** Ends a reservation now, as its time would: budgets get the amount back, windows keep it. As above for others. */
  end(id: string): Promise<void>
  /** Budgets whose key has this prefix, in order of their keys. Reservations whose time is over count no more. */
  budgets(keyPrefix: string): Promise<BudgetState[]>
  /** Sets the settled figure, from the ledger; reservations stay. */
  correct(key: string, settled: number, resetsAtMs: number): Promise<void>
  /** Rejects with the reason when they can't be used now. */
  check(): Promise<void>
  close(): Promise<void>
}

/** How long a settled figure can be replaced by its id: as long as the journal keeps an outcome. */
export const KEEP_SETTLED_MS = 86_400_000
/** How long a budget is kept after its period, for reports. */
export const KEEP_BUDGET_MS = 2 * 86_400_000
/** When to retry if others hold the rest: their calls end in seconds. */
export const HELD_RETRY_MS = 1_000
/** Ended reservations that one operation clears away. */
export const SWEEP_IDS = 200
