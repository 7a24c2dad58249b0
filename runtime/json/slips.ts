// Corrects what writers of JSON get wrong without being ambiguous: numbers that JSON does not have (Python's
// json.dumps writes them), Python's constants, strings in single quotes, names without quotes, comments, a comma
// behind the last entry, and control characters within strings. Only for text that is not JSON as it is.
//
// What is ambiguous is left as it was, so that the text stays no JSON: an escape that languages read
// differently (`\d`), a quote within a string of the same quotes, a comment that does not end.

/** A string, closed or not, so that no part of one is searched again; or a comment. */
const STRING_OR_COMMENT =
  /"[^"\\]*(?:\\[^][^"\\]*)*(?:"|\\?$)|'[^'\\]*(?:\\[^][^'\\]*)*(?:'|\\?$)|\/\/[^\n]*|#[^\n]*|\/\*[^]*?(?:\*\/|$)/g
/** A string of JSON, closed or not; or a number, constant, name or comma that is none. */
const SLIPS =
  /"[^"\\]*(?:\\[^][^"\\]*)*(?:"|\\?$)|-?\b(?:NaN|Infinity)\b|\b(?:None|True|False)\b|(?<![\w$])[A-Za-z_$][\w$]*(?![\w$])(?=[ \t\r\n]*:)|,(?=[ \t\r\n]*[}\]])/g
const CONSTANTS: Readonly<Record<string, string>> = { None: 'null', True: 'true', False: 'false', ',': '' }
const NUMBER = /^-?(?:NaN|Infinity)$/
/** An escape within a string, a control character, or a quote that single quotes need not escape. */
const IN_STRING = /\\(?:x([\da-f]{2})|([^]))|[\u0000-\u001f"]/gi

/** `number`: what stands for a number that JSON does not have. */
export const withoutSlips = (json: string, number: (found: string) => string): string =>
  json.replaceAll(STRING_OR_COMMENT, correctedPart).replaceAll(SLIPS, (found) => {
    if (found.startsWith('"')) return found
    return CONSTANTS[found] ?? (NUMBER.test(found) ? number(found) : JSON.stringify(found))
  })

function correctedPart(found: string): string {
  const quote = found.charAt(0)
  if (quote === '"' || quote === "'") {
    const isClosed = found.length > 1 && found.endsWith(quote)
    return isClosed ? `"${found.slice(1, -1).replaceAll(IN_STRING, inString)}"` : found
  }
  return found.startsWith('/*') && (found.length < 4 || !found.endsWith('*/')) ? found : ' '
}

/** Python and JavaScript agree on these; what is left as it was is not JSON, if JSON does not have it. */
function inString(found: string, hex: string | undefined, escaped: string | undefined): string {
  if (hex !== undefined) return `\\u00${hex}`
  if (escaped === "'") return "'"
  return escaped === undefined ? JSON.stringify(found).slice(1, -1) : found
}
