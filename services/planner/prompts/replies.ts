// What the model is told between its turns.
import type { Failure, Json } from '../../../runtime/stage.ts'
import type { CodeCompleted } from '../../../schemas/generated/events.ts'
import { MAX_OBSERVATION_CHARS } from '../constants.ts'

export const remindOfCode =
  'There was no Python in your answer. Write one ```python block; when you know the answer, call final_answer(value) in it.'

export const remindOfAnswer = 'Your answer was empty. Go on with the task, or give its result.'

export const lastTurn: Readonly<Record<'code' | 'tools', string>> = {
  code: 'This is your last turn: call final_answer(value) with the best answer that you have.',
  tools: 'This is your last turn: write the best answer that you have as text, without any tool call.',
}

/** A message that the user sent while the task ran. */
export const tellMeanwhile = (text: string): string => `Meanwhile the user says:\n${text}`

export function tellMiss(problem: string): string {
  return `The result does not fit the output schema: ${problem}. Correct it and give it again.`
}

export const answerCutOff = 'Your answer was cut off because it is too long. Give it again, shorter.'

export const callInText =
  'You wrote a tool call as text, so nothing was called. Call the tool by the function calling interface, or write your answer without the call.'

export const imaginedObservation =
  'You wrote an observation yourself; it was left out, and nothing behind it was run. This is what your code really did:'

/** In code mode: calls go through Python. */
export const callInCodeMode = (functions: readonly string[]): string =>
  `You wrote a tool call, so nothing was called. Here the tools are Python functions (${functions.join(', ') || 'there are none'}): call them in one \`\`\`python block, and end with final_answer(value).`

export const remindOfNone =
  'Your answer was empty: None and blank text are no answer. Give a value that says what you found, for example final_answer("none found").'

export function tellCode(done: CodeCompleted): string {
  const parts = [
    done.prints === '' ? '' : `Printed:\n${truncated(done.prints)}`,
    done.error === null ? '' : `Error:\n${truncated(`${done.error.code}: ${done.error.message}`)}`,
    done.output === null ? '' : `Last value:\n${tellOutput(done.output)}`,
  ].filter((part) => part !== '')
  return parts.length === 0 ? 'The code ran. It printed nothing.' : parts.join('\n\n')
}

/** Blank text is shown in quotes: nothing at all would say that there is no result. */
export function tellOutput(output: Json): string {
  const isBlank = typeof output === 'string' && output.trim() === ''
  return truncated(isBlank ? JSON.stringify(output) : asText(output))
}

/** What somebody else wrote, between marks that it can't write itself. The rule in the system prompt says what they mean. */
export function markedAsData(text: string): string {
  return `<data>\n${text.replaceAll(/<(?=\s*(?:\/\s*)?data\b)/gi, '&lt;')}\n</data>`
}

/** What a person changed before the call was made; empty if nothing. */
export function tellEdited(approval: Json): string {
  const edited =
    typeof approval === 'object' && approval !== null && !Array.isArray(approval)
      ? approval['edited']
      : undefined
  if (edited === undefined) return ''
  return `A person changed the arguments to ${truncated(JSON.stringify(edited), MAX_EDITED_CHARS)}. Its result:\n`
}

const MAX_EDITED_CHARS = 4_000

export function tellFailure(error: Failure): string {
  return truncated(`Error ${error.code}: ${error.message}`)
}

function asText(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** Head and tail of what is too long: errors tend to stand at the end. */
export function truncated(text: string, most = MAX_OBSERVATION_CHARS): string {
  if (text.length <= most) return text
  const head = wholeCharacters(text, Math.floor((most * 2) / 3))
  const tail = wholeCharacters(text, text.length - (most - Math.floor((most * 2) / 3)), 1)
  const note = `\n[… ${tail - head} characters left out of ${text.length}: ask for less …]\n`
  return text.slice(0, head) + note + text.slice(tail)
}

/** The place itself, or the one before or behind where it would part a surrogate pair. */
function wholeCharacters(text: string, at: number, move: -1 | 1 = -1): number {
  const parts = /^[\uD800-\uDBFF][\uDC00-\uDFFF]$/.test(text.slice(at - 1, at + 1))
  return parts ? at + move : at
}
