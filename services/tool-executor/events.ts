// Events that end a call. Every request gets exactly one ToolCompleted. They are keyed by the task, because a
// timer's event has the call's key.
import { glimpse } from '../../runtime/text/bounded-text.ts'
import type { ToolSpec } from '../../runtime/config/fleet.ts'
import { failure, plainFailure } from '../../runtime/errors.ts'
import { exactTime } from '../../runtime/text/quantities.ts'
import type { Child, ToolCompleted, ToolRequested } from '../../schemas/generated/events.ts'
import type { CallFailure, CallOutcome, Emit } from '../../runtime/stage.ts'
import type { Pending, ToolAnswer } from './call.ts'
import type { NextTry } from './retries.ts'
import type { Json } from '../../schemas/json.ts'
import type { Approval, ToolRows } from './rows.ts'

/** The key of what alerting watches for the whole fleet. */
const OF_THE_FLEET = 'fleet'

export interface Ending {
  status: ToolCompleted['status']
  error: CallFailure | null
  answer?: ToolAnswer
  /** The task that a call of another agent became. */
  child?: Child
  startedAtMs: number
  endedAtMs: number
}

/** Rewords the host's error, which is about a call, for the model, which knows only its tool. */
export function describeTimeout(request: ToolRequested, spec: ToolSpec, error: CallFailure): CallFailure {
  if (error.code !== 'CALL_TIMEOUT') return error
  const doubt = spec.idempotent ? '' : '; it may have taken effect all the same'
  const message = `${request.tool} did not answer in time (its limit is ${exactTime(spec.timeoutMs)})${doubt}`
  return failure('TOOL_TIMEOUT', message)
}

/** How a call ended that left no answer. */
export function statusOf(error: CallFailure): 'failed' | 'unknown' | 'cancelled' {
  if (error.code === 'CALL_OUTCOME_UNKNOWN') return 'unknown'
  return error.code === 'CALL_ABORTED' ? 'cancelled' : 'failed'
}

/** The reply to the requester, and the line in the task's history. */
export function completedEvents(request: ToolRequested, ending: Ending, waited?: Approval): Emit[] {
  const { taskId, callId, tool, requester, step } = request
  const { status, startedAtMs } = ending
  const error = ending.error && plainFailure(ending.error)
  const durationMs = Math.max(0, ending.endedAtMs - startedAtMs)
  const cached = ending.answer?.cached ?? false
  const output = ending.answer?.output ?? null
  const data = {
    taskId,
    callId,
    tool,
    requester,
    step,
    status,
    output,
    error,
    startedAtMs,
    durationMs,
    cached,
    approval: (waited ?? null) as unknown as Json,
    child: ending.child ?? null,
  }
  const detail = {
    callId,
    tool,
    status,
    durationMs,
    cached,
    error: error && { ...error },
    arguments: glimpse(request.arguments),
    output: glimpse(output),
    ...(waited && { approval: { outcome: waited.outcome, by: waited.decisions.at(-1)?.by ?? null } }),
    ...(ending.child && { child: { ...ending.child } }),
  }
  return [
    { topic: 'tools.completed', type: 'ToolCompleted', key: taskId, requester, data },
    progressEvent(request, 'tool_called', ending.endedAtMs, detail),
  ]
}

/** Enough for who watches; the step has all of it. */
/** History line when a call begins to wait; an open breaker is asked every few seconds, and reported once. */
export function waitingEvents(
  { request, rows }: { request: ToolRequested; rows: Readonly<Partial<ToolRows>> },
  next: NextTry,
  failure: CallFailure,
  atMs: number,
): Emit[] {
  if (next.why === 'breaker' && rows.waiting?.why === 'breaker') return []
  const { callId, tool } = request
  const detail = { callId, tool, dueMs: next.dueMs, error: { ...plainFailure(failure) } }
  return [progressEvent(request, next.why === 'breaker' ? 'waiting' : 'retry_scheduled', atMs, detail)]
}

/** History line when a server goes on with a call as a task of its own, and when what it says of it changes. */
export function continuedEvents(
  { callId, tool, ...request }: ToolRequested,
  pending: Pending,
  atMs: number,
): Emit[] {
  const detail = {
    callId,
    tool,
    for: 'server',
    serverTask: pending.id,
    reason: pending.note ?? 'the server goes on with it',
  }
  return [progressEvent({ callId, tool, ...request }, 'waiting', atMs, detail)]
}

/** One row of the usage ledger for each attempt; none if nothing was called. */
export function usageEvents(request: ToolRequested, outcome: CallOutcome): Emit[] {
  if (!outcome.ok && notCalled.has(outcome.failure.code)) return []
  const data = {
    taskId: request.taskId,
    callId: request.callId,
    kind: 'tool' as const,
    userId: request.userId,
    agent: request.agent ?? null,
    model: null,
    provider: null,
    tool: request.tool,
    inputTokens: 0,
    outputTokens: 0,
    cost: 0,
    costIsGuess: false,
    durationMs: Math.max(0, outcome.endedMs - outcome.startedMs),
    succeeded: outcome.ok,
    errorCode: outcome.ok ? null : outcome.failure.code,
    cached: outcome.ok && (outcome.value as ToolAnswer).cached,
    atMs: outcome.endedMs,
    tokensAreEstimate: false,
  }
  return [{ topic: 'usage.recorded', type: 'UsageRecorded', key: request.taskId, data }]
}

const notCalled = new Set(['BREAKER_OPEN', 'STORE_UNAVAILABLE'])

type Progress = (Emit & { type: 'TaskProgressed' })['data']

export function progressEvent(
  request: ToolRequested,
  kind: Progress['kind'],
  atMs: number,
  detail: Progress['detail'],
): Emit {
  const { taskId, step } = request
  const data = { taskId, stage: 'tool-executor', kind, step, atMs, detail }
  return { topic: 'tasks.history', type: 'TaskProgressed', key: taskId, data }
}

/** For alerting: its server no longer has the tool that is pinned. */
export function toolChangedEvents(
  { taskId }: ToolRequested,
  { source }: Pick<ToolSpec, 'source'>,
  { code, message }: Pick<CallFailure, 'code' | 'message'>,
  atMs: number,
): Emit[] {
  if (code !== 'MCP_TOOL_CHANGED' || !source?.tool) return []
  const data = { server: source.server, tool: source.tool, how: message, taskId, atMs }
  return [{ topic: 'ops.health', type: 'McpToolChanged', key: OF_THE_FLEET, data }]
}
