// Tells JSON from other text. Most texts of a model are words, and a parser that throws costs more than all else that is
// done with one: it is asked only about texts that begin as JSON does.
import { parseExact } from '../../../runtime/json/exact.ts'
import type { Json } from '../../../runtime/stage.ts'

const BEGINS_AS_JSON = /^[ \t\n\r]*(?:["{[\d-]|(?:true|false|null)[ \t\n\r]*$)/

/** Its value; undefined if the text is not JSON. */
export function parseJson(text: string): Json | undefined {
  if (!BEGINS_AS_JSON.test(text)) return undefined
  try {
    return parseExact(text)
  } catch {
    return undefined
  }
}

export function isJson(text: string): boolean {
  if (!BEGINS_AS_JSON.test(text)) return false
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
