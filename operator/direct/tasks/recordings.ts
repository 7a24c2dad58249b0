// The recording of an ended task: its steps, and the outcomes of its tool calls, for forks and evaluation.
//
// 1. Steps come from the result. In tools mode it has the outcomes of calls too; those of Python's calls are on
//    tools.completed, and the seed and clock of its steps on code.requested.
// 2. What a model wrote as arguments is on tasks.history; without it they are written from what was read.
// 3. What is needed and no longer there is an error that names the topic: a recording is whole, or none.
import type { TaskResult, TaskStep, ToolCallRecord } from '../../../client/types.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import type { Failure } from '../../../runtime/stage.ts'
import {
  isRefusedByPolicy,
  keptOutcomes,
  outcomeFor,
  type RecordedCall,
  type RecordedStep,
  type Recording,
} from '../../../runtime/task/recording.ts'
import type { CodeRequested, TaskSubmitted, ToolCompleted } from '../../../schemas/generated/events.ts'
import type { Json } from '../../../schemas/json.ts'
import { headers as names } from '../../../schemas/topics.ts'
import { recordsOf, type RecordParts, type TaskRecord } from './records.ts'

export interface Origin {
  readonly task: TaskSubmitted
  readonly result: TaskResult
}

interface Timed<T> {
  readonly data: T
  readonly atMs: number
  readonly eventId: string
}

/** What the topics have beside the result. */
interface Beside {
  readonly replies: ReadonlyMap<string, Timed<ToolCompleted>>
  readonly code: ReadonlyMap<number, Timed<CodeRequested>>
  /** Arguments as the model wrote them, by step. */
  readonly written: ReadonlyMap<number, readonly string[]>
}

/** `fromStep`: the first step that is not in `steps`. Rejects with EVENTS_GONE. */
export async function recordingOf(
  parts: RecordParts,
  { task, result }: Origin,
  fromStep: number,
): Promise<Recording> {
  const beside = await besideOf(parts, result)
  const calls = callsOf(result, beside, earlierRecording(task))
  const stepCalls = (step: TaskStep) => calls.get(step.step) ?? []
  return {
    steps: result.steps
      .filter(({ step }) => step < fromStep)
      .map((step) => stepOf(step, stepCalls(step), beside)),
    // Nothing is known of a call that a policy refused: another one may ask, or make it.
    outcomes: result.steps
      .filter(({ step }) => step >= fromStep)
      .flatMap(stepCalls)
      .filter(({ error }) => error?.code !== NOT_RECORDED),
  }
}

/** A fork's own recording, which answered calls that no topic has. */
const earlierRecording = ({ recording }: TaskSubmitted): Recording =>
  (recording ?? {}) as unknown as Recording

async function besideOf(parts: RecordParts, { taskId, submittedAtMs, steps }: TaskResult): Promise<Beside> {
  const topics = steps.some(({ kind }) => kind === 'code')
    ? (['tools.completed', 'code.requested'] as const)
    : (['tasks.history'] as const)
  const records = await recordsOf(parts, taskId, topics, submittedAtMs)
  const replies = new Map<string, Timed<ToolCompleted>>()
  const code = new Map<number, Timed<CodeRequested>>()
  const written = new Map<number, readonly string[]>()
  for (const each of records) {
    const { event } = each
    if (event.type === 'ToolCompleted') replies.set(event.data.callId, timed(each, event.data))
    if (event.type === 'CodeRequested') code.set(event.data.step, timed(each, event.data))
    if (event.type === 'TaskProgressed' && event.data.kind === 'model_called')
      written.set(event.data.step ?? 0, writtenIn(event.data.detail))
  }
  return { replies, code, written }
}

const timed = <T>({ record }: TaskRecord, data: T): Timed<T> => ({
  data,
  atMs: record.timestampMs,
  eventId: record.headers[names.eventId] ?? '',
})

function writtenIn(detail: Json): string[] {
  const calls = typeof detail === 'object' && detail !== null ? Reflect.get(detail, 'toolCalls') : null
  return Array.isArray(calls)
    ? calls.map((call: { argumentsText?: unknown }) => String(call.argumentsText ?? ''))
    : []
}

/** Settled calls by step. One that its task left open has no outcome. */
function callsOf(
  { taskId, steps }: TaskResult,
  beside: Beside,
  earlier: Recording,
): Map<number, RecordedCall[]> {
  const kept = keptOutcomes(earlier)
  const used = new Set<number>()
  const recorded = (call: ToolCallRecord): RecordedCall => {
    const found = outcomeFor(call, kept, { isUsed: (index) => used.has(index), isIdempotent: true })
    if (found === null) throw outcomeGone(taskId, call)
    used.add(found.index)
    const { key: _, ...outcome } = found.outcome
    return outcome
  }
  const outcome = (step: TaskStep, call: ToolCallRecord, index: number): RecordedCall[] => {
    if (call.status === 'requested' || call.status === 'awaiting_approval') return []
    if (step.kind === 'code') return outcomeOfPython(call, beside, taskId, recorded)
    const argumentsText = beside.written.get(step.step)?.[index]
    return [outcomeInResult(call, argumentsText)]
  }
  return new Map(
    steps.map((step) => [step.step, step.toolCalls.flatMap((call, index) => outcome(step, call, index))]),
  )
}

/** What nobody decided about was not made, as what somebody refused. */
const recordedStatus = (status: string): RecordedCall['status'] =>
  (status === 'undecided' ? 'refused' : status) as RecordedCall['status']

function outcomeInResult(call: ToolCallRecord, argumentsText: string | undefined): RecordedCall {
  const { tool, arguments: args, output = null, error = null } = call
  const status = recordedStatus(call.status)
  return {
    tool,
    arguments: args,
    status,
    output,
    error,
    ...(argumentsText === undefined ? {} : { argumentsText }),
  }
}

const NOT_RECORDED = 'TOOL_NOT_RECORDED'

const refusedByPolicy = ({ tool, arguments: args }: ToolCallRecord, error: Failure): RecordedCall => ({
  tool,
  arguments: args,
  status: 'refused',
  output: null,
  error,
})

function outcomeOfPython(
  call: ToolCallRecord,
  { replies }: Beside,
  taskId: string,
  recorded: (call: ToolCallRecord) => RecordedCall,
): RecordedCall[] {
  if (call.recorded) return [recorded(call)]
  if (isRefusedByPolicy(call)) return call.error ? [refusedByPolicy(call, call.error)] : []
  const reply = replies.get(call.callId)
  if (!reply) throw outcomeGone(taskId, call)
  const { output, error } = reply.data
  const status = recordedStatus(reply.data.status)
  return [{ tool: call.tool, arguments: call.arguments, status, output, error, atMs: reply.atMs }]
}

function outcomeGone(taskId: string, { tool, callId }: ToolCallRecord): FlotillaError {
  const message =
    `the outcome of ${tool} (${callId}) in task ${taskId} is no longer on tools.completed, ` +
    'so its Python can’t be repeated; fork it from step 1 with other tools than recorded'
  return new FlotillaError('EVENTS_GONE', message)
}

function stepOf(step: TaskStep, toolCalls: RecordedCall[], { code }: Beside): RecordedStep {
  const { kind, model, text, observation, error } = step
  const requested = kind === 'code' ? code.get(step.step) : undefined
  return {
    kind,
    model,
    text,
    code: step.code,
    toolCalls,
    observation,
    error,
    ...(requested ? clockOf(requested) : {}),
  }
}

/** As code-sandbox gave them to the step. */
function clockOf({ data, atMs, eventId }: Timed<CodeRequested>): { seed: string; atMs: number } {
  const { step } = (data.recording ?? {}) as { step?: { seed?: string; atMs?: number } }
  return { seed: step?.seed ?? `${data.requestId}/${eventId}`, atMs: step?.atMs ?? atMs }
}
