// A step in tools mode: calls go out together, the step ends when the last one is answered.
//
// 1. A call that can't be right (unknown tool, wrong arguments) is never requested: the model is told.
// 2. A call that needs a person is requested like every other: tool-executor holds it (../held.ts), also for a fork
//    that asks for every call without a recorded outcome.
// 3. Each reply is a row of its own; a reply that nothing waits for is ignored.
import { merge } from '../../../runtime/decisions.ts'
import { failure } from '../../../runtime/errors.ts'
import type { Emit, Failure, Json } from '../../../runtime/stage.ts'
import type { Delegation, ToolCompleted } from '../../../schemas/generated/events.ts'
import { MAX_CALLS_PER_STEP } from '../constants.ts'
import type { Message, MessageToolCall, ModelReply, ModelToolCall } from '../call.ts'
import { currentStep, isSettled, withReplies } from '../step-replies.ts'
import { answerByPolicy, answeredEvents } from '../recorded.ts'
import { delegatedCalls, delegationOf, handedOver, withChild } from '../delegation.ts'
import { progressEvent } from '../events.ts'
import { keepAnswer, takeValue } from '../result/final-answer.ts'
import { markedAsData, tellEdited, tellFailure, tellOutput } from '../prompts/replies.ts'
import {
  change,
  currentModel,
  put,
  type Changes,
  type Move,
  type RowChanges,
  type Situation,
  type Step,
  type StepToolCall,
} from '../rows.ts'
import { argumentsOf } from './call-arguments.ts'
import type { ToolBook } from './catalogue.ts'
import { newStep, nextStep } from '../step.ts'

const lending = (agents: readonly StepToolCall[]): { lent?: string[] } =>
  agents.length > 0 ? { lent: agents.map(({ callId }) => callId) } : {}

export function callTools(from: Situation, text: string, reply: ModelReply, book: ToolBook): Move {
  const { run } = from
  const asked = reply.toolCalls.map((call) => ({ ...call, name: book.nameOf(call.name, from.task) }))
  const taken: RowChanges = {}
  const asks = new Set<string>()
  const toolCalls = asked.map((call, index) => planCall(from, call, index, { book, taken, asks }))
  const agents = delegatedCalls(toolCalls, book)
  const { to, rows } = change(from, {
    run: { ...run, phase: 'tools', reminded: false, ...lending(agents) },
    ...taken,
    ...put(`said:${run.step}`, assistantMessage(from, text, { ...reply, toolCalls: asked })),
    ...put(`step:${run.step}`, { ...newStep(from, 'tools', text), toolCalls }),
  })
  const delegation = delegationOf(from, agents.length)
  // Those of other agents first: the rest may take long, and tool-executor takes them one by one.
  const first = agents.flatMap((call) =>
    requestEvents(from, call, { ask: asks.has(call.callId), delegation }),
  )
  const requests = toolCalls.flatMap((call): Emit[] => {
    if (agents.includes(call)) return []
    if (call.status === 'requested')
      return requestEvents(from, call, { ask: asks.has(call.callId), delegation: null })
    const isAnswered = call.recorded === true || call.error?.code === 'TOOL_NOT_RECORDED'
    return isAnswered ? answeredEvents(from, call) : []
  })
  return settle(to, { rows, emit: [...first, ...requests] }, book)
}

interface Planning {
  readonly book: ToolBook
  /** Rows that mark the outcomes that answered calls of this turn. */
  readonly taken: RowChanges
  /** Ids of the calls for which the task's policy asks a person. */
  readonly asks: Set<string>
}

function planCall(
  from: Situation,
  call: ModelToolCall,
  index: number,
  { book, taken, asks }: Planning,
): StepToolCall {
  const callId = `${from.task.taskId}.${from.run.step}.${index}`
  const blank = { callId, tool: call.name, output: null, durationMs: 0, cached: false }
  const refuse = (error: Failure): StepToolCall => ({
    ...blank,
    arguments: argumentsOf(call.argumentsText) ?? call.argumentsText,
    status: 'refused',
    error,
  })
  if (index >= MAX_CALLS_PER_STEP) return refuse(tooManyCalls())
  const checked = book.check(call, from.task)
  if ('refused' in checked) return refuse(checked.refused)
  const { spec, input, coerced } = checked
  const read = coerced.length > 0 ? { coerced } : {}
  const answered = answerByPolicy(from, { tool: call.name, arguments: input }, spec, taken)
  if (answered === 'ask') asks.add(callId)
  else if (answered) return { ...blank, arguments: input, ...read, ...answered }
  return { ...blank, arguments: input, ...read, status: 'requested', error: null }
}

function tooManyCalls(): Failure {
  return failure(
    'TOOL_DENIED',
    `At most ${MAX_CALLS_PER_STEP} calls are made in one turn; call again in the next`,
  )
}

/** Keeps the provider's ids unless they are missing or repeat: replies must find their calls. */
export function assistantMessage(
  from: Situation,
  text: string,
  { toolCalls: calls, attached: message = {} }: Pick<ModelReply, 'toolCalls' | 'attached'>,
): Message {
  const { step } = from.run
  const seen = new Set<string>()
  const toolCalls = calls.map(({ id, name, argumentsText }, index): MessageToolCall => {
    const own = id === '' || seen.has(id) ? `call_${step}_${index}` : id
    seen.add(own)
    return { id: own, type: 'function', function: { name, arguments: argumentsText || '{}' } }
  })
  const content = text === '' ? null : text
  const ofCalls = calls.map(({ attached = {} }) => attached)
  const isPlain = [message, ...ofCalls].every((fields) => Object.keys(fields).length === 0)
  const attached = isPlain ? {} : { attached: { model: currentModel(from), message, calls: ofCalls } }
  return { role: 'assistant', content, tool_calls: toolCalls, ...attached }
}

interface Requested {
  /** A person is asked first. */
  readonly ask: boolean
  /** Given with a call of another agent. */
  readonly delegation: Delegation | null
}

function requestEvents(from: Situation, call: StepToolCall, { ask, delegation }: Requested): Emit[] {
  const { task, run } = from
  const data = {
    taskId: task.taskId,
    callId: call.callId,
    tool: call.tool,
    arguments: call.arguments,
    requester: 'planner' as const,
    step: run.step,
    deadlineMs: task.deadlineMs,
    userId: task.userId,
    cacheTtlMs: task.toolCacheTtlMs,
    agent: task.agent,
    ask,
    delegation,
  }
  const { callId, tool } = call
  return [
    { topic: 'tools.requested', type: 'ToolRequested', data },
    progressEvent(from, 'tool_requested', { callId, tool, arguments: call.arguments }),
  ]
}

export function completeTool(from: Situation, done: ToolCompleted, book: ToolBook): Move {
  const step = waitingStep(from)
  const index =
    step?.toolCalls.findIndex((call) => call.callId === done.callId && call.status === 'requested') ?? -1
  const call = step?.toolCalls[index]
  if (step === null || call === undefined) return { changes: {} }
  const { status, output, error, durationMs, cached, approval, child } = done
  const more = { ...(approval === null ? {} : { approval }), ...(child && { child }) }
  const reply: StepToolCall = { ...call, status, output, error, durationMs, cached, ...more }
  const { to, rows } = change(from, {
    ...put(`reply:${step.step}.${index}`, reply),
    ...(child && { run: withChild(from.run, child.cost) }),
  })
  return settle(to, { rows }, book)
}

/** The step that waits for tools, with the replies so far. */
function waitingStep(from: Situation): Step | null {
  const step = from.run.phase === 'tools' ? currentStep(from) : null
  return step === null ? null : withReplies(step, from.rows)
}

/** Begins the next step once nothing is awaited. */
function settle(from: Situation, changes: Changes, book: ToolBook): Move {
  const step = waitingStep(from)
  if (step === null || !isSettled(step)) return { changes }
  const messages = toolMessages(from, step, book)
  const settled = merge(changes, { rows: withoutReplies(from, step) })
  const taken = handedOver(step, book)
  const move = taken ? handOver(from, step, taken.output, messages) : nextStep(from, step, messages)
  return { ...move, changes: merge(settled, move.changes) }
}

/**
 * Takes another agent's answer as the task's. One that is to be checked waits for a handling of its own; the replies
 * are kept, in case it does not fit and the model goes on.
 */
function handOver(from: Situation, step: Step, output: Json, messages: Message[]): Move {
  const { to, rows } = change(from, {
    run: { ...from.run, phase: 'model' },
    ...put(`heard:${step.step}`, messages),
    ...put(`step:${step.step}`, step),
  })
  const { check, changes, ...rest } = takeValue(to, step, output)
  const kept = check ? merge(changes, keepAnswer(check, from.atMs)) : changes
  return { ...rest, changes: merge({ rows }, kept) }
}

function withoutReplies({ rows }: Situation, step: Step): RowChanges {
  const names = step.toolCalls.map((_, index) => `reply:${step.step}.${index}` as const)
  return Object.assign({}, ...names.filter((name) => rows[name]).map((name) => put(name, null))) as RowChanges
}

export function toolMessages({ rows, task }: Situation, step: Step, book: ToolBook): Message[] {
  const said = rows[`said:${step.step}`]
  const asked = said?.role === 'assistant' ? (said.tool_calls ?? []) : []
  return asked.flatMap(({ id }, index): Message[] => {
    const call = step.toolCalls[index]
    return call
      ? [{ role: 'tool', tool_call_id: id, content: replyText(call, book.isUntrusted(call.tool, task)) }]
      : []
  })
}

/** The model's text for a reply. A failure may repeat text of the other side. */
function replyText(call: StepToolCall, isUntrusted: boolean): string {
  const shown = isUntrusted ? markedAsData : (text: string) => text
  const edited = tellEdited(call.approval ?? null)
  return edited + replyOf(call, shown)
}

function replyOf(call: StepToolCall, shown: (text: string) => string): string {
  if (call.error !== null) return shown(tellFailure(call.error))
  if (call.status === 'unknown')
    return 'It is not known whether this call was carried out. Do not repeat it blindly.'
  return call.status === 'cancelled' ? 'This call was stopped.' : shown(tellOutput(call.output ?? null))
}
