// Checks a submitted task by the schema of TaskSubmitted, and makes it an event.
import type { TaskSubmitted } from '../schemas/generated/events.ts'
import { historyMistakes, metadataMistakes } from '../schemas/history.ts'
import { identityMistakes, shown } from '../schemas/identity.ts'
import { emptyTask, taskFields, type TaskFieldKind } from '../schemas/task-fields.ts'
import { halfPairs } from '../schemas/whole-text.ts'
import { FlotillaError } from '../runtime/errors.ts'
import { recordingMistakes } from '../runtime/task/recording.ts'
import type { TaskInput } from './types.ts'

/** The largest int that the schema of TaskSubmitted can hold. */
const MAX_WHOLE = 2 ** 31 - 1

/** Throws TASK_INVALID with every mistake that no service could accept; the router checks the rest. */
export function requireTask(task: TaskInput, taskId: string): void {
  const mistakes = mistakesOf(task, taskId)
  if (mistakes.length > 0) throw new FlotillaError('TASK_INVALID', mistakes.join('; '))
}

/** The task as an event. Throws as requireTask does. */
export function toSubmission(task: TaskInput, taskId: string): TaskSubmitted {
  requireTask(task, taskId)
  const submission: Record<string, unknown> = { ...emptyTask }
  for (const { name } of taskFields) submission[name] = task[name] ?? null
  submission['taskId'] = taskId
  return submission as unknown as TaskSubmitted
}

function mistakesOf(task: TaskInput, taskId: string): string[] {
  if (typeof task !== 'object' || task === null || Array.isArray(task))
    return ['a task is an object such as { "text": "…" }']
  const mistakes = Object.entries(task).flatMap(([name, value]) => fieldMistakes(name, value))
  if (task.text === undefined || task.text === null) mistakes.unshift('a task needs a text: { "text": "…" }')
  return [
    ...mistakes,
    ...identityMistakes('TaskSubmitted', { ...task, taskId }),
    ...(Array.isArray(task.history) ? historyMistakes(task.history) : []),
    ...(mistakes.length === 0 ? metadataMistakes(task.metadata) : []),
    ...(mistakes.length === 0 ? recordingMistakes(task.recording) : []),
  ]
}

function fieldMistakes(name: string, value: unknown): string[] {
  const field = taskFields.find((each) => each.name === name)
  if (!field) {
    const known = taskFields.map((each) => each.name).join(', ')
    return [`unknown field ${shown(name)}; a task may have: ${known}`]
  }
  if (value === undefined || value === null) return []
  const wanted = field.kind
  if (isOf(wanted, value)) return typeof value === 'string' ? halfPairs(name, value) : []
  const what =
    typeof wanted === 'string' ? `a ${wanted}`.replace('a object', 'an object') : wanted.join(' or ')
  return [`${name} is ${JSON.stringify(value)?.slice(0, 80)}, it must be ${what}`]
}

function isOf(wanted: TaskFieldKind, value: unknown): boolean {
  if (wanted === 'text') return typeof value === 'string'
  if (wanted === 'number') return typeof value === 'number' && Number.isFinite(value)
  if (wanted === 'whole number') return Number.isInteger(value) && Math.abs(value as number) <= MAX_WHOLE
  if (wanted === 'list') return Array.isArray(value)
  if (wanted === 'object') return typeof value === 'object' && !Array.isArray(value)
  return wanted.includes(value as string)
}
