// State rows of a task, and the view that a transition has of them.
//
// 1. Rows that can grow (messages, steps, replies) are written once per step, never the whole conversation.
// 2. `run` is small and the only row that every transition rewrites.
import { changedRows } from '../../runtime/decisions.ts'
import type { Decision, Failure, Json, StageEvent } from '../../runtime/stage.ts'
import type { AskedBy, Child, TaskAdmitted, Usage } from '../../schemas/generated/events.ts'
import type { KeptOutcome, RecordedStep } from '../../runtime/task/recording.ts'
import type { KeptStep } from '../../runtime/python/kept-variables.ts'
import type { HeldCalls } from '../../runtime/task/held-calls.ts'
import type { Message } from './call.ts'

/** A tool call of a step, as the result of the task shows it. */
export interface StepToolCall {
  callId: string
  tool: string
  arguments: Json
  /** Arguments read differently from what the model wrote: `n: "5" read as 5`. Absent: none. */
  coerced?: readonly string[]
  /**
   * refused: not made, because it was wrong or a person declined it. undecided: not made, because nobody decided
   * in time. awaiting_approval: the task ended while it waited for a person.
   */
  status:
    | 'requested'
    | 'awaiting_approval'
    | 'succeeded'
    | 'failed'
    | 'unknown'
    | 'cancelled'
    | 'refused'
    | 'undecided'
  /** Absent for calls that code made: code keeps what it got. */
  output?: Json
  error: Failure | null
  durationMs: number
  cached: boolean
  /** Answered by a recorded outcome: no tool was called. */
  recorded?: boolean
  /** How people decided about it. Absent: it waited for nobody. */
  approval?: Json
  /** The task that a call of another agent became. */
  child?: Child
}

/** A step, as the result of the task shows it. */
export interface Step {
  step: number
  kind: 'code' | 'tools' | 'answer'
  model: string
  /** The model's text. */
  text: string
  code: string | null
  /** Shared with the task that this one is a fork of: no model was called. */
  recorded?: true
  /** True: its long texts were cut to their beginning and end. Absent: it is whole. */
  shortened?: boolean
  toolCalls: StepToolCall[]
  /** The observation that the model was given. */
  observation: string | null
  error: Failure | null
  startedAtMs: number
  durationMs: number
  usage: Usage
}

/** A result, and the step that gave it. */
export interface Answer {
  step: Step
  value: Json
}

/** The conversation as the model is sent it, where that is not all of it. */
export interface Compacted {
  /** Steps before this one are in the conversation as the text of `heard` of the step before it. */
  from: number
  /** Outputs of the steps up to this one are cut. */
  trimmed: number
  /** Tokens a byte, by the model's last answer. */
  tokensPerByte: number
  /** Step and model of the last compaction by the policy: one each. */
  done: string
  /** The prompt must come down to so many tokens, because the model refused it. Null: it was not refused. */
  squeezeTo: number | null
  /** Step and model of the last refusal that led to a compaction: one each. */
  squeezed: string
  /** Most tokens that a model took, learnt from a refusal. */
  refusedAt: { [model: string]: number }
}

/** What is known of the log that defines the task's variables. */
export interface KeptRun {
  /** The step of earlier turns that the task begins behind. */
  readonly after: number | null
  /** The last step that is defined. */
  readonly last: number | null
  readonly fresh: boolean
  readonly gone: string | null
  /** Steps of this task that count, their characters, and the first that may. */
  readonly count: number
  readonly chars: number
  readonly from: number
}

/** Progress of a task. */
export interface Run {
  /** Awaited now: the model (or a timer before it), tool calls, or code. */
  phase: 'model' | 'tools' | 'code'
  step: number
  stepStartedAtMs: number
  /** Index into the task's models. */
  model: number
  modelReason: string
  /** Models that this task no longer uses. */
  failed: number[]
  /** Models whose breaker was found open since the last wait. */
  open: number[]
  /** Retries of the current model call. */
  retries: number
  /** The task waits for breakers or for a rate; reported once. */
  waiting: boolean
  /** How often the current call waited for a rate. */
  waits?: number
  /** The model was reminded to answer properly, and has run nothing since. */
  reminded: boolean
  /** Why the last answer was sent back. */
  miss: Failure | null
  usage: Usage
  stepUsage: Usage
  /** Calls of the running step that wait for a person. Absent: none. */
  held?: HeldCalls
  /** Those of them that may have taken effect. */
  inDoubt?: string[]
  /** Those of them that are at work: a task that they became has calls that wait. */
  delegatesHeld?: string[]
  /** Time for which calls have waited for people, in milliseconds. Absent: none. */
  heldMs?: number
  /** Task ids of the session's messages that are in the conversation. Absent: none. */
  steered?: string[]
  /** Those of them that no answer knows yet. Absent: none. */
  unseen?: string[]
  /** Absent until the first answer. */
  compacted?: Compacted
  /** Characters of the steps' rows, and the oldest step that is kept whole. Absent: no step has ended. */
  kept?: { chars: number; whole: number }
  /** US dollars of the tasks that it delegated, and of theirs. Absent: none has ended. */
  childrenCost?: number
  /** The last calls among which it shared out what the task has left, or their step of Python. Absent: none. */
  lent?: string[]
  /** The call that its end answers, here too: the task's row may be lost. */
  askedBy?: AskedBy
  /** What its Python defines is kept for later turns of its session. Absent: it is not. */
  variables?: KeptRun
  /** Prompt of the last answer, which bounds the next one (cost-bound.ts). */
  lastPrompt?: { of: string; bytes: number; tokens: number }
}

export type PlannerRows = {
  task: TaskAdmitted & { traceId: string | null; promptVersion: string }
  run: Run
  /** The last failed model call of the running step. Absent: none has failed. */
  failedCall: Failure
  /** A result not yet checked against the output schema. */
  answer: Answer
  /** The task failed because one of its events was given up; a replay must not begin it again. */
  ended: { atMs: number }
  /** Messages of the session that the next step gets. */
  steers: readonly { readonly task: string; readonly text: string }[]
  /** Recorded outcomes of tool calls; in code mode until code-sandbox has them. */
  outcomes: KeptOutcome[]
  /** Python of earlier turns of its session, until code-sandbox has it. */
  prior: readonly KeptStep[]
} & {
  /** The model's message in a step. */
  [said: `said:${number}`]: Message
  /** Messages to the model after a step; `heard:0` opens the conversation. */
  [heard: `heard:${number}`]: Message[]
  [step: `step:${number}`]: Step
  /** Outcome of tool call i of step n, until the step is complete: `reply:n.i`. */
  [reply: `reply:${number}.${number}`]: StepToolCall
  /** What runs the Python of step n again in a later turn. */
  [variables: `variables:${number}`]: KeptStep
  /** A step to be repeated, until it was. */
  [recorded: `recorded:${number}`]: RecordedStep
  /** This outcome has answered a call. */
  [used: `used:${number}`]: true
}

export type State = Readonly<Partial<PlannerRows>>
export type Changes = Decision<PlannerRows>
/** Rows beside those that a situation has as `task` and `run`. */
export type OtherRows = Omit<State, 'task' | 'run'>

/** A conversation of which nothing is known yet. English and code have four bytes a token. */
export const wholeConversation: Compacted = {
  from: 1,
  trimmed: 0,
  tokensPerByte: 0.25,
  done: '',
  squeezeTo: null,
  squeezed: '',
  refusedAt: {},
}

/** A running task at the moment of a transition. */
export interface Situation {
  readonly task: PlannerRows['task']
  readonly run: Run
  readonly rows: OtherRows
  readonly event: StageEvent
  /** The event's time in `decide`, the outcome's in `conclude`. */
  readonly atMs: number
}

/** The outcome of a transition: changes, and the next call, if any. */
export interface Move {
  readonly changes: Changes
  /** The situation after the changes, in which the model is called. */
  readonly ask?: Situation
  /** The result to check next. */
  readonly check?: Answer
}

/** Null if no task of this key runs: it has ended, or never began here. */
export function situation(event: StageEvent, rows: State, atMs: number): Situation | null {
  const { task, run } = rows
  return task && run ? { task, run, rows, event, atMs } : null
}

export type RowChanges = NonNullable<Changes['rows']>

/** Rows of steps that have ended, and of outcomes that have answered: there are as many as a task has steps. */
export const isCold = (name: string): boolean => name.startsWith('step:') || name.startsWith('used:')

/** One row whose name holds a number, with the type that belongs to the name. */
export function put<N extends keyof PlannerRows>(name: N, row: PlannerRows[N] | null): RowChanges {
  const rows: RowChanges = {}
  rows[name] = row
  return rows
}

/** The situation after these row changes, with them as a Decision. */
export function change(from: Situation, rows: RowChanges): { to: Situation; rows: RowChanges } {
  const { task, run, event, atMs } = from
  // Most changes are of the progress alone: nothing is copied for them.
  const others = hasOthers(rows) ? (changedRows(from.rows, rows) as OtherRows) : from.rows
  return { to: { task: rows.task ?? task, run: rows.run ?? run, rows: others, event, atMs }, rows }
}

function hasOthers(rows: RowChanges): boolean {
  for (const name in rows) if (name !== 'task' && name !== 'run') return true
  return false
}

export function currentModel({ task, run }: Situation): string {
  return task.models[run.model] ?? ''
}

export function conversation({ rows, run }: Situation): Message[] {
  const messages = [...(rows['heard:0'] ?? [])]
  const { from } = run.compacted ?? wholeConversation
  for (let step = Math.max(1, from - 1); step < run.step; step += 1) {
    const said = rows[`said:${step}`]
    if (said) messages.push(said)
    messages.push(...(rows[`heard:${step}`] ?? []))
  }
  return messages
}
