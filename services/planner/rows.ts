// What the planner keeps of a task, and how a transition sees it.
//
// 1. Rows that can grow (what was said and heard, steps, replies) are written once per step, never the whole conversation.
// 2. `run` is small and the only row that every transition rewrites.
import type { Decision, Failure, Json, StageEvent } from '../../runtime/stage.ts'
import type { TaskAdmitted, Usage } from '../../schemas/generated/events.ts'
import type { Message } from './call.ts'

/** A tool call of a step, as the result of the task shows it. */
export interface StepToolCall {
  callId: string
  tool: string
  arguments: Json
  /** What of them was read otherwise than the model wrote it, as `n: "5" read as 5`. Absent: nothing. */
  coerced?: readonly string[]
  /** refused: never made, because it was wrong or a person declined it. */
  status: 'requested' | 'awaiting_approval' | 'succeeded' | 'failed' | 'unknown' | 'cancelled' | 'refused'
  /** Absent for calls that code made: code keeps what it got. */
  output?: Json
  error: Failure | null
  durationMs: number
  cached: boolean
}

/** A step, as the result of the task shows it. */
export interface Step {
  step: number
  kind: 'code' | 'tools' | 'answer'
  model: string
  /** What the model wrote. */
  text: string
  code: string | null
  toolCalls: StepToolCall[]
  /** What the model was told of the step. */
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

/** Where a task stands. */
export interface Run {
  /** What is awaited: the model (or a timer before it), tool calls, code. */
  phase: 'model' | 'tools' | 'code'
  step: number
  stepStartedAtMs: number
  /** Index into the task's models. */
  model: number
  modelReason: string
  /** Models that this task does not use any more. */
  failed: number[]
  /** Models whose breaker was found open since the last wait. */
  open: number[]
  /** Retries of the current model call. */
  retries: number
  /** The task waits for breakers or for a rate; told once. */
  waiting: boolean
  /** Times that the current call waited for a rate. */
  waits?: number
  /** The model was reminded to answer properly, and has done no work since. */
  reminded: boolean
  /** Why the last answer was sent back. */
  miss: Failure | null
  usage: Usage
  stepUsage: Usage
}

export type PlannerRows = {
  task: TaskAdmitted & { traceId: string | null; promptVersion: string }
  run: Run
  /** A result that is yet to be checked against the output schema. */
  answer: Answer
  /** It failed because an event of it was given up; a replay must not begin it again. */
  ended: { atMs: number }
} & {
  /** What the model said in a step. */
  [said: `said:${number}`]: Message
  /** What it was told after a step; `heard:0` opens the conversation. */
  [heard: `heard:${number}`]: Message[]
  [step: `step:${number}`]: Step
  /** Outcome of tool call i of step n, until the step is complete: `reply:n.i`. */
  [reply: `reply:${number}.${number}`]: StepToolCall
}

export type State = Readonly<Partial<PlannerRows>>
export type Changes = Decision<PlannerRows>

/** A running task at the moment of a transition. */
export interface Situation {
  readonly task: PlannerRows['task']
  readonly run: Run
  readonly rows: State
  readonly event: StageEvent
  /** The event's time in `decide`, the outcome's in `conclude`. */
  readonly atMs: number
}

/** What a transition leads to: changes, and the call that comes next, if one does. */
export interface Move {
  readonly changes: Changes
  /** The situation after the changes, in which the model is asked. */
  readonly ask?: Situation
  /** This result is checked next. */
  readonly check?: Answer
}

/** Null where no task of this key runs: it has ended, or never began here. */
export function situation(event: StageEvent, rows: State, atMs: number): Situation | null {
  const { task, run } = rows
  return task && run ? { task, run, rows, event, atMs } : null
}

export type RowChanges = NonNullable<Changes['rows']>

/** One row whose name holds a number, with the type that its name asks for. */
export function put<N extends keyof PlannerRows>(name: N, row: PlannerRows[N] | null): RowChanges {
  const rows: RowChanges = {}
  rows[name] = row
  return rows
}

/** The situation after these row changes, with them as a Decision. */
export function change(from: Situation, rows: RowChanges): { to: Situation; rows: RowChanges } {
  const merged: Record<string, unknown> = { ...from.rows }
  for (const [name, row] of Object.entries(rows)) {
    if (row === null) delete merged[name]
    else merged[name] = row
  }
  const state = merged as State
  return { to: { ...from, rows: state, task: state.task ?? from.task, run: state.run ?? from.run }, rows }
}

/** Both, the first one's events ahead. */
export function both(first: Changes, second: Changes): Changes {
  return {
    ...second,
    ...(second.clear ? {} : { rows: { ...first.rows, ...second.rows } }),
    emit: [...(first.emit ?? []), ...(second.emit ?? [])],
    timers: second.clear ? { ...second.timers } : { ...first.timers, ...second.timers },
  }
}

export function currentModel({ task, run }: Situation): string {
  return task.models[run.model] ?? ''
}

export function conversation({ rows, run }: Situation): Message[] {
  const messages = [...(rows['heard:0'] ?? [])]
  for (let step = 1; step < run.step; step += 1) {
    const said = rows[`said:${step}`]
    if (said) messages.push(said)
    messages.push(...(rows[`heard:${step}`] ?? []))
  }
  return messages
}
