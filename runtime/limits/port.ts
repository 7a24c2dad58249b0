// Limits that hold over every process of a fleet: budgets of a period, and exact sliding windows.
//
// 1. Each operation is atomic over all the limits that it names: one Lua script on Redis, one transaction in SQLite.
// 2. What an id takes is counted once, however often it is reserved or settled. Settling again replaces the figure.
// 3. Settled and reserved together never pass a limit by a reservation. Only a settled figure above its reservation can.
// 4. A reservation whose owner died ends at its time, and its budgets have the amount back; a window keeps it until it is
//    old. Settled later all the same, the real figure counts.
// 5. A refusal takes nothing, and is not remembered.

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

/** Requests of the last 60 s, say. An entry counts from its reservation until it is `windowMs` old, to the millisecond. */
export interface WindowClaim {
  readonly form: 'window'
  readonly key: string
  readonly amount: number
  readonly limit: number
  readonly windowMs: number
}

/** What an id takes of one limit. */
export type Claim = BudgetClaim | WindowClaim

export interface ReserveRequest {
  /** Of the task or the call. */
  readonly id: string
  /** The first of these lists that fits whole is taken. */
  readonly alternatives: readonly (readonly Claim[])[]
  /** Ends by itself after this; asked again, it begins anew. Milliseconds. */
  readonly ttlMs: number
  /**
   * A reservation that this one takes the place of, if it is granted: the task's, by its first call. What the former took
   * of budgets and of the windows named here is given back in the same step; its other windows keep it.
   */
  readonly replaces?: string
}

export interface Refusal {
  /** Place of the limit in its list. */
  readonly claim: number
  readonly settled: number
  /** Reserved by others; for a window, everything in it. */
  readonly reserved: number
  /** When asking again may help. Milliseconds. */
  readonly retryAfterMs: number
  /** True: what is settled leaves no room, so waiting for others is no use before the budget resets. */
  readonly final: boolean
}

export type Reserved =
  | { readonly granted: true; readonly alternative: number }
  /** One refusal for each alternative: a final one where there is one, else the one that takes longest. */
  | { readonly granted: false; readonly refusals: readonly Refusal[] }

export interface SettleRequest {
  readonly id: string
  /** What was really taken. */
  readonly claims: readonly Claim[]
  /** When it was taken: for windows, where no reservation tells it. Epoch milliseconds. */
  readonly atMs: number
}

/** One budget as it stands. */
export interface BudgetState {
  readonly key: string
  readonly settled: number
  readonly reserved: number
}

/** Adapters: Redis, SQLite, memory (simulator). Operations reject with STORE_UNAVAILABLE; each may then be tried again. */
export interface Limits {
  reserve(request: ReserveRequest): Promise<Reserved>
  /** Resolves with the places of budgets that have just reached `warnAt`: each is reported once, and once more after it rose. */
  settle(request: SettleRequest): Promise<number[]>
  /** Gives a reservation back. What is settled, or unknown, stays as it is. */
  release(id: string): Promise<void>
  /** Budgets whose key begins so, in order of their keys. */
  budgets(keyPrefix: string): Promise<BudgetState[]>
  /** Sets the settled figure, from the ledger; reservations stay. */
  correct(key: string, settled: number, resetsAtMs: number): Promise<void>
  close(): Promise<void>
}

/** How long what was settled under an id is known, so that settling again replaces it: as long as a call journal keeps its outcome. */
export const KEEP_SETTLED_MS = 86_400_000
/** How long a budget is kept after its period, for those who look. */
export const KEEP_BUDGET_MS = 2 * 86_400_000
/** When to ask again for what others hold: their calls end in seconds. */
export const HELD_RETRY_MS = 1_000
/** Ended reservations that one operation clears away. */
export const SWEEP_IDS = 200
