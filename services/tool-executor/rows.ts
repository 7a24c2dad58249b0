import type { ToolRequested } from '../../schemas/generated/events.ts'
import type { Pending } from './call.ts'
import type { Refusal } from './refusal.ts'

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

/** A call that its server goes on with. Kept under the call's own key. */
export interface Polling {
  request: ToolRequested
  pending: Pending
  /** When the request was recorded; epoch milliseconds. */
  askedMs: number
  /** Start of the call; epoch milliseconds. */
  firstMs: number
  /** Why the server is being asked to stop it; null: it is not. */
  stop: Refusal | null
  /** Times that it was asked in vain. */
  tries: number
}

/** Content of WorkCancelled. Kept under the task's key until the task closes. */
export interface Cancelled {
  callIds: string[]
  /** Every request recorded up to this time is cancelled; null when only `callIds` are. */
  allUntilMs: number | null
}

/** A type, not an interface, because the rows of a stage are a record. */
export type ToolRows = {
  waiting: Waiting
  polling: Polling
  cancelled: Cancelled
  /** The task ended while calls may have been open: no further call starts. */
  closed: { status: string }
}
