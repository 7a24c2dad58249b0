import type { Failure, TaskCompleted, TaskProgressed, Usage } from '../schemas/generated/events.ts'
import type { Json } from '../schemas/json.ts'

/** A task to run. Only `text` is needed; everything else has a default (docs/configuration.md). */
export interface TaskInput {
  /** 1 to 10,000 characters. */
  text: string
  /** Names the task: submitting the same id twice runs it once. Made here when absent. */
  taskId?: string
  userId?: string
  agent?: string
  mode?: 'code' | 'tools'
  profile?: string
  model?: string
  maxSteps?: number
  timeoutMs?: number
  /** US dollars. */
  maxCost?: number
  priority?: number
  sessionId?: string
  /** JSON Schema that the output must fit. */
  outputSchema?: { [key: string]: Json }
  parent?: string
  /** How the model is chosen, where neither `model` nor `profile` is given. */
  strategy?: 'aggressive' | 'balanced' | 'conservative'
  /** For the strategy; estimated from the text where absent. */
  complexity?: 'simple' | 'moderate' | 'complex'
  /** For the strategy; `normal` where absent. */
  quality?: 'low' | 'normal' | 'high' | 'critical'
  /** Input and output of the whole task: for the strategy and for budgets. */
  estimatedTokens?: number
}

/** One turn of the agent. */
export interface TaskStep {
  step: number
  kind: 'code' | 'tools' | 'answer'
  model: string | null
  text: string | null
  code: string | null
  toolCalls: ToolCallRecord[]
  /** What the model was told afterwards. */
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
  /** What of them was read otherwise than the model wrote it: `n: "5" read as 5`. */
  coerced?: string[]
  status: string
  durationMs: number
  cached: boolean
  output?: Json
  error?: Failure | null
}

/** What comes out of a task: exactly one for each task id. */
export interface TaskResult {
  taskId: string
  status: TaskCompleted['status']
  /** The answer; null unless succeeded, or the model's last text after BUDGET_EXCEEDED and COST_LIMIT. */
  output: Json
  steps: TaskStep[]
  usage: Usage
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
  submittedAtMs: number
  completedAtMs: number
}

/** What happens while a task runs. */
export type TaskUpdate =
  | { kind: 'progress'; event: TaskProgressed }
  | { kind: 'text'; taskId: string; step: number; text: string }
  | { kind: 'result'; result: TaskResult }

export interface ResultsOptions {
  /** Consumer group: its members share the results, and it goes on where it stopped. Absent: every result from now on. */
  group?: string
  /** Where a group without a position begins. Default latest. */
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
  /** Who or what says so: a person, a check, a model as judge. */
  scorer?: string
}

export interface ApprovalInput {
  taskId: string
  callId: string
  approved: boolean
  reason?: string
  decidedBy?: string
}

export interface BatchOptions {
  /** Tasks in flight at once. Default 10. */
  maxWorkers?: number
  /** Time limit of each task. */
  timeoutMs?: number
  /** True: results in the order of the tasks. False: as they complete. Default true. */
  ordered?: boolean
}

/** The way into a fleet: over Kafka, or over HTTP to a gateway. */
export interface Client {
  /** Resolves when the task is durable in the log. */
  submit(task: TaskInput): Promise<{ taskId: string }>
  /** The result when there is one now; null when not (yet). */
  find(taskId: string): Promise<TaskResult | null>
  /** Waits for the result. Rejects with TASK_TIMED_OUT after `timeoutMs` (the task goes on). */
  result(taskId: string, options?: { timeoutMs?: number }): Promise<TaskResult>
  /**
   * Results as they come. Without a group: those that come while it is iterated. With one: at least once each; a result
   * counts as dealt with when the loop asks for the next, so those in hand when it is left come again.
   */
  results(options?: ResultsOptions): AsyncIterable<TaskResult> & AsyncDisposable
  /** Everything that happens to a task from now on, ending with its result. */
  watch(taskId: string): AsyncIterable<TaskUpdate>
  cancel(taskId: string, reason?: string): Promise<void>
  approve(approval: ApprovalInput): Promise<void>
  /** What a user thought of a result; the latest counts. */
  feedback(feedback: Feedback): Promise<void>
  /** How good an evaluator found a result; the latest counts. */
  scoreQuality(score: QualityScore): Promise<void>
  batch(tasks: Iterable<TaskInput>, options?: BatchOptions): AsyncIterable<TaskResult>
  close(): Promise<void>
}
