// Outcomes of calls, from the events that were emitted after them. The journal forgets a call once its commit is
// durable, so the log is what there is.
//
// 1. What a stage emits of an outcome is all that it decides by, except what the log never had: ids that a provider
//    gave, and fields that it attached. No event depends on those.
// 2. Of a failed call the log has code and message; whether it may be repeated is in the error table.
import { withoutJitter } from '../backoff.ts'
import { errorTable, failure, type ErrorCode } from '../errors.ts'
import type { StepReport } from '../python/kept-variables.ts'
import type { Call, CallOutcome } from '../stage.ts'
import type { EventMap, EventType, Failure } from '../../schemas/generated/events.ts'
import type { Json } from '../../schemas/json.ts'

export interface Emitted {
  readonly type: EventType
  readonly data: EventMap[EventType]
}

export interface Asking {
  readonly call: Call
  readonly callId: string
  /** Id of the event that was handled. */
  readonly eventId: string
  /** Time of the event that was handled. */
  readonly atMs: number
  /** What was emitted in the handling. */
  readonly outputs: readonly Emitted[]
  /** Messages of errors in the steps of the result, by step. */
  readonly errorOfStep: (step: number) => string | null
  readonly step: number
}

type Fields = { readonly [name: string]: Json }

export function outcomeOf(asking: Asking): CallOutcome {
  switch (asking.call.kind) {
    case 'model':
      return ofModel(asking)
    case 'check':
      return ofCheck(asking)
    case 'tool':
      return ofTool(asking)
    case 'code':
      return ofCode(asking)
    case 'limits':
      return ofLimits(asking)
    default:
      return succeeded(asking, null, asking.atMs)
  }
}

function only<T extends EventType>({ outputs }: Asking, type: T): EventMap[T] | null {
  const found = outputs.find((each) => each.type === type)
  return found ? (found.data as EventMap[T]) : null
}

function progress({ outputs }: Asking, ...kinds: string[]): EventMap['TaskProgressed'] | null {
  const found = outputs.find(
    ({ type, data }) => type === 'TaskProgressed' && kinds.includes((data as { kind: string }).kind),
  )
  return found ? (found.data as EventMap['TaskProgressed']) : null
}

const fieldsOf = (value: Json): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}

/** The end of the call: as its usage says, else as anything that was emitted then. */
function endedMs(asking: Asking): number {
  const usage = only(asking, 'UsageRecorded')
  const shown = asking.outputs.find(({ type }) => type === 'TaskProgressed')
  return usage?.atMs ?? (shown?.data as EventMap['TaskProgressed'] | undefined)?.atMs ?? asking.atMs
}

function times(asking: Asking, atMs: number) {
  const usage = only(asking, 'UsageRecorded')
  return { startedMs: atMs - (usage?.durationMs ?? 0), endedMs: atMs, callId: asking.callId }
}

const succeeded = (asking: Asking, value: unknown, atMs: number): CallOutcome => ({
  ok: true,
  value,
  ...times(asking, atMs),
})

function failed(asking: Asking, error: Failure, details?: unknown): CallOutcome {
  const known = details === undefined ? error : { ...error, details }
  return { ok: false, failure: known, ...times(asking, endedMs(asking)), made: details !== undefined }
}

/** A summary of older steps, by what its compaction says. */
function ofSummary(asking: Asking, spent: object | null): CallOutcome {
  const made = asking.outputs.find(
    ({ type, data }) =>
      type === 'TaskProgressed' &&
      (data as { kind: string }).kind === 'compacted' &&
      fieldsOf((data as EventMap['TaskProgressed']).detail)['how'] !== 'trimmed',
  )
  if (!made) return failed(asking, failureOf(asking), spent ?? undefined)
  const { summary, reason } = fieldsOf((made.data as EventMap['TaskProgressed']).detail)
  const wrote = (text: string) =>
    succeeded(asking, { text, toolCalls: [], finishReason: 'stop', model: '', ...spent }, endedMs(asking))
  if (typeof summary === 'string') return wrote(summary)
  const [, code, message = ''] = /^([A-Z_]+): (.*)$/s.exec(String(reason)) ?? []
  if (code !== undefined) return failed(asking, failure(codeOf(code), message), spent ?? undefined)
  return wrote(String(reason).includes('empty') ? '' : 'x'.repeat(UNUSED_CHARS))
}

/** Longer than what any summary replaces. */
const UNUSED_CHARS = 16_000_000

function ofModel(asking: Asking): CallOutcome {
  const usage = only(asking, 'UsageRecorded')
  const answer = progress(asking, 'model_called')
  const spent = usage && {
    inputTokens: usage.inputTokens,
    outputTokens: usage.outputTokens,
    usageIsEstimate: usage.tokensAreEstimate,
  }
  if ((asking.call.request as { summarises?: object }).summarises) return ofSummary(asking, spent)
  if (answer === null) return failed(asking, failureOf(asking), spent ?? undefined)
  const { text, toolCalls, finishReason, model } = fieldsOf(answer.detail)
  const calls = Array.isArray(toolCalls) ? toolCalls.map((call) => ({ id: '', ...fieldsOf(call) })) : []
  const reply = { text, toolCalls: calls, finishReason, model, ...spent }
  return succeeded(asking, reply, endedMs(asking))
}

/** Why a model call failed: as its retry, its wait or the end of the task says. */
function failureOf(asking: Asking): Failure {
  const shown = progress(asking, 'retry_scheduled', 'waiting', 'model_changed')
  const end = only(asking, 'TaskCompleted')
  if (shown) {
    const { code, message, untilMs } = fieldsOf(shown.detail)
    const error = failure(codeOf(code ?? null), String(message))
    if (typeof untilMs !== 'number') return error
    // The stage adds its jitter again.
    return { ...error, retryAfterMs: withoutJitter(untilMs - shown.atMs, asking.eventId) }
  }
  if (end?.error) return { ...end.error, message: withoutFrame(end.error.message, end.model) }
  return failure(codeOf(only(asking, 'UsageRecorded')?.errorCode ?? 'CALL_ABORTED'), 'the call was stopped')
}

const codeOf = (code: Json): ErrorCode =>
  typeof code === 'string' && Object.hasOwn(errorTable, code) ? (code as ErrorCode) : 'INTERNAL'

/** A result's message names the model before the error, and the number of retries behind it. */
const withoutFrame = (message: string, model: string | null): string =>
  message.replace(`${model}: `, '').replace(/ \(after \d+ retries\)$/, '')

const MISS = 'The final output does not fit: '

function ofCheck(asking: Asking): CallOutcome {
  const end = only(asking, 'TaskCompleted')
  const atMs = endedMs(asking)
  if (end?.status === 'succeeded') return succeeded(asking, { output: end.output }, atMs)
  const message = asking.errorOfStep(asking.step) ?? end?.error?.message ?? ''
  return succeeded(asking, { problem: message.replace(MISS, '') }, atMs)
}

function ofTool(asking: Asking): CallOutcome {
  const usage = only(asking, 'UsageRecorded')
  const done = only(asking, 'ToolCompleted')
  if (done?.status === 'succeeded') {
    const { output, cached, startedAtMs, durationMs } = done
    return succeeded(asking, { output, cached }, usage?.atMs ?? startedAtMs + durationMs)
  }
  const waiting = fieldsOf(progress(asking, 'retry_scheduled', 'waiting')?.detail ?? null)
  const error = done?.error ?? (waiting['error'] as unknown as Failure | undefined)
  const known = error ?? failure('CALL_ABORTED', 'the call was stopped')
  // The stage words a time limit for the model.
  return failed(asking, usage?.errorCode === 'CALL_TIMEOUT' ? failure('CALL_TIMEOUT', known.message) : known)
}

function ofCode(asking: Asking): CallOutcome {
  const done = only(asking, 'CodeCompleted')
  const usage = only(asking, 'UsageRecorded')
  const atMs = endedMs(asking)
  if (done === null) {
    const calls = asking.outputs.flatMap(pendingCall)
    if (calls.length > 0) return succeeded(asking, { status: 'paused', calls, computeMs: 0 }, atMs)
    return failed(asking, failure('CALL_ABORTED', 'the step was stopped'))
  }
  const { output, isFinal, finalAnswer, prints, error } = done
  if (error && notPython.has(error.code)) return failed(asking, error)
  return succeeded(
    asking,
    {
      status: 'finished',
      value: output,
      isFinal,
      finalAnswer,
      prints,
      error: error && { code: error.code, class: '', message: '', traceback: error.message },
      ...leftBy(done, usage?.durationMs ?? 0),
    },
    atMs,
  )
}

/** What the step left of its session. Only a task that keeps variables says so; without them nothing depends on it. */
function leftBy({ kept }: EventMap['CodeCompleted'], durationMs: number) {
  const report = kept as unknown as StepReport | null
  const { outputHash = 'replayed', computeMs = durationMs } = report?.step ?? {}
  const leftNothing = report !== null && report.step === null && report.tooLarge !== true
  const lost = leftNothing ? (report.after === null ? 'session' : 'step') : 'nothing'
  return { outputHash, computeMs, lost }
}

/** The executor failed, not the code. */
const notPython: ReadonlySet<string> = new Set([
  'SANDBOX_UNAVAILABLE',
  'CALL_ABORTED',
  'CALL_TIMEOUT',
  'BREAKER_OPEN',
])

/** The history has every call of Python, also those that a recording answered. */
function pendingCall({ type, data }: Emitted) {
  if (type !== 'TaskProgressed') return []
  const { kind, detail } = data as EventMap['TaskProgressed']
  const { callId, tool, arguments: args } = fieldsOf(detail)
  if (kind !== 'tool_requested' || typeof callId !== 'string') return []
  const seq = Number(callId.slice(callId.lastIndexOf('.') + 1))
  return [{ seq, name: tool, arguments: args, argsHash: '' }]
}

function ofLimits(asking: Asking): CallOutcome {
  const { task } = asking.call.request as { task?: { models: readonly string[] } }
  const admitted = only(asking, 'TaskAdmitted')
  const end = only(asking, 'TaskCompleted')
  if (end?.error) return succeeded(asking, { granted: false, reason: end.error }, asking.atMs)
  const model = Math.max(0, task?.models.indexOf(admitted?.models[0] ?? '') ?? 0)
  return succeeded(asking, { granted: true, model }, asking.atMs)
}
