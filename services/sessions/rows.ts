// State rows of a session.
//
// 1. `session` is small, and every transition rewrites it; a turn is written once.
// 2. Turns from `oldest` on are rows; `summary` stands for those before.
import type { KeptStep } from '../../runtime/python/kept-variables.ts'
import type { Decision } from '../../runtime/stage.ts'
import type { TurnEnded, TurnRequested } from '../../schemas/generated/events.ts'

/** What defines the variables of an agent again. */
export interface KeptVariables {
  /** The first turn that may have a row of it. */
  readonly from: number
  /** Number of the last step; null: there is none. */
  readonly last: number | null
  readonly steps: number
  readonly chars: number
  readonly computeMs: number
  /** Why what was kept is there no more; null: it is, or there was nothing. */
  readonly gone: string | null
}

export interface TurnSteps {
  /** Executor and agent. */
  readonly owner: string
  readonly steps: readonly KeptStep[]
}

export interface Running {
  readonly task: string
  readonly agent: string
  /** It takes over the variables of its agent in this executor, and keeps them. Absent: not. */
  readonly executor?: string
  readonly deadlineMs: number
  /** It was cancelled, because another message interrupts it or the session is deleted. */
  readonly cancelled?: true
}

export interface Waiting {
  readonly task: string
  readonly agent: string
  readonly executor?: string
  readonly whenBusy: TurnRequested['whenBusy']
  readonly deadlineMs: number
  readonly submittedAtMs: number
  /** It was given to the running task, which may take it along until it ends. */
  readonly steering?: { readonly text: string }
}

/** A message that was given to the running task, and whose own task has ended since. */
export interface Withdrawn {
  readonly task: string
  readonly text: string
}

/** A summary that was asked for. */
export interface Asking {
  readonly requestId: string
  readonly through: number
  readonly atMs: number
}

export interface Session {
  /** The user that began it. */
  readonly userId: string | null
  /** Turns that have ended. */
  readonly turns: number
  /** The first turn that is a row. */
  readonly oldest: number
  readonly running: Running | null
  /** In the order in which they run. */
  readonly waiting: readonly Waiting[]
  /** In the order in which they ended, until the running task has. Absent: none. */
  readonly withdrawn?: readonly Withdrawn[]
  readonly asking: Asking | null
  /** By executor and agent. Absent: none is kept. */
  readonly variables?: { readonly [owner: string]: KeptVariables }
  /** It goes when its running task has ended. */
  readonly deleting?: true
}

export interface Turn {
  readonly task: string
  readonly asked: string
  readonly answered: string
  readonly status: TurnEnded['status']
  readonly atMs: number
}

export interface Summary {
  readonly through: number
  readonly text: string
}

export type SessionRows = { session: Session; summary: Summary } & {
  [turn: `turn:${number}`]: Turn
  /** Python steps of a turn. */
  [variables: `variables:${number}`]: TurnSteps
}

export type State = Readonly<Partial<SessionRows>>
export type SessionDecision = Decision<SessionRows>

export function begun(userId: string | null): Session {
  return { userId, turns: 0, oldest: 1, running: null, waiting: [], asking: null }
}

/** Null: there is no such turn, or the blob store has lost it. */
export function turnOf(rows: State, turn: number): Turn | null {
  try {
    return rows[`turn:${turn}`] ?? null
  } catch {
    return null
  }
}
