// Checks a task before anything is looked up: its text, its ranges, its schema.
import { historyMistakes, metadataMistakes, type HistoryMessage } from '../../../schemas/history.ts'
import { identityMistakes } from '../../../schemas/identity.ts'
import { halfPairs } from '../../../schemas/whole-text.ts'
import { schemaMistakes } from '../../../runtime/foreign-schema/bounds.ts'
import { searchFor } from '../../../runtime/foreign-schema/patterns.ts'
import type { Fleet } from '../../../runtime/config/fleet.ts'
import { failure } from '../../../runtime/errors.ts'
import type { Failure, Json } from '../../../runtime/stage.ts'
import type { TaskSubmitted } from '../../../schemas/generated/events.ts'
import { historyChars } from './estimate.ts'
import { forkMistakes } from './fork.ts'
import { MAX_TEMPERATURE, ranges } from '../constants.ts'

type InputLimits = Fleet['limits']['input']

/** Null if nothing is wrong; else every mistake, in one message. */
export function checkInput(task: TaskSubmitted, taskId: string, limits: InputLimits): Failure | null {
  const mistakes = [
    ...textMistakes(task.text, limits.maxChars),
    ...identityMistakes('TaskSubmitted', task.taskId === taskId ? task : { ...task, taskId }),
    ...rangeMistakes(task),
    ...outputSchemaMistakes(task.outputSchema, limits.schemaBytes),
    ...historyFaults(task.history, limits),
    ...metadataMistakes(task.metadata),
    ...instructionsMistakes(task.instructions, limits.historyChars),
    ...forkMistakes(task, limits.recordingBytes),
  ]
  if (mistakes.length > 0)
    return failure('TASK_INVALID', `The task was not accepted: ${mistakes.join('; ')}.`)
  const history = (task.history ?? []) as unknown as HistoryMessage[]
  // The client wrote all of them: nothing proves that an assistant's message was ours.
  for (const text of [task.text, task.instructions ?? '', ...history.map(({ content }) => content)]) {
    const forbidden = checkPatterns(text, limits.forbiddenPatterns)
    if (forbidden) return forbidden
  }
  return null
}

function historyFaults(history: Json, limits: InputLimits): string[] {
  const mistakes = historyMistakes(history)
  if (mistakes.length > 0 || history === null) return mistakes
  const messages = history as unknown as HistoryMessage[]
  const { historyMessages, historyChars: most } = limits
  if (messages.length > historyMessages)
    return [
      `history has ${messages.length} messages, at most ${historyMessages} are allowed (limits.input.historyMessages)`,
    ]
  const chars = historyChars(history)
  if (chars <= most) return []
  return [`history has ${chars} characters, at most ${most} are allowed (limits.input.historyChars)`]
}

function textMistakes(text: string, maxChars: number): string[] {
  if (text.trim() === '') return ['text is empty; say what is to be done']
  // Spaces around it count: what is sent is stored, and checked for patterns.
  const chars = text.length
  if (chars <= maxChars) return halfPairs('text', text)
  return [`text has ${chars} characters, at most ${maxChars} are allowed (limits.input.maxChars)`]
}

function instructionsMistakes(instructions: string | null, most: number): string[] {
  const chars = instructions?.length ?? 0
  if (chars <= most) return halfPairs('instructions', instructions ?? '')
  return [`instructions have ${chars} characters, at most ${most} are allowed (limits.input.historyChars)`]
}

function rangeMistakes(task: TaskSubmitted): string[] {
  const mistakes = (
    ['maxSteps', 'timeoutMs', 'priority', 'estimatedTokens', 'maxOutputTokens'] as const
  ).flatMap((field) => {
    const { least, most } = ranges[field]
    const value = task[field]
    if (value === null || (Number.isInteger(value) && value >= least && value <= most)) return []
    return [`${field} is ${value}, it must be a whole number from ${least} to ${most}`]
  })
  const { maxCost, temperature } = task
  if (temperature !== null && !(temperature >= 0 && temperature <= MAX_TEMPERATURE))
    mistakes.push(`temperature is ${temperature}, it must be from 0 to ${MAX_TEMPERATURE}`)
  if (maxCost === null || (Number.isFinite(maxCost) && maxCost > 0)) return mistakes
  return [...mistakes, `maxCost is ${maxCost}, it must be more than 0 US dollars`]
}

/** Whether it compiles is checked within limits, when the task is admitted (caller.ts). */
function outputSchemaMistakes(schema: Json, maxBytes: number): string[] {
  if (schema === null) return []
  if (typeof schema !== 'object' || Array.isArray(schema))
    return ['outputSchema must be a JSON Schema object']
  return schemaMistakes(schema, maxBytes).map((mistake) => `outputSchema: ${mistake}`)
}

function checkPatterns(text: string, patterns: readonly string[]): Failure | null {
  for (const pattern of patterns) {
    const found = searchFor(pattern)(text)
    if (found === null) continue
    const message =
      `The task text contains "${found.slice(0, 80)}", which matches the forbidden pattern ${pattern}. ` +
      'Reword it, or relax limits.input.forbiddenPatterns in flotilla.config.ts.'
    return failure('TASK_TEXT_FORBIDDEN', message)
  }
  return null
}
