// Events of a task as the HTTP API streams them: one schema each, which also gives the types and the docs.
//
// Durable events come from the log: each stream gives each of them exactly once, in order, however often its
// connection breaks. Best-effort events are signs of life: they have no position, and some may be missing.
import { z } from 'zod'
import { json } from './schemas/values.ts'

const text = z.string()
const textOrNull = z.string().nullable()
const numberOrNull = z.number().nullable()
const step = z.number().int().nullable().describe('Step of the task, from 1.')
const atMs = z.number().describe('When it happened, epoch milliseconds.')
const code = z.string().nullable().describe('Code of the error table.')
const dueMs = numberOrNull.describe('When it goes on, epoch milliseconds, if that is known.')
const usage = z.looseObject({ inputTokens: z.number(), outputTokens: z.number(), cost: z.number() })

const of = {
  taskId: text,
  atMs,
  stage: text.describe('Stage of the fleet where it happened.'),
  resumedEpoch: z
    .number()
    .exactOptional()
    .describe(
      'Only if another owner of the lane had begun it: the epoch of the one that finished it, after a crash, a restart or a rebalance.',
    ),
}

const durable = {
  'task.queued': z.object({
    ...of,
    waiting: numberOrNull.describe('Tasks that wait before it in its lane.'),
    priority: numberOrNull,
  }),
  'task.admitted': z.object({
    ...of,
    agent: textOrNull,
    userId: textOrNull,
    mode: textOrNull.describe('code or tools.'),
    profile: textOrNull,
    model: textOrNull.describe('The first model that is called.'),
    modelReason: textOrNull,
    maxSteps: numberOrNull,
    deadlineMs: numberOrNull,
    queuedMs: numberOrNull.describe('How long it was queued; null if it was not.'),
  }),
  'step.started': z.object({ ...of, step }),
  'model.answered': z.object({
    ...of,
    step,
    model: textOrNull,
    text: text.describe('All of the text, in place of the deltas of this step.'),
    toolCalls: z.number().describe('Tool calls in the answer.'),
    inputTokens: numberOrNull,
    outputTokens: numberOrNull,
    cost: numberOrNull.describe('US dollars.'),
    durationMs: numberOrNull,
    finishReason: textOrNull,
  }),
  code: z.object({ ...of, step, requestId: text, code: text.describe('Python that is about to run.') }),
  'code.output': z.object({
    ...of,
    step,
    requestId: text,
    status: text.describe('finished, failed or cancelled.'),
    isFinal: z.boolean().describe('It called final_answer.'),
    prints: text.describe('The first 2,000 characters.'),
    code,
    message: textOrNull,
    toolCalls: numberOrNull,
    durationMs: numberOrNull,
  }),
  'tool.requested': z.object({ ...of, step, callId: text, tool: text, arguments: json }),
  'tool.completed': z.object({
    ...of,
    step,
    callId: text,
    tool: text,
    status: text.describe('succeeded, failed, unknown, cancelled, refused or undecided.'),
    cached: z.boolean(),
    durationMs: numberOrNull,
    arguments: text.describe('JSON, cut to 160 characters.'),
    output: text.describe('JSON, cut to 160 characters; the result has all of it.'),
    code,
    message: textOrNull,
  }),
  'task.delegated': z.object({
    ...of,
    step,
    callId: text,
    tool: text,
    child: text.describe('Id of the task that the call became.'),
    agent: textOrNull.describe('The agent that was asked.'),
    maxCost: numberOrNull.describe('The most that it may cost, US dollars.'),
  }),
  'approval.requested': z.object({
    ...of,
    step,
    callId: text,
    tool: text,
    arguments: json,
    why: text.describe('approval, question (the answer is wanted), or doubt (did the call take effect).'),
    heldAtMs: numberOrNull.describe('Names this wait of the call, in a decision.'),
    expiresAtMs: numberOrNull.describe('When it stops waiting; null: never.'),
    needed: z.number().describe('People who must agree.'),
    answer: json.describe('JSON Schema of the answer to a question; null: any.'),
  }),
  'approval.decided': z.object({
    ...of,
    step,
    callId: text,
    tool: text,
    why: text,
    by: textOrNull,
    reason: textOrNull,
    final: z.boolean().describe('False: the call still waits.'),
    outcome: text.describe(
      'approved, declined, answered, settled, expired; counted (others must agree) or not counted (see problem).',
    ),
    arguments: json.describe('As a person edited them; null: as asked.'),
    problem: textOrNull.describe('Why the decision does not count.'),
    missing: numberOrNull.describe('How many more must agree.'),
  }),
  'step.completed': z.object({
    ...of,
    step,
    kind: textOrNull.describe('code, tools or answer.'),
    durationMs: numberOrNull,
    observation: textOrNull.describe('What the model is told; the beginning of it.'),
    code,
  }),
  retry: z.object({
    ...of,
    step,
    model: textOrNull.describe('The model that failed; null if a tool did.'),
    tool: textOrNull,
    callId: textOrNull,
    code,
    message: text,
    dueMs,
  }),
  waiting: z.object({
    ...of,
    step,
    for: text.describe('limit, breaker, or slot (a free slot of the model or executor; best effort).'),
    target: textOrNull.describe('The model, provider or tool.'),
    code,
    message: text,
    dueMs,
  }),
  'model.changed': z.object({ ...of, step, from: textOrNull, to: textOrNull, code, message: text }),
  'context.compacted': z.object({
    ...of,
    step,
    how: text.describe(
      'trimmed (outputs were cut), summarised, or left_out (older steps are a line each): what the model is sent from now on.',
    ),
    because: text.describe('limit (the share of the context that is configured) or refused (by the model).'),
    throughStep: numberOrNull.describe('The steps from 1 to this one are shorter, or replaced.'),
    tokensBefore: numberOrNull.describe('Tokens of the prompt, an estimate.'),
    tokensAfter: numberOrNull,
    model: textOrNull,
    summary: textOrNull.describe('The text that stands for the steps.'),
    message: textOrNull.describe('Why there is no summary.'),
    cost: numberOrNull.describe('US dollars, of the summary.'),
  }),
  'task.completed': z.object({
    ...of,
    status: text.describe('succeeded, failed, rejected, cancelled or timed_out.'),
    code,
    message: textOrNull,
    cost: numberOrNull,
    executionTime: numberOrNull,
  }),
  result: z.object({
    taskId: text,
    result: z
      .looseObject({
        taskId: text,
        status: z.enum(['succeeded', 'failed', 'rejected', 'cancelled', 'timed_out']),
        output: json,
        steps: z.array(z.looseObject({ step: z.number() })),
        usage,
      })
      .describe('As GET /v1/tasks/{id}/result gives it.'),
  }),
} as const

const bestEffort = {
  'text.delta': z.object({
    taskId: text,
    step: z.number().int(),
    sequence: z
      .number()
      .int()
      .describe('Counts the pieces of one attempt from 0: a gap is text that is missing.'),
    text,
  }),
  'text.retracted': z.object({
    taskId: text,
    step: z.number().int().nullable().describe('Null: every step whose answer has not come.'),
    reason: z
      .enum(['attempt_ended', 'resumed'])
      .describe('The attempt that wrote it is over; or this stream goes on after a break.'),
  }),
  'tool.started': z.object({ ...of, step, callId: textOrNull, tool: text }),
  'events.lost': z.object({
    taskId: textOrNull,
    reason: z
      .enum(['retention', 'other_log'])
      .describe('Deleted by retention; or the position is not of this log, and the stream begins again.'),
  }),
  'feed.position': z.object({ atMs }).describe('Nothing happened: its id is where the feed is.'),
  'stream.failed': z
    .object({
      code: text,
      message: text,
      remedy: text,
      retryAfterMs: z.number().optional(),
    })
    .describe('The stream ends here. Reconnect with the last id, if the remedy is to wait.'),
} as const

const schemas = { ...durable, ...bestEffort }

export type TaskEventType = keyof typeof schemas
type EventData = { [T in TaskEventType]: z.infer<(typeof schemas)[T]> }
/** An event: its type, and the fields of that type. */
export type TaskEvent = { [T in TaskEventType]: { readonly type: T } & Readonly<EventData[T]> }[TaskEventType]

/** By type: the schema of its data, which on the wire also has its `type`. */
export const taskEventSchemas: Readonly<Record<TaskEventType, z.ZodObject>> = schemas
export const taskEventTypes = Object.keys(schemas) as TaskEventType[]
/** Types of the events that are in the log. */
export const durableTypes: ReadonlySet<string> = new Set(Object.keys(durable))
