// The output of a task, and its schema.
//
// 1. Null and blank text are not an output. An empty list or object may be the answer.
// 2. With an output schema, text is read as JSON first, also within a code fence; then as plain text; then as
//    the one JSON value with words around it. If several values are fenced, none is taken for the result.
// 3. Whether a value fits its schema is checked by a call, not here: a schema may take any time
//    (output-check.ts).
import type { JsonSchema } from '../../../runtime/config/fleet.ts'
import { repeatedNames } from '../../../runtime/json/names.ts'
import type { Json } from '../../../runtime/stage.ts'
import { parseJson } from './json-text.ts'

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

/** The possible readings of a value, the likeliest first. */
export function readings(value: Json): [Json, ...Json[]] {
  if (typeof value !== 'string') return [value]
  const parsed = parseJson(jsonTextOf(value))
  return parsed === undefined ? [value, ...amidWords(value)] : [parsed, value]
}

/** The text if it is JSON; the content of the only code fence that is; else the text. */
export function jsonTextOf(value: Json): string {
  if (typeof value !== 'string') return ''
  if (parseJson(value) !== undefined || !FENCES.test(value)) return value
  const fenced = fencesIn(value).filter((inside) => parseJson(inside) !== undefined)
  const [only] = fenced
  return only !== undefined && new Set(fenced.map((inside) => inside.trim())).size === 1 ? only : value
}

const FENCES = /`{3}|~{3}/
const FENCE = /^(`{3,}|~{3,})([^]*)$/

/**
 * Contents of code fences, the last of which may be unclosed. By lines: one pattern over all would be
 * quadratic.
 */
export function fencesIn(text: string): string[] {
  const found: string[] = []
  let open: { mark: string; lines: string[] } | null = null
  for (const line of text.split('\n')) {
    const [, mark = '', rest = ''] = FENCE.exec(line.trim()) ?? []
    if (open === null) {
      const oneLine = mark === '' ? -1 : rest.indexOf(mark)
      if (oneLine >= 0) found.push(rest.slice(0, oneLine).replace(/^\s*json\b/i, ''))
      else if (mark !== '') open = { mark, lines: [] }
    } else if (mark.startsWith(open.mark)) {
      found.push(open.lines.join('\n'))
      open = null
    } else open.lines.push(line)
  }
  if (open !== null) found.push(open.lines.join('\n'))
  return found
}

/** A list or an object from its first bracket to its last, if all between is one value. */
function amidWords(text: string): Json[] {
  const spans = ['{}', '[]'].map(
    (pair) => [text.indexOf(pair.charAt(0)), text.lastIndexOf(pair.charAt(1)) + 1] as const,
  )
  const [first, second] = spans.toSorted(([one], [other]) => one - other)
  return [first, second].flatMap((span, at) => {
    const [from, to] = span ?? [-1, 0]
    const isWithin = at === 1 && first !== undefined && first[0] >= 0 && to <= first[1]
    const json = from < 0 || to <= from || isWithin ? '' : text.slice(from, to)
    const value = parseJson(json)
    // Two values for one name: neither is chosen.
    return value === undefined || repeatedNames(json).length > 0 ? [] : [value]
  })
}
