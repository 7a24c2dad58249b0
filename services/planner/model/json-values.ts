// Reads the JSON that providers send: mostly one value; of some servers several in one event or body, with
// `data:` and [DONE] between them, or with what Python's json.dumps writes and JSON does not allow.
//
// 1. Text that is one JSON value is parsed once, and nothing else is done.
// 2. Words behind a value are ignored: the value itself is whole.
// 3. What Python and JavaScript write and JSON does not allow is read as they mean it, NaN and Infinity as null.
// 4. A guard before it, which keeps browsers from running the JSON as a script, is no part of it.
import { parseExact } from '../../../runtime/json/exact.ts'
import { withoutSlips } from '../../../runtime/json/slips.ts'

/** Longest text in which such slips are corrected. Characters. */
const MAX_CORRECTED_CHARS = 1_000_000
const SHOWN_CHARS = 150

/** `message` shows the beginning of the text. */
export class NotJson extends SyntaxError {
  constructor(text: string) {
    super(
      text
        .slice(0, 4 * SHOWN_CHARS)
        .replaceAll(/\s+/g, ' ')
        .trim()
        .slice(0, SHOWN_CHARS),
    )
  }
}

const GUARD =
  /^\s*(?:\)\]\}'?,?|while\s*\(1\);|for\s*\(;;\);|\u001e|(?:\/\*\*\/\s*)?[A-Za-z_$][\w$.]{0,100}\(\s*(?=[{[]))\s*/

/**
 * The text behind a guard: `)]}'` of Google's servers, `while(1);`, `for(;;);`, the call around JSONP, the separator of a
 * JSON text sequence.
 */
export const behindGuard = (text: string): string => text.replace(GUARD, '')

export interface Found {
  readonly values: readonly unknown[]
  /** [DONE] stands behind them. */
  readonly isDone: boolean
}

/** The values in order. Throws NotJson if the text does not begin with one, or the last one is cut. */
export function valuesIn(text: string): Found {
  const only = parsed(text)
  return only === undefined ? severalIn(text) : { values: [only], isDone: false }
}

function severalIn(text: string): Found {
  const values: unknown[] = []
  for (let at = 0; at < text.length;) {
    const rest = /[^\s\u001e]/g
    rest.lastIndex = at
    const start = rest.exec(text)?.index
    if (start === undefined) break
    if (text.startsWith('[DONE]', start)) return { values, isDone: true }
    if (text.startsWith('data:', start)) at = start + 'data:'.length
    else if (/[{[]/.test(text.charAt(start))) {
      at = endOf(text, start)
      const value = at < 0 ? undefined : lenientlyParsed(text.slice(start, at))
      if (value === undefined) throw new NotJson(text)
      values.push(value)
    } else if (values.length === 0) throw new NotJson(text)
    else at = text.indexOf('\n', start) + 1 || text.length
  }
  return { values, isDone: false }
}

/** Arguments of a call as an object, whose numbers must keep their digits. */
const ARGUMENTS = /"(?:arguments|parameters|input|args)"\s*:\s*[{[]/

/** Undefined if the text is not one JSON value. No value is undefined. */
function parsed(text: string): unknown {
  try {
    return ARGUMENTS.test(text) ? parseExact(text) : (JSON.parse(text) as unknown)
  } catch {
    return undefined
  }
}

const lenientlyParsed = (text: string): unknown =>
  parsed(text) ?? (text.length > MAX_CORRECTED_CHARS ? undefined : parsed(withoutSlips(text, () => 'null')))

/** Position behind the list or object that begins at `from`; -1 if it never ends. */
function endOf(text: string, from: number): number {
  const marks = /["\\{}[\]]/g
  marks.lastIndex = from
  let depth = 0
  let isString = false
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    const [char] = mark
    if (char === '\\') marks.lastIndex++
    else if (char === '"') isString = !isString
    else if (!isString) depth += char === '{' || char === '[' ? 1 : -1
    if (depth === 0) return marks.lastIndex
  }
  return -1
}
