// The API's events of what a record of a task's history says. Pure, and by the record alone: every
// reader gets the same events in the same order, on any gateway.
import type { TaskEvent } from '../api/task-events.ts'
import type { TaskProgressed } from '../schemas/generated/events.ts'
import type { Json } from '../schemas/json.ts'

type Fields = { readonly [name: string]: Json | undefined }
/** An event that does not say yet in which stage it happened. */
type Unplaced<E> = E extends { readonly stage: string } ? Omit<E, 'stage'> : never
type OfHistory = Extract<TaskEvent, { readonly stage: string }>
type Map = (fields: Fields, about: About) => Unplaced<OfHistory>[]

interface About {
  readonly taskId: string
  readonly atMs: number
  readonly step: number | null
}

/** None for kinds that a later version writes. `resumedEpoch`: the record's header of that name. */
export function progressEvents(
  { kind, detail, taskId, atMs, step, stage }: TaskProgressed,
  resumedEpoch: number | null = null,
): TaskEvent[] {
  const fields = fieldsOf(detail)
  const events = mapping[kind]?.(fields, { taskId, atMs, step }) ?? []
  const where = { stage, ...(resumedEpoch === null ? {} : { resumedEpoch }) }
  return events.map((event) => ({ ...event, ...where }) as OfHistory)
}

const mapping: Partial<Record<TaskProgressed['kind'], Map>> = {
  queued: (fields, { taskId, atMs }) => [
    {
      type: 'task.queued',
      taskId,
      atMs,
      waiting: numberIn(fields, 'waiting'),
      priority: numberIn(fields, 'priority'),
    },
  ],
  admitted: (fields, { taskId, atMs }) => [
    {
      type: 'task.admitted',
      taskId,
      atMs,
      agent: textIn(fields, 'agent'),
      userId: textIn(fields, 'userId'),
      mode: textIn(fields, 'mode'),
      profile: textIn(fields, 'profile'),
      model: textIn(fields, 'model'),
      modelReason: textIn(fields, 'modelReason'),
      maxSteps: numberIn(fields, 'maxSteps'),
      deadlineMs: numberIn(fields, 'deadlineMs'),
      queuedMs: numberIn(fields, 'queuedMs'),
    },
    { type: 'step.started', taskId, atMs, step: 1 },
  ],
  model_called: (fields, { taskId, atMs, step }) => [
    {
      type: 'model.answered',
      taskId,
      atMs,
      step,
      model: textIn(fields, 'model'),
      text: textIn(fields, 'text') ?? '',
      toolCalls: Array.isArray(fields['toolCalls']) ? fields['toolCalls'].length : 0,
      inputTokens: numberIn(fields, 'inputTokens'),
      outputTokens: numberIn(fields, 'outputTokens'),
      cost: numberIn(fields, 'cost'),
      durationMs: numberIn(fields, 'durationMs'),
      finishReason: textIn(fields, 'finishReason'),
    },
  ],
  code_requested: (fields, { taskId, atMs, step }) => [
    {
      type: 'code',
      taskId,
      atMs,
      step,
      requestId: textIn(fields, 'requestId') ?? '',
      code: textIn(fields, 'code') ?? '',
    },
  ],
  code_run: (fields, { taskId, atMs, step }) => [
    {
      type: 'code.output',
      taskId,
      atMs,
      step,
      requestId: textIn(fields, 'requestId') ?? '',
      status: textIn(fields, 'status') ?? '',
      isFinal: fields['isFinal'] === true,
      prints: textIn(fields, 'prints') ?? '',
      code: textIn(fields, 'errorCode'),
      message: textIn(fields, 'error'),
      toolCalls: numberIn(fields, 'toolCalls'),
      durationMs: numberIn(fields, 'durationMs'),
    },
  ],
  tool_requested: (fields, { taskId, atMs, step }) => [
    { type: 'tool.requested', taskId, atMs, step, ...callIn(fields) },
  ],
  tool_started: (fields, { taskId, atMs, step }) => [
    {
      type: 'tool.started',
      taskId,
      atMs,
      step,
      callId: textIn(fields, 'callId'),
      tool: textIn(fields, 'tool') ?? '',
    },
  ],
  tool_called: (fields, { taskId, atMs, step }) => [
    {
      type: 'tool.completed',
      taskId,
      atMs,
      step,
      ...nameIn(fields),
      status: textIn(fields, 'status') ?? '',
      cached: fields['cached'] === true,
      durationMs: numberIn(fields, 'durationMs'),
      arguments: textIn(fields, 'arguments') ?? '',
      output: textIn(fields, 'output') ?? '',
      ...reasonIn(fields),
    },
  ],
  delegated: (fields, { taskId, atMs, step }) => [
    {
      type: 'task.delegated',
      taskId,
      atMs,
      step,
      ...nameIn(fields),
      child: textIn(fields, 'child') ?? '',
      agent: textIn(fields, 'agent'),
      maxCost: numberIn(fields, 'maxCost'),
    },
  ],
  step_completed: (fields, { taskId, atMs, step }) => {
    const next = numberIn(fields, 'next')
    const ended = {
      type: 'step.completed' as const,
      taskId,
      atMs,
      step,
      kind: textIn(fields, 'kind'),
      durationMs: numberIn(fields, 'durationMs'),
      observation: textIn(fields, 'observation'),
      code: textIn(fields, 'code'),
    }
    return next === null ? [ended] : [ended, { type: 'step.started', taskId, atMs, step: next }]
  },
  retry_scheduled: (fields, { taskId, atMs, step }) => [
    {
      type: 'retry',
      taskId,
      atMs,
      step,
      model: textIn(fields, 'model'),
      tool: textIn(fields, 'tool'),
      callId: textIn(fields, 'callId'),
      ...whyIn(fields),
    },
  ],
  approval_requested: (fields, { taskId, atMs, step }) => [
    {
      type: 'approval.requested',
      taskId,
      atMs,
      step,
      ...callIn(fields),
      why: textIn(fields, 'why') ?? 'approval',
      heldAtMs: numberIn(fields, 'heldAtMs'),
      expiresAtMs: numberIn(fields, 'expiresAtMs'),
      needed: numberIn(fields, 'needed') ?? 1,
      answer: fields['answer'] ?? null,
    },
  ],
  approval_decided: (fields, { taskId, atMs, step }) => [
    {
      type: 'approval.decided',
      taskId,
      atMs,
      step,
      ...callIn(fields),
      why: textIn(fields, 'why') ?? 'approval',
      by: textIn(fields, 'by'),
      reason: textIn(fields, 'reason'),
      final: fields['final'] === true,
      outcome: textIn(fields, 'outcome') ?? '',
      problem: textIn(fields, 'problem'),
      missing: numberIn(fields, 'missing'),
    },
  ],
  waiting: (fields, { taskId, atMs, step }) => {
    const why = whyIn(fields)
    const target = textIn(fields, 'target') ?? textIn(fields, 'tool') ?? textIn(fields, 'model')
    const isFor = textIn(fields, 'for') ?? (why.code === 'RATE_LIMITED' ? 'limit' : 'breaker')
    return [{ type: 'waiting', taskId, atMs, step, for: isFor, target, ...why }]
  },
  model_changed: (fields, { taskId, atMs, step }) => {
    const { code, message } = whyIn(fields)
    const [from, to] = [textIn(fields, 'from'), textIn(fields, 'to')]
    return [{ type: 'model.changed', taskId, atMs, step, from, to, code, message }]
  },
  compacted: (fields, { taskId, atMs, step }) => [
    {
      type: 'context.compacted',
      taskId,
      atMs,
      step,
      how: textIn(fields, 'how') ?? '',
      because: textIn(fields, 'because') ?? '',
      throughStep: numberIn(fields, 'throughStep'),
      tokensBefore: numberIn(fields, 'tokensBefore'),
      tokensAfter: numberIn(fields, 'tokensAfter'),
      model: textIn(fields, 'model'),
      summary: textIn(fields, 'summary'),
      message: textIn(fields, 'reason'),
      cost: numberIn(fields, 'cost'),
    },
  ],
  completed: (fields, { taskId, atMs }) => [
    {
      type: 'task.completed',
      taskId,
      atMs,
      status: textIn(fields, 'status') ?? '',
      ...reasonIn(fields),
      cost: numberIn(fields, 'cost'),
      executionTime: numberIn(fields, 'executionTime'),
    },
  ],
}

const fieldsOf = (detail: Json | undefined): Fields =>
  typeof detail === 'object' && detail !== null && !Array.isArray(detail) ? detail : {}

function textIn(fields: Fields, name: string): string | null {
  const value = fields[name]
  return typeof value === 'string' ? value : null
}

function numberIn(fields: Fields, name: string): number | null {
  const value = fields[name]
  return typeof value === 'number' ? value : null
}

const nameIn = (fields: Fields): { callId: string; tool: string } => ({
  callId: textIn(fields, 'callId') ?? '',
  tool: textIn(fields, 'tool') ?? '',
})

const callIn = (fields: Fields): { callId: string; tool: string; arguments: Json } => ({
  ...nameIn(fields),
  arguments: fields['arguments'] ?? null,
})

/** Code and message, wherever the stage puts them. */
function reasonIn(fields: Fields): { code: string | null; message: string | null } {
  const error = fieldsOf(fields['error'])
  const message = textIn(fields, 'reason') ?? textIn(fields, 'message') ?? textIn(error, 'message')
  return { code: textIn(fields, 'code') ?? textIn(error, 'code'), message }
}

function whyIn(fields: Fields): { code: string | null; message: string; dueMs: number | null } {
  const { code, message } = reasonIn(fields)
  const dueMs = numberIn(fields, 'untilMs') ?? numberIn(fields, 'dueMs')
  return { code, message: message ?? 'no reason given', dueMs }
}
