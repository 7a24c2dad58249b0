import type { Terms } from '../../runtime/config/approvals.ts'
import type { JsonSchema } from '../../runtime/config/fleet.ts'
import type { Json } from '../../schemas/json.ts'
import type { CallHeld, Failure, ToolRequested } from '../../schemas/generated/events.ts'
import type { Given, Pending, ServerQuestion } from './call.ts'
import type { Refusal } from './refusal.ts'

/** A call that waits for its next attempt, or runs after it waited for a person. Kept under the call's own key. */
export interface Waiting {
  request: ToolRequested
  /** Failed attempts. */
  tries: number
  /** When the request was recorded; epoch milliseconds. */
  askedMs: number
  /** Start of the first attempt; epoch milliseconds. */
  firstMs: number
  /** cleared: nothing is left to ask a person. reconcile: its tool looks up whether it took effect. */
  why: 'retry' | 'breaker' | 'cleared' | 'reconcile'
  /** Nobody needs to approve it any more. Absent: not asked yet. */
  cleared?: true
  /** How people decided about it, or that its rule asked for nobody. */
  approval?: Approval
  doubt?: Doubt
  /** What people answered to its server's question. */
  given?: Given
}

/** An attempt of which nobody knows whether it took effect. */
export interface Doubt {
  /** Id of the attempt: the idempotency key that the tool was given. */
  callId: string
  failure: Failure
}

/** A call that waits for a person. Kept under the call's own key. */
export interface Held {
  /** Frozen: what was asked for. */
  request: ToolRequested
  askedMs: number
  why: CallHeld['why']
  /** Epoch milliseconds. */
  heldAtMs: number
  expiresAtMs: number | null
  /** As they were when it began to wait. */
  terms: Terms & { rule: Rule; answer: JsonSchema | null }
  votes: Vote[]
  /** Start of the first attempt, for a call in doubt. */
  firstMs?: number
  doubt?: Doubt
  /** Its server asks. Absent: the tool itself is the question, or there is none. */
  question?: ServerQuestion
  /** Its server asks in the middle of a task of its own, which goes on with the answer. */
  polling?: Polling
  /** Earlier waits of the same call. */
  before?: Approval
}

/**
 * Why it waits: its tool says so of all calls or by a rule; the rule could not say; its task asks for everything; its
 * server has a question.
 */
export type Rule = 'always' | 'when' | 'rule failed' | 'asked' | 'server'

export interface Vote {
  /** The person; null: it is not known. */
  by: string | null
  /** The key or token that it came with. Absent: not known. */
  credential?: string
  /** Other people who may hold the key. Absent: nobody is known to. */
  madeBy?: string[]
  atMs: number
  reason: string | null
  /** Arguments or answer; null: the arguments as asked. */
  arguments: Json
}

/** The record of a wait in ToolCompleted, in the result's step, the history and the ledger. */
export interface Approval {
  why: CallHeld['why']
  rule: Rule
  /** not needed: the rule let it pass. */
  outcome: 'approved' | 'declined' | 'answered' | 'settled' | 'expired' | 'withdrawn' | 'not needed'
  heldAtMs: number
  endedAtMs: number
  /** What was asked for, if it ran with other arguments. */
  asked?: Json
  /** The arguments that it ran with, if a person changed them. */
  edited?: Json
  /** Who decided, the last one last. */
  decisions: (Omit<Vote, 'arguments'> & { approved: boolean })[]
  before?: Approval
}

/** A call that its server goes on with. Kept under the call's own key. */
export interface Polling {
  request: ToolRequested
  pending: Pending
  /** When the request was recorded; epoch milliseconds. */
  askedMs: number
  /** Start of the call; epoch milliseconds. */
  firstMs: number
  /** How people decided about it before it was made. Absent: it waited for nobody. */
  approval?: Approval
  /** What people answered to its server's question, until the server has it. */
  given?: Given
  /** Why the server is being asked to stop it; null: it is not. */
  stop: Refusal | null
  /** The requester has its reply: only the server has to learn of the end. */
  isAnswered?: true
  /** Times that it was asked in vain. */
  tries: number
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
  held: Held
  polling: Polling
  cancelled: Cancelled
  /** The task ended while calls may have been open: no further call starts. */
  closed: { status: string }
  /** How many tasks the task has delegated. */
  delegated: number
  /** By call. */
  [child: `child:${string}`]: Delegated
}
