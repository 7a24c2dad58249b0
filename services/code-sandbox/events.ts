// Events that code-sandbox emits.
import { glimpse } from '../../runtime/text/bounded-text.ts'
import { failure, type ErrorCode } from '../../runtime/errors.ts'
import { asJson, type StepReport } from '../../runtime/python/kept-variables.ts'
import type { CallOutcome, Emit, Failure, Json } from '../../runtime/stage.ts'
import type { Delegation, TaskProgressed } from '../../schemas/generated/events.ts'
import type { Finished, PendingCall } from './executors/port.ts'
import { childrenCost, type OpenCall } from './delegation.ts'
import type { ActiveRow, CallRow } from './rows.ts'

export const NAME = 'code-sandbox' as const

export interface Ending {
  readonly status: 'finished' | 'failed' | 'cancelled'
  readonly error: Failure | null
  readonly finished: Finished | null
  readonly atMs: number
  /** What runs the step again. Absent: it is not asked for. */
  readonly kept?: StepReport | null
}

export const callIdOf = (requestId: string, seq: number) => `${requestId}.${seq}`

/** The request, and the line in the task's history. */
export function toolRequestedEvents(
  taskId: string,
  active: ActiveRow,
  { call, ask }: OpenCall,
  atMs: number,
  delegation: Delegation | null = null,
): Emit[] {
  // Rows of older versions lack the agent.
  const { requestId, step, deadlineMs, userId, toolCacheTtlMs, agent = null } = active
  const asked = { callId: callIdOf(requestId, call.seq), tool: call.name, arguments: call.arguments }
  const data = {
    taskId,
    ...asked,
    requester: NAME,
    step,
    deadlineMs,
    userId,
    cacheTtlMs: toolCacheTtlMs,
    agent,
    ask,
    delegation,
  }
  return [
    { topic: 'tools.requested', type: 'ToolRequested', data },
    historyEvent(taskId, active, 'tool_requested', atMs, asked),
  ]
}

/** The lines in the history of a call that no tool answered. */
export function answeredEvents(
  taskId: string,
  active: ActiveRow,
  { call, row, atMs }: { call: PendingCall; row: CallRow; atMs: number },
): Emit[] {
  const asked = { callId: callIdOf(active.requestId, call.seq), tool: call.name }
  const { status, durationMs, cached, result, recorded = false } = row
  const error = result?.error ? { ...result.error } : null
  const shown = { arguments: glimpse(call.arguments), output: glimpse(result?.value ?? null) }
  return [
    historyEvent(taskId, active, 'tool_requested', atMs, { ...asked, arguments: call.arguments }),
    historyEvent(taskId, active, 'tool_called', atMs, {
      ...asked,
      status,
      durationMs,
      cached,
      recorded,
      error,
      ...shown,
    }),
  ]
}

/** The step's end by the executor's answer. The message is Python's own text: the model reads it. */
export function endingOf(finished: Finished, outcome: CallOutcome): Ending {
  const { error } = finished
  return {
    status: error ? 'failed' : 'finished',
    error: error && failure(error.code, error.traceback.trimEnd()),
    finished,
    atMs: outcome.endedMs,
  }
}

export function endEvents(
  taskId: string,
  active: ActiveRow,
  calls: readonly CallRow[],
  ending: Ending,
): Emit[] {
  return [
    completedEvent(taskId, active, calls, ending),
    usageEvent(taskId, active, ending),
    progressEvent(taskId, active, calls, ending),
  ]
}

function completedEvent(taskId: string, active: ActiveRow, calls: readonly CallRow[], ending: Ending): Emit {
  const { status, error, finished, atMs, kept = null } = ending
  return {
    topic: 'code.completed',
    type: 'CodeCompleted',
    data: {
      taskId,
      requestId: active.requestId,
      step: active.step,
      status,
      output: finished?.value ?? null,
      isFinal: finished?.isFinal ?? false,
      finalAnswer: finished?.finalAnswer ?? null,
      prints: `${active.notice ?? ''}${finished?.prints ?? ''}`,
      error,
      kept: asJson(kept),
      childrenCost: childrenCost(calls),
      toolCalls: calls.map((call, seq) => toolCall(active.requestId, call, seq)),
      startedAtMs: active.startedAtMs,
      durationMs: Math.max(0, atMs - active.startedAtMs),
    },
  }
}

function toolCall(requestId: string, call: CallRow, seq: number): Json {
  const { tool, status, durationMs, cached, recorded, approval, child, result } = call
  const error = status === 'refused' ? (result?.error ?? null) : null
  return {
    callId: callIdOf(requestId, seq),
    tool,
    arguments: { ...call.arguments },
    status,
    durationMs,
    cached,
    ...(error ? { error: { ...failure(error.code as ErrorCode, error.message) } } : {}),
    ...(recorded ? { recorded } : {}),
    ...(approval ? { approval } : {}),
    ...(child ? { child: { ...child } } : {}),
  }
}

/** Computing time only: waiting for tools counts as the tools' usage. */
function usageEvent(taskId: string, active: ActiveRow, { error, finished, atMs }: Ending): Emit {
  return {
    topic: 'usage.recorded',
    type: 'UsageRecorded',
    data: {
      taskId,
      callId: active.requestId,
      kind: 'code',
      userId: active.userId,
      agent: null,
      model: null,
      provider: null,
      tool: null,
      inputTokens: 0,
      outputTokens: 0,
      cost: 0,
      costIsGuess: false,
      durationMs: finished?.computeMs ?? 0,
      succeeded: error === null,
      errorCode: error?.code ?? null,
      cached: false,
      atMs,
      tokensAreEstimate: false,
    },
  }
}

const EXCERPT_CHARS = 2_000

function progressEvent(taskId: string, active: ActiveRow, calls: readonly CallRow[], ending: Ending): Emit {
  const { status, error, finished, atMs } = ending
  const detail: Json = {
    requestId: active.requestId,
    executor: active.executor,
    status,
    isFinal: finished?.isFinal ?? false,
    prints: (finished?.prints ?? '').slice(0, EXCERPT_CHARS),
    errorCode: error?.code ?? null,
    error: error?.message.slice(-EXCERPT_CHARS) ?? null,
    toolCalls: calls.length,
    computeMs: finished?.computeMs ?? 0,
    durationMs: Math.max(0, atMs - active.startedAtMs),
  }
  return historyEvent(taskId, active, 'code_run', atMs, detail)
}

function historyEvent(
  taskId: string,
  { step }: ActiveRow,
  kind: TaskProgressed['kind'],
  atMs: number,
  detail: Json,
): Emit {
  const data = { taskId, stage: NAME, kind, step, atMs, detail }
  return { topic: 'tasks.history', type: 'TaskProgressed', data }
}
