// Text in a form that every server can read.
//
// 1. No half of a surrogate pair: strict readers of JSON refuse the whole request.
// 2. No control character but tab and line ends: some servers end a text at U+0000, some stores refuse it, and
//    models break off. U+FFFD stands for each.
// 3. The same holds for JSON within a string, where both may be escaped.

const CONTROL = /[\u0000-\u0008\u000e-\u001f]/g

export const sendable = (text: string): string => text.toWellFormed().replaceAll(CONTROL, '\ufffd')

/** In JSON text: an escaped backslash, a whole pair, half of one, or a control character. */
const ESCAPES =
  /\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\u00(?:0[0-8eEfF]|1[0-9a-fA-F])|\\b/g

/** A JSON text whose strings are sendable; everything else of it stays as written. */
export const sendableJson = (json: string): string =>
  sendable(json).replaceAll(ESCAPES, (found) => (found === '\\\\' || found.length === 12 ? found : '\\ufffd'))

/** A value whose texts are sendable; the value itself if they are. */
export function sendableValue<T>(value: T): T {
  const json = JSON.stringify(value)
  const fit = sendableJson(json)
  return fit === json ? value : (JSON.parse(fit) as T)
}
