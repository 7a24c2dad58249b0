import { complexities, qualities, strategies } from '../runtime/models/strategies.ts'
import type { TaskCompleted, TaskSubmitted } from '../schemas/generated/events.ts'
import { identityMistakes, shown, taskIdMistake } from '../schemas/identity.ts'
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

/** Throws TASK_INVALID with the remedy if no task can have this id. */
export function assertTaskId(taskId: unknown): asserts taskId is string {
  const mistake = taskIdMistake(taskId)
  if (mistake !== null) throw new FlotillaError('TASK_INVALID', mistake)
}

type Kind = 'text' | 'whole number' | 'number' | 'object' | readonly string[]

const fields: Readonly<Record<keyof TaskInput, Kind>> = {
  text: 'text',
  taskId: 'text',
  userId: 'text',
  agent: 'text',
  mode: ['code', 'tools'],
  profile: 'text',
  model: 'text',
  maxSteps: 'whole number',
  timeoutMs: 'whole number',
  maxCost: 'number',
  priority: 'whole number',
  sessionId: 'text',
  outputSchema: 'object',
  parent: 'text',
  strategy: strategies,
  complexity: complexities,
  quality: qualities,
  estimatedTokens: 'whole number',
}
/** The largest int that the schema of TaskSubmitted can hold. */
const MAX_WHOLE = 2 ** 31 - 1

/**
 * The task as an event. Throws TASK_INVALID with every mistake that no service could accept; the router
 * checks the rest.
 */
export function toSubmission(task: TaskInput, taskId: string): TaskSubmitted {
  const mistakes = mistakesOf(task, taskId)
  if (mistakes.length > 0) throw new FlotillaError('TASK_INVALID', mistakes.join('; '))
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
    strategy,
    complexity,
    quality,
    estimatedTokens,
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
    strategy: strategy ?? null,
    complexity: complexity ?? null,
    quality: quality ?? null,
    estimatedTokens: estimatedTokens ?? null,
  }
}

function mistakesOf(task: TaskInput, taskId: string): string[] {
  if (typeof task !== 'object' || task === null || Array.isArray(task))
    return ['a task is an object such as { "text": "…" }']
  const mistakes = Object.entries(task).flatMap(([name, value]) => fieldMistakes(name, value))
  if (task.text === undefined || task.text === null) mistakes.unshift('a task needs a text: { "text": "…" }')
  return [...mistakes, ...identityMistakes('TaskSubmitted', { ...task, taskId })]
}

function fieldMistakes(name: string, value: unknown): string[] {
  if (!Object.hasOwn(fields, name))
    return [`unknown field ${shown(name)}; a task may have: ${Object.keys(fields).join(', ')}`]
  if (value === undefined || value === null) return []
  const wanted = fields[name as keyof TaskInput]
  if (isOf(wanted, value)) return []
  const what =
    typeof wanted === 'string' ? `a ${wanted}`.replace('a object', 'an object') : wanted.join(' or ')
  return [`${name} is ${JSON.stringify(value)?.slice(0, 80)}, it must be ${what}`]
}

function isOf(wanted: Kind, value: unknown): boolean {
  if (wanted === 'text') return typeof value === 'string'
  if (wanted === 'number') return typeof value === 'number' && Number.isFinite(value)
  if (wanted === 'whole number') return Number.isInteger(value) && Math.abs(value as number) <= MAX_WHOLE
  if (wanted === 'object') return typeof value === 'object' && !Array.isArray(value)
  return wanted.includes(value as string)
}
