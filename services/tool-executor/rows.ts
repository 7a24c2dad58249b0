import type { ToolRequested } from '../../schemas/generated/events.ts'

/** A call that waits for its next try. Kept under the call's own key. */
export interface Waiting {
  request: ToolRequested
  /** Tries that were made and failed. */
  tries: number
  /** When the request was recorded; epoch milliseconds. */
  askedMs: number
  /** Start of the first try; epoch milliseconds. */
  firstMs: number
  why: 'retry' | 'breaker'
}

/** What WorkCancelled said. Kept under the task's key until the task closes. */
export interface Cancelled {
  callIds: string[]
  /** Every request recorded up to this time is cancelled; null when only `callIds` are. */
  allUntilMs: number | null
}

/** A type, not an interface, because the rows of a stage are a record. */
export type ToolRows = {
  waiting: Waiting
  cancelled: Cancelled
  /** The task ended while calls may have been open: nothing starts any more. */
  closed: { status: string }
}
