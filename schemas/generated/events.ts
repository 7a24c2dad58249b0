// Generated from schemas/*.avsc by `npm run generate`. Do not edit.
import type { Json } from '../json.ts'

/** Why something did not work: a row of the error table plus what happened this time. */
export interface Failure {
  code: string
  severity: 'recoverable' | 'degraded' | 'critical'
  retryable: boolean
  message: string
}

export interface TaskSubmitted {
  text: string
  taskId: string | null
  userId: string | null
  agent: string | null
  mode: 'code' | 'tools' | null
  profile: string | null
  model: string | null
  maxSteps: number | null
  timeoutMs: number | null
  maxCost: number | null
  priority: number | null
  sessionId: string | null
  outputSchema: Json
  parent: string | null
}

export interface TaskCancelled {
  taskId: string
  reason: string | null
  requestedBy: string | null
}

export interface ApprovalDecided {
  taskId: string
  callId: string
  approved: boolean
  reason: string | null
  decidedBy: string | null
}

export interface FeedbackGiven {
  taskId: string
  userId: string | null
  /** 0 (useless) to 1 (perfect). */
  satisfaction: number
  comment: string | null
}

export interface TaskAdmitted {
  taskId: string
  text: string
  userId: string | null
  agent: string
  mode: 'code' | 'tools'
  profile: string | null
  /** The model to use, then the fallbacks in order. */
  models: string[]
  modelReason: string
  temperature: number
  maxSteps: number
  timeoutMs: number
  /** Epoch milliseconds after which the task is timed out. */
  deadlineMs: number
  maxCost: number | null
  maxOutputTokens: number
  /** Name of the code executor: default, wasm, native, docker, e2b. */
  executor: string
  /** Names of the tools the task may call. */
  tools: string[]
  /** Overrides every tool's cache lifetime (throughput profile); null keeps each tool's own. */
  toolCacheTtlMs: number | null
  priority: number
  sessionId: string | null
  outputSchema: Json
  parent: string | null
  submittedAtMs: number
}

export interface ToolRequested {
  taskId: string
  callId: string
  tool: string
  arguments: Json
  requester: 'planner' | 'code-sandbox'
  step: number
  deadlineMs: number
  userId: string | null
  cacheTtlMs: number | null
}

export interface ToolCompleted {
  taskId: string
  callId: string
  tool: string
  requester: 'planner' | 'code-sandbox'
  step: number
  /** unknown: begun by a process that died, and not safe to repeat. */
  status: 'succeeded' | 'failed' | 'unknown' | 'cancelled'
  output: Json
  error: Failure | null
  startedAtMs: number
  durationMs: number
  cached: boolean
}

export interface CodeRequested {
  taskId: string
  /** Unique for the step; also names the sandbox step. */
  requestId: string
  step: number
  code: string
  executor: string
  tools: string[]
  toolCacheTtlMs: number | null
  userId: string | null
  timeoutMs: number
  deadlineMs: number
}

export interface CodeCompleted {
  taskId: string
  requestId: string
  step: number
  status: 'finished' | 'failed' | 'cancelled'
  /** Value of the last expression; null when there is none. */
  output: Json
  /** True when the code called final_answer(x); finalAnswer then holds x. */
  isFinal: boolean
  finalAnswer: Json
  prints: string
  error: Failure | null
  /** Tool calls made by the step, in order: [{callId, tool, arguments, status, durationMs, cached}]. */
  toolCalls: Json
  startedAtMs: number
  durationMs: number
}

export interface WorkCancelled {
  taskId: string
  /** Call or request ids to stop; empty stops all work of the task. */
  callIds: string[]
  reason: string
}

export interface TaskClosed {
  taskId: string
  status: string
}

export interface Usage {
  inputTokens: number
  outputTokens: number
  /** US dollars. */
  cost: number
  /** True when a price was guessed for an unknown model. */
  costIsGuess: boolean
  modelCalls: number
  toolCalls: number
}

export interface TaskCompleted {
  taskId: string
  status: 'succeeded' | 'failed' | 'rejected' | 'cancelled' | 'timed_out'
  output: Json
  /** Steps as described in docs: [{step, kind, model, text, code, toolCalls, observation, error, startedAtMs, durationMs, usage}]. */
  steps: Json
  usage: Usage
  /** Milliseconds from submission to completion. */
  executionTime: number
  model: string | null
  modelReason: string | null
  error: Failure | null
  traceId: string | null
  text: string
  userId: string | null
  agent: string | null
  profile: string | null
  mode: string | null
  sessionId: string | null
  parent: string | null
  submittedAtMs: number
  completedAtMs: number
}

export interface TaskProgressed {
  taskId: string
  stage: string
  kind:
    | 'admitted'
    | 'model_called'
    | 'tool_called'
    | 'code_run'
    | 'step_completed'
    | 'retry_scheduled'
    | 'model_changed'
    | 'waiting'
    | 'cancel_requested'
    | 'completed'
  step: number | null
  atMs: number
  detail: Json
}

export interface TokensStreamed {
  taskId: string
  step: number
  sequence: number
  text: string
}

export interface UsageRecorded {
  taskId: string
  callId: string
  kind: 'model' | 'tool' | 'code'
  userId: string | null
  agent: string | null
  model: string | null
  provider: string | null
  tool: string | null
  inputTokens: number
  outputTokens: number
  cost: number
  costIsGuess: boolean
  durationMs: number
  succeeded: boolean
  errorCode: string | null
  cached: boolean
  atMs: number
}

export interface OutcomesTallied {
  /** Start of the bucket, epoch milliseconds. */
  bucketMs: number
  lane: number
  succeeded: number
  failed: number
  tokens: number
  /** executionTime of each task of the bucket, at most 500. */
  executionTimesMs: number[]
  /** Distinct error messages of the bucket, at most 20. */
  errors: string[]
}

export interface AlertRaised {
  alertId: string
  rule: string
  severity: 'critical' | 'warning'
  channels: string[]
  value: number
  threshold: number
  windowMs: number
  message: string
  atMs: number
}

export interface AlertResolved {
  alertId: string
  rule: string
  value: number
  threshold: number
  message: string
  atMs: number
}

export interface BreakerChanged {
  breaker: string
  stage: string
  instance: string
  from: 'closed' | 'open' | 'half_open'
  to: 'closed' | 'open' | 'half_open'
  reason: string | null
  atMs: number
}

export interface DeadLettered {
  sourceTopic: string
  partition: number
  offset: number
  key: string | null
  value: Uint8Array
  headers: Record<string, string>
  stage: string
  code: string
  message: string
  attempts: number
  failedAtMs: number
}

export interface EventMap {
  TaskSubmitted: TaskSubmitted
  TaskCancelled: TaskCancelled
  ApprovalDecided: ApprovalDecided
  FeedbackGiven: FeedbackGiven
  TaskAdmitted: TaskAdmitted
  ToolRequested: ToolRequested
  ToolCompleted: ToolCompleted
  CodeRequested: CodeRequested
  CodeCompleted: CodeCompleted
  WorkCancelled: WorkCancelled
  TaskClosed: TaskClosed
  TaskCompleted: TaskCompleted
  TaskProgressed: TaskProgressed
  TokensStreamed: TokensStreamed
  UsageRecorded: UsageRecorded
  OutcomesTallied: OutcomesTallied
  AlertRaised: AlertRaised
  AlertResolved: AlertResolved
  BreakerChanged: BreakerChanged
  DeadLettered: DeadLettered
}

export type EventType = keyof EventMap
