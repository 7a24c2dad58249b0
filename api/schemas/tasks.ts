// Tasks: as they are submitted, as lists show them, and their results.
import { z } from 'zod'
import { endStates, taskPhases, taskStates } from '../../runtime/ledger/choices.ts'
import { toolPolicies } from '../../runtime/task/recording.ts'
import type { TaskProgressed } from '../../schemas/generated/events.ts'
import { schemas } from '../../schemas/generated/schemas.ts'
import { shapeOf } from '../../schemas/record.ts'
import { taskFields, type TaskField } from '../../schemas/task-fields.ts'
import { taskIdPattern } from '../../schemas/task-id.ts'
import { json, name, timeMs } from './values.ts'

export const taskId = z
  .string()
  .meta({ description: 'Id of the task.', pattern: taskIdPattern.source, examples: ['invoice-2026-11-04'] })

const MAX_WHOLE = 2 ** 31 - 1
const names: readonly string[] = ['userId', 'agent', 'profile', 'model', 'sessionId', 'parent']
const ids: readonly string[] = ['taskId', 'forkedFrom']

/** A submission: the fields of TaskSubmitted. client/submission.ts checks it, over HTTP and Kafka alike. */
export const taskInput = z
  .strictObject({
    ...Object.fromEntries(taskFields.map((field) => [field.name, fieldOf(field).exactOptional()])),
    text: z.string().meta({ description: 'The work for the agent: 1 to 10,000 characters.' }),
  })
  .meta({ id: 'TaskInput' })

function fieldOf({ name: field, kind, doc: description }: TaskField): z.ZodType {
  if (ids.includes(field)) return taskId.meta({ ...taskId.meta(), description })
  if (names.includes(field)) return name(description)
  if (kind === 'text') return z.string().meta({ description })
  if (kind === 'number') return z.number().meta({ description })
  if (kind === 'whole number')
    return z.number().meta({ description, type: 'integer', minimum: -MAX_WHOLE, maximum: MAX_WHOLE })
  if (kind === 'object') return z.record(z.string(), json).meta({ description })
  return Array.isArray(kind)
    ? z.enum(kind as [string, ...string[]]).meta({ description })
    : json.meta({ description })
}

export const accepted = z.object({ taskId: z.string() }).meta({ id: 'Accepted' })

const failure = z
  .object({
    code: z.string(),
    severity: z.enum(['recoverable', 'degraded', 'critical']),
    retryable: z.boolean().meta({ description: 'The same request may succeed later without a change.' }),
    message: z.string(),
    retryAfterMs: z.number().nullable(),
  })
  .meta({ id: 'Failure' })

const usage = z
  .object({
    inputTokens: z.number(),
    outputTokens: z.number(),
    cost: z.number().meta({ description: 'US dollars.' }),
    costIsGuess: z.boolean(),
    modelCalls: z.number(),
    toolCalls: z.number(),
  })
  .meta({ id: 'Usage' })

const child = z
  .object({
    taskId: z.string(),
    agent: z.string(),
    status: z.string(),
    cost: z.number().meta({ description: 'US dollars, with everything that it delegated.' }),
    costIsGuess: z.boolean(),
  })
  .meta({ id: 'DelegatedTask' })

const toolCall = z
  .object({
    callId: z.string(),
    tool: z.string(),
    arguments: json,
    coerced: z
      .array(z.string())
      .exactOptional()
      .meta({ description: 'Arguments that were read differently from what the model wrote.' }),
    status: z.string(),
    durationMs: z.number(),
    cached: z.boolean(),
    recorded: z
      .boolean()
      .exactOptional()
      .meta({ description: 'Answered by a recorded outcome: no tool was called.' }),
    approval: json
      .meta({ description: 'How people decided about it; absent if it waited for nobody.' })
      .exactOptional(),
    child: child.exactOptional().meta({ description: 'The task that a call of another agent became.' }),
    output: json.exactOptional(),
    error: failure.nullable().exactOptional(),
  })
  .meta({ id: 'ToolCall' })

const step = z
  .object({
    step: z.number(),
    kind: z.enum(['code', 'tools', 'answer']),
    model: z.string().nullable(),
    text: z.string().nullable(),
    code: z.string().nullable(),
    recorded: z
      .boolean()
      .exactOptional()
      .meta({ description: 'Shared with the task that this one is a fork of: no model was called.' }),
    shortened: z.boolean().exactOptional().meta({
      description: 'True: its long texts were cut to their beginning and end; absent: it is whole.',
    }),
    toolCalls: z.array(toolCall),
    observation: z.string().nullable().meta({ description: 'What the model was given afterwards.' }),
    error: failure.nullable(),
    startedAtMs: timeMs,
    durationMs: z.number(),
    usage: usage.nullable(),
  })
  .meta({ id: 'TaskStep' })

export const taskResult = z
  .object({
    taskId: z.string(),
    status: z.enum(endStates),
    output: json.meta({
      description: 'The answer; null unless it succeeded, or a limit kept its last text.',
    }),
    steps: z.array(step),
    usage,
    childrenCost: z.number().nullable().meta({
      description:
        'US dollars of the tasks that it delegated, and of theirs; not in `usage`. Null: it delegated none.',
    }),
    executionTime: z.number().meta({ description: 'Milliseconds from submission to completion.' }),
    model: z.string().nullable(),
    modelReason: z.string().nullable(),
    error: failure.nullable(),
    traceId: z.string().nullable(),
    userId: z.string().nullable(),
    agent: z.string().nullable(),
    profile: z.string().nullable(),
    sessionId: z.string().nullable(),
    forkedFrom: z.string().nullable().meta({ description: 'The task that this one is a fork of.' }),
    forkedFromStep: z.number().nullable().meta({ description: 'The first step that ran again.' }),
    toolPolicy: z
      .enum(toolPolicies)
      .nullable()
      .meta({ description: 'How its tool calls were answered; null: by the tools.' }),
    refusedCalls: z
      .array(z.object({ step: z.number(), callId: z.string(), tool: z.string(), arguments: json }))
      .meta({ description: 'Tool calls that the policy refused; the first 100.' }),
    submittedAtMs: timeMs,
    completedAtMs: timeMs,
  })
  .meta({ id: 'TaskResult' })

export const resultExample = {
  taskId: 'a1',
  status: 'succeeded',
  output: '42',
  steps: [],
  usage: { inputTokens: 412, outputTokens: 9, cost: 0.0012, costIsGuess: false, modelCalls: 1, toolCalls: 0 },
  executionTime: 1840,
  model: 'openai/gpt-5-mini',
  modelReason: 'default',
  error: null,
  traceId: null,
  userId: 'ann',
  agent: 'default',
  profile: null,
  sessionId: null,
  forkedFrom: null,
  forkedFromStep: null,
  toolPolicy: null,
  refusedCalls: [],
  submittedAtMs: 1795000000000,
  completedAtMs: 1795000001840,
}

/** The schema of the event lists them. */
function historyKinds(): TaskProgressed['kind'][] {
  const kind = schemas.TaskProgressed.fields.map(shapeOf).find(({ name }) => name === 'kind')
  return [...(kind?.values ?? [])] as TaskProgressed['kind'][]
}

export const progress = z
  .object({
    taskId: z.string(),
    stage: z.string(),
    kind: z.enum(historyKinds()),
    step: z.number().nullable(),
    atMs: timeMs,
    detail: json.meta({ description: 'Its shape depends on `kind`.' }),
  })
  .meta({ id: 'TaskProgressed' })

const viewFields = {
  taskId: z.string(),
  status: z.enum(taskStates),
  phase: z
    .enum(taskPhases)
    .nullable()
    .meta({ description: 'What an open task does or waits for; null once it has ended.' }),
  sinceMs: timeMs,
  detail: z
    .string()
    .nullable()
    .meta({ description: 'Detail of the phase: a tool, an error code, a model, a stage.' }),
  step: z.number().nullable(),
  priority: z.number().nullable().meta({ description: 'Of a queued task, which the queue takes by it.' }),
  agent: z.string().nullable(),
  userId: z.string().nullable(),
  model: z.string().nullable(),
  profile: z.string().nullable(),
  sessionId: z.string().nullable().meta({ description: 'Conversation that it belongs to.' }),
  parent: z.string().nullable().meta({ description: 'Task that it was made from.' }),
  text: z.string().nullable().meta({ description: 'Beginning of what was asked.' }),
  lane: z.number(),
  submittedAtMs: timeMs,
  completedAtMs: timeMs.nullable(),
  modelCalls: z.number().nullable(),
  steps: z.number().nullable().meta({ description: 'Steps so far, if known; all, once it has ended.' }),
  inputTokens: z.number(),
  outputTokens: z.number(),
  cost: z.number().meta({ description: 'US dollars, so far.' }),
  errorCode: z.string().nullable(),
}

const taskView = z.object(viewFields).meta({ id: 'TaskView' })

/** A submission as the log has it: a field that was not given is null. */
export const submission = z
  .object({
    ...Object.fromEntries(taskFields.map((field) => [field.name, fieldOf(field).nullable()])),
    taskId,
    text: z.string().meta({ description: 'All of what was asked.' }),
    submittedAtMs: timeMs,
  })
  .meta({ id: 'Submission' })

export const taskDetail = z
  .object({
    ...viewFields,
    textHash: z.string().nullable(),
    events: z
      .array(progress)
      .meta({ description: 'What happened to it, oldest first; empty once it has ended.' }),
    eventsWhole: z
      .boolean()
      .meta({ description: 'False: earlier events are further back in the log than is read.' }),
  })
  .meta({ id: 'TaskDetail' })

export const taskList = z
  .object({
    tasks: z.array(taskView),
    next: z.string().nullable().meta({ description: '`after` of the next page; null on the last.' }),
  })
  .meta({ id: 'TaskList' })

const treeTask = z
  .object({
    ...viewFields,
    depth: z.number().meta({ description: '0: the task that was asked for.' }),
    totalCost: z.number().meta({ description: 'US dollars of the task and of all that is listed below it.' }),
  })
  .meta({ id: 'TreeTask' })

export const taskTree = z
  .object({
    tasks: z.array(treeTask),
    more: z.boolean().meta({ description: 'There are more than are listed; the totals lack them.' }),
  })
  .meta({ id: 'TaskTree' })

export const cancelAnswer = z
  .object({
    matched: z.array(z.string()).meta({ description: 'Ids of the tasks that match, the latest first.' }),
    more: z.boolean().meta({ description: 'More match than the limit.' }),
  })
  .meta({ id: 'CancelAnswer' })
