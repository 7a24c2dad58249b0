// Bounds on texts from outside: an error's message may be a whole page.
import type { Json } from '../../schemas/json.ts'

/** A message of a failure, in UTF-16 units. */
export const MESSAGE_CHARS = 8_000
const TAIL_CHARS = 1_500
const NOTE_CHARS = 60
const DETAILS_CHARS = 8_000
const GLIMPSE_CHARS = 160

const isLowSurrogate = (text: string, at: number): boolean => (text.charCodeAt(at) & 0xfc00) === 0xdc00

/** The text, or its beginning and end with a note of the cut between. Keeps pairs of surrogates whole. */
export function boundedText(text: string, limit: number = MESSAGE_CHARS): string {
  if (text.length <= limit) return text
  const tail = Math.min(TAIL_CHARS, Math.floor(limit / 4))
  let head = limit - tail - NOTE_CHARS
  let rest = text.length - tail
  if (isLowSurrogate(text, head)) head--
  if (isLowSurrogate(text, rest)) rest++
  return `${text.slice(0, head)} … [${rest - head} characters cut] … ${text.slice(rest)}`
}

/** The beginning of a text, for a line of a message. */
export const shortened = (text: string, limit: number): string =>
  text.length <= limit ? text : `${beginning(text, limit)}…`

/** At most so many UTF-16 units of the text. Keeps pairs of surrogates whole. */
export const beginning = (text: string, limit: number): string =>
  text.slice(0, isLowSurrogate(text, limit) ? limit - 1 : limit)

/** A value for a line of the history. */
export function glimpse(value: Json): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value ?? null)
  return text.length > GLIMPSE_CHARS ? `${text.slice(0, GLIMPSE_CHARS - 1)}…` : text
}

/** Details of a message, as JSON; if they are too large, a note of their size. */
export function boundedDetails(details: unknown): unknown {
  try {
    const text = JSON.stringify(details) ?? 'null'
    return text.length <= DETAILS_CHARS ? details : { cut: `${text.length} characters of details` }
  } catch {
    return { cut: 'details that are no JSON' }
  }
}
