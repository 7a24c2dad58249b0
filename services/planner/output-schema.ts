// What counts as the output of a task.
//
// 1. Null and blank text are no output. An empty list or object may be the answer.
// 2. With an output schema, text is read as JSON first, also inside its only code fence; text itself counts where the schema
//    wants a string.
// 3. Whether a value fits its schema is asked, not computed: a schema may take any time (output-caller.ts).
import type { JsonSchema } from '../../runtime/config/fleet.ts'
import { parseExact } from '../../runtime/exact-json.ts'
import type { Json } from '../../runtime/stage.ts'

/** Request of a Call of kind `check`. */
export interface OutputCheck {
  readonly schema: JsonSchema
  /** The schema is the agent's, from the configuration. */
  readonly isOwn: boolean
  readonly value: Json
  readonly userId: string | null
}

/** Its value. */
export type Fit = { readonly output: Json } | { readonly problem: string }

export function isEmpty(value: Json): boolean {
  return value === null || (typeof value === 'string' && value.trim() === '')
}

/** The ways in which a value can be meant, the likeliest first. */
export function readings(value: Json): [Json, ...Json[]] {
  if (typeof value !== 'string') return [value]
  const parsed = parseJson(jsonTextOf(value))
  return parsed === undefined ? [value] : [parsed, value]
}

/**
 * The inside of the text's only code fence, with or without words around it; else the text. By lines: a regular expression
 * would look at each blank line many times.
 */
export function jsonTextOf(value: Json): string {
  if (typeof value !== 'string') return ''
  const lines = value.split('\n')
  const fences = lines.flatMap((line, at) => (line.trimStart().startsWith('```') ? at : []))
  const [from = 0, to = 0] = fences
  const isFence = fences.length === 2 && lines[to]?.trim() === '```' && to > from + 1
  return isFence ? lines.slice(from + 1, to).join('\n') : value
}

/** Undefined where the text is not JSON. */
export function parseJson(text: string): Json | undefined {
  try {
    return parseExact(text)
  } catch {
    return undefined
  }
}
