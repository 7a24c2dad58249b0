import type {
  Child,
  Failure,
  TaskCompleted,
  TaskProgressed,
  TaskSubmitted,
  Usage,
} from '../schemas/generated/events.ts'
import type { HistoryMessage } from '../schemas/history.ts'
import type { Recording } from '../runtime/task/recording.ts'
import type { Json } from '../schemas/json.ts'
import type { TaskEvent } from '../api/task-events.ts'

type Given<T> = { -readonly [Field in keyof T]?: NonNullable<T[Field]> }

/**
 * A task to run: the fields of TaskSubmitted. Only `text` is needed; everything else has a default
 * (docs/configuration.md). Default `taskId`: a new id; the same id submitted twice runs once.
 */
export interface TaskInput extends Given<
  Omit<TaskSubmitted, 'text' | 'outputSchema' | 'history' | 'metadata' | 'recording'>
> {
  /** The work for the agent: 1 to 10,000 characters. */
  text: string
  /** JSON Schema that the output must fit. */
  outputSchema?: { [key: string]: Json }
  /** Earlier messages of the conversation, oldest first. `text` is the newest one. */
  history?: HistoryMessage[]
  /** Labels by name, kept with the submission: at most 24, names of 64 and texts of 512 characters. */
  metadata?: Record<string, string>
  /** Recorded steps to begin with, and outcomes that answer tool calls (docs/replay-and-fork.md). */
  recording?: Recording
}

/** One step of the agent: a model answer and what followed. */
export interface TaskStep {
  step: number
  kind: 'code' | 'tools' | 'answer'
  model: string | null
  text: string | null
  code: string | null
  /** Shared with the task that this one is a fork of: no model was called. */
  recorded?: boolean
  /** True: its long texts were cut to their beginning and end. Absent: it is whole. */
  shortened?: boolean
  toolCalls: ToolCallRecord[]
  /** The observation that the model was given afterwards. */
  observation: string | null
  error: Failure | null
  startedAtMs: number
  durationMs: number
  usage: Usage | null
}

export interface ToolCallRecord {
  callId: string
  tool: string
  arguments: Json
  /** Arguments that were read differently from what the model wrote: `n: "5" read as 5`. */
  coerced?: string[]
  status: string
  durationMs: number
  cached: boolean
  /** Answered by a recorded outcome: no tool was called. */
  recorded?: boolean
  /** How people decided about it: {why, rule, outcome, decisions, asked, edited}. Absent: it waited for nobody. */
  approval?: Json
  /** The task that a call of another agent became, and what it cost with everything that it delegated. */
  child?: Child
  output?: Json
  error?: Failure | null
}

export interface RefusedCall {
  step: number
  callId: string
  tool: string
  arguments: Json
}

/** The result of a task: exactly one for each task id. */
export interface TaskResult {
  taskId: string
  status: TaskCompleted['status']
  /** The answer; null unless succeeded, or the model's last text after BUDGET_EXCEEDED and COST_LIMIT. */
  output: Json
  steps: TaskStep[]
  /** What the task itself used. */
  usage: Usage
  /** US dollars of the tasks that it delegated, and of theirs; null: it delegated none. */
  childrenCost: number | null
  /** Milliseconds from submission to completion. */
  executionTime: number
  model: string | null
  modelReason: string | null
  error: Failure | null
  /** 32 hex digits: look it up in Jaeger. */
  traceId: string | null
  userId: string | null
  agent: string | null
  profile: string | null
  sessionId: string | null
  /** The task that this one is a fork of, and the first step that ran again. */
  forkedFrom: string | null
  forkedFromStep: number | null
  /** How its tool calls were answered; null: by the tools. */
  toolPolicy: TaskCompleted['toolPolicy']
  /** Tool calls that the policy refused; the first 100. */
  refusedCalls: RefusedCall[]
  submittedAtMs: number
  completedAtMs: number
}

/** An update while a task runs. */
export type TaskUpdate =
  | { kind: 'progress'; event: TaskProgressed }
  | { kind: 'text'; taskId: string; step: number; text: string }
  | { kind: 'result'; result: TaskResult }

/** An event of a task. */
export type StreamedEvent = (
  Exclude<TaskEvent, { type: 'result' }> | { type: 'result'; taskId: string; result: TaskResult }
) & {
  /** Resumes a stream behind this event. Null: it is not in the log, and may be missing. */
  readonly id: string | null
}

export interface EventsOptions {
  /** The id of the last event that was read: the stream begins behind it. Default: with the task. */
  after?: string
  /** True: also a task that is not submitted yet, which over HTTP is TASK_UNKNOWN otherwise. */
  early?: boolean
}

/** Which events of a feed are given; absent: all. */
export interface FeedQuery {
  after?: string
  user?: string
  agent?: string
  /** Types of events, separated by commas. */
  type?: string
  /** The beginning of task ids. */
  task?: string
}

export interface ResultsOptions {
  /**
   * Consumer group: its members share the results, and it resumes where it stopped. Absent: every result from
   * now on.
   */
  group?: string
  /** Start position of a group that has none. Default latest. */
  from?: 'earliest' | 'latest'
}

export interface Feedback {
  taskId: string
  /** 0 (useless) to 1 (perfect). */
  satisfaction: number
  comment?: string
  userId?: string
}

export interface QualityScore {
  taskId: string
  /** 0 (useless) to 1 (perfect). */
  quality: number
  /** The evaluator: a person, a check, a model as judge. */
  scorer?: string
}

export interface ApprovalInput {
  taskId: string
  callId: string
  /** True: lets it run, or gives the answer. False: declines. */
  approved: boolean
  reason?: string
  decidedBy?: string
  /** Arguments to run it with, instead of those that were asked for. They must fit the tool's schema. */
  arguments?: Json
  /** The answer to a question, or the result of a call in doubt that took effect. */
  answer?: Json
  /** Whether a call in doubt took effect; needed for one. False with `approved`: it is made again. */
  tookEffect?: boolean
  /** The wait that is meant, as `approval.requested` names it. Needed for a call that has waited before. */
  heldAtMs?: number
}

export interface BatchOptions {
  /** Tasks in flight at once. Default 10. */
  maxWorkers?: number
  /** Time limit of each task. */
  timeoutMs?: number
  /** True: results in the order of the tasks. False: as they complete. Default true. */
  ordered?: boolean
}

/** A client of a fleet: over Kafka, or over HTTP to a gateway. */
export interface Client {
  /** Resolves when the task is durable in the log. */
  submit(task: TaskInput): Promise<{ taskId: string }>
  /** The result if there is one now, else null. */
  find(taskId: string): Promise<TaskResult | null>
  /**
   * Waits for the result. Rejects with TASK_TIMED_OUT after `timeoutMs` (the task continues); over HTTP with
   * TASK_UNKNOWN if there is no such task.
   */
  result(taskId: string, options?: { timeoutMs?: number }): Promise<TaskResult>
  /**
   * Results as they come. Without a group: those that come while it is iterated. With one: at least once
   * each; a result counts as processed when the loop asks for the next one, so results in hand when the loop
   * is left come again.
   */
  results(options?: ResultsOptions): AsyncIterable<TaskResult> & AsyncDisposable
  /**
   * Everything that happens to a task from now on, ending with its result. `early`: also if the task is not
   * submitted yet, which over HTTP is TASK_UNKNOWN otherwise.
   */
  watch(taskId: string, options?: { early?: boolean }): AsyncIterable<TaskUpdate>
  /**
   * Everything that happens to a task, from its beginning to its result: each event of the log exactly once, and
   * text as it is written. After a break, what was shown of unfinished text is taken back (`text.retracted`)
   * before it comes again.
   */
  events(taskId: string, options?: EventsOptions): AsyncIterable<StreamedEvent> & AsyncDisposable
  /** Requests a cancel; the task's result says whether it took effect. Over HTTP rejects with TASK_UNKNOWN. */
  cancel(taskId: string, reason?: string): Promise<void>
  /**
   * Decides about a call that waits for a person: an approval, an answer, or whether it took effect. Over HTTP rejects
   * with CALL_UNKNOWN or CALL_NOT_WAITING if the decision certainly can't count.
   */
  approve(approval: ApprovalInput): Promise<void>
  /** Records a user's rating of a result; the latest counts. */
  feedback(feedback: Feedback): Promise<void>
  /** Records an evaluator's rating of a result; the latest counts. */
  scoreQuality(score: QualityScore): Promise<void>
  /** Submits the tasks, `maxWorkers` at a time, and yields their results. */
  batch(tasks: Iterable<TaskInput>, options?: BatchOptions): AsyncIterable<TaskResult>
  /** Closes the client's connections. */
  close(): Promise<void>
}
