// The parts of a task's timeline.
import type { TaskEvent } from '../../../api/task-events.ts'

/**
 * What a span of time went to. `queue`: for a free slot; `person`, `limit`, `breaker`, `retry`: waited for that; `away`:
 * until another owner of the lane went on.
 */
export type SpanKind =
  'queue' | 'model' | 'python' | 'tool' | 'person' | 'limit' | 'breaker' | 'retry' | 'away'

export interface Span {
  readonly kind: SpanKind
  readonly fromMs: number
  /** Null: it goes on. */
  toMs: number | null
  readonly label: string
}

export interface Call {
  readonly callId: string
  readonly tool: string
  readonly arguments: unknown
  readonly isByPython: boolean
  requestedMs: number | null
  endedMs: number | null
  durationMs: number | null
  /** `running` until it has ended; `person` while it waits for one. */
  status: string
  isCached: boolean
  output: string
  code: string | null
  message: string | null
  /** The task that a call of another agent became. */
  child: string | null
}

export interface Code {
  readonly requestId: string
  readonly text: string
  readonly atMs: number
  endedMs: number | null
  status: string
  prints: string
  code: string | null
  message: string | null
  durationMs: number | null
}

/** Something that went otherwise than planned. */
export interface Mark {
  readonly kind: 'retry' | 'limit' | 'breaker' | 'model' | 'resumed' | 'person'
  readonly atMs: number
  readonly text: string
  readonly dueMs: number | null
}

export interface Step {
  readonly number: number
  startedMs: number
  endedMs: number | null
  kind: string | null
  model: string | null
  /** All of the model's text, or what has come of it. */
  text: string
  isAnswered: boolean
  modelMs: number | null
  inputTokens: number
  outputTokens: number
  cost: number
  code: Code | null
  readonly calls: Call[]
  readonly spans: Span[]
  readonly marks: Mark[]
  observation: string | null
  error: string | null
  /** Changes with every event of the step. */
  version: number
}

export interface Admission {
  readonly atMs: number
  readonly agent: string | null
  readonly userId: string | null
  readonly mode: string | null
  readonly model: string | null
  readonly modelReason: string | null
  readonly maxSteps: number | null
  readonly deadlineMs: number | null
  readonly queuedMs: number | null
}

export type Result = Extract<TaskEvent, { type: 'result' }>['result']

/** A call as the result of a task has it, whole. */
export interface FullCall {
  readonly callId: string
  readonly tool: string
  readonly status: string
  readonly output?: unknown
  readonly arguments?: unknown
  readonly durationMs?: number
  readonly cached?: boolean
  readonly child?: { readonly taskId: string }
}

export const span = (kind: SpanKind, fromMs: number, toMs: number | null, label: string): Span => ({
  kind,
  fromMs,
  toMs,
  label,
})
export const mark = (kind: Mark['kind'], atMs: number, text: string, dueMs: number | null): Mark => ({
  kind,
  atMs,
  text,
  dueMs,
})

interface Resumed {
  readonly stage: string
  readonly epoch: number
  /** When the new owner's first work on it began, and what happened before that. */
  readonly atMs: number
  readonly beforeMs: number
}

/** Shorter ones are no longer than the way from one stage to the next. */
const SHOWN_AWAY_MS = 500

/** Marks a step that a new owner of the stage's lane went on with: once, however many of its events say so. */
export function resume(step: Step, { stage, epoch, atMs, beforeMs }: Resumed): void {
  const text = `A new owner of the lane went on with it in ${stage} (epoch ${epoch}), after a crash, a restart or a rebalance`
  if (step.marks.some((each) => each.text === text)) return
  step.marks.push(mark('resumed', atMs, text, null))
  // A step that waits for a person, a limit or a slot has lost nothing meanwhile.
  const isWaiting = step.spans.some(({ toMs }) => toMs === null)
  const fromMs = Math.max(beforeMs, step.startedMs)
  if (!isWaiting && atMs - fromMs >= SHOWN_AWAY_MS)
    step.spans.push(span('away', fromMs, atMs, `until another owner of the lane went on in ${stage}`))
}

export function endWaits(step: Step, atMs: number): void {
  for (const each of step.spans) each.toMs ??= Math.max(each.fromMs, atMs)
}

export const running = {
  requestedMs: null,
  endedMs: null,
  durationMs: null,
  status: 'running',
  isCached: false,
  output: '',
  code: null,
  message: null,
  child: null,
}

export const noOutput = {
  endedMs: null,
  status: 'running',
  prints: '',
  code: null,
  message: null,
  durationMs: null,
}

export const emptyStep = (): Omit<Step, 'number' | 'startedMs'> => ({
  endedMs: null,
  kind: null,
  model: null,
  text: '',
  isAnswered: false,
  modelMs: null,
  inputTokens: 0,
  outputTokens: 0,
  cost: 0,
  code: null,
  calls: [],
  spans: [],
  marks: [],
  observation: null,
  error: null,
  version: 0,
})
