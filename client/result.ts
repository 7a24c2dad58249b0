import type { TaskCompleted, TaskSubmitted } from '../schemas/generated/events.ts'
import { FlotillaError } from '../runtime/errors.ts'
import type { TaskInput, TaskResult, TaskStep } from './types.ts'

export function toResult(event: TaskCompleted): TaskResult {
  return {
    taskId: event.taskId,
    status: event.status,
    output: event.output,
    steps: (event.steps ?? []) as unknown as TaskStep[],
    usage: event.usage,
    executionTime: event.executionTime,
    model: event.model,
    modelReason: event.modelReason,
    error: event.error,
    traceId: event.traceId,
    userId: event.userId,
    agent: event.agent,
    profile: event.profile,
    sessionId: event.sessionId,
    submittedAtMs: event.submittedAtMs,
    completedAtMs: event.completedAtMs,
  }
}

const fields = new Set([
  'text',
  'taskId',
  'userId',
  'agent',
  'mode',
  'profile',
  'model',
  'maxSteps',
  'timeoutMs',
  'maxCost',
  'priority',
  'sessionId',
  'outputSchema',
  'parent',
])
/** Also what a Kafka key, a URL and a file name can hold. */
const taskIdPattern = /^[A-Za-z0-9._:-]{1,128}$/

/** The task as an event. Throws TASK_INVALID for what no service could accept; the router checks the rest. */
export function toSubmission(task: TaskInput, taskId: string): TaskSubmitted {
  if (typeof task !== 'object' || task === null || typeof task.text !== 'string')
    throw new FlotillaError('TASK_INVALID', 'a task needs a text: { "text": "…" }')
  const unknown = Object.keys(task).filter((key) => !fields.has(key))
  if (unknown.length > 0)
    throw new FlotillaError(
      'TASK_INVALID',
      `unknown field ${unknown.join(', ')}; a task may have: ${[...fields].join(', ')}`,
    )
  if (!taskIdPattern.test(taskId))
    throw new FlotillaError(
      'TASK_INVALID',
      'taskId may hold letters, digits and . _ : - and at most 128 of them',
    )
  const {
    userId,
    agent,
    mode,
    profile,
    model,
    maxSteps,
    timeoutMs,
    maxCost,
    priority,
    sessionId,
    outputSchema,
    parent,
  } = task
  return {
    text: task.text,
    taskId,
    userId: userId ?? null,
    agent: agent ?? null,
    mode: mode ?? null,
    profile: profile ?? null,
    model: model ?? null,
    maxSteps: maxSteps ?? null,
    timeoutMs: timeoutMs ?? null,
    maxCost: maxCost ?? null,
    priority: priority ?? null,
    sessionId: sessionId ?? null,
    outputSchema: outputSchema ?? null,
    parent: parent ?? null,
  }
}
