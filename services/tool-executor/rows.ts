import type { ToolRequested } from '../../schemas/generated/events.ts'

/** A call that waits for its next attempt. Kept under the call's own key. */
export interface Waiting {
  request: ToolRequested
  /** Failed attempts. */
  tries: number
  /** When the request was recorded; epoch milliseconds. */
  askedMs: number
  /** Start of the first attempt; epoch milliseconds. */
  firstMs: number
  why: 'retry' | 'breaker'
}

/** Content of WorkCancelled. Kept under the task's key until the task closes. */
export interface Cancelled {
  callIds: string[]
  /** Every request recorded up to this time is cancelled; null when only `callIds` are. */
  allUntilMs: number | null
}

/** A call of another agent, until its task ends. Kept under the asking task's key. */
export interface Delegated {
  request: ToolRequested
  /** The task that the call became. */
  childId: string
  agent: string
  /** Epoch milliseconds. */
  startedAtMs: number
}

/** A type, not an interface, because the rows of a stage are a record. */
export type ToolRows = {
  waiting: Waiting
  cancelled: Cancelled
  /** The task ended while calls may have been open: no further call starts. */
  closed: { status: string }
  /** How many tasks the task has delegated. */
  delegated: number
  /** By call. */
  [child: `child:${string}`]: Delegated
}
