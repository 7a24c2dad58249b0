// The part of Python's grammar that shows where code ends and whether a text is code: strings, comments,
// brackets, and which words may stand beside each other. The sandbox has the whole grammar.

const QUOTE = /["']/

/**
 * Position behind the string that opens at `from`; a single-line string ends with its line. `closed`: it has
 * a closing quote.
 */
function stringEnd(text: string, from: number): { end: number; closed: boolean } {
  const quote = text.charAt(from)
  const isTriple = text.startsWith(quote.repeat(3), from)
  const mark = isTriple ? quote.repeat(3) : quote
  for (let at = from + mark.length; at < text.length; at++) {
    const char = text.charAt(at)
    if (char === '\\') at++
    else if (char === '\n' && !isTriple) return { end: at, closed: false }
    else if (char === quote && text.startsWith(mark, at)) return { end: at + mark.length, closed: true }
  }
  return { end: text.length, closed: !isTriple }
}

const lineEnd = (text: string, from: number): number => {
  const at = text.indexOf('\n', from)
  return at < 0 ? text.length : at
}

/**
 * End of the code from `from`: the first position outside of strings and comments for which `isEnd` holds,
 * else the text's end. Null: a multi-line string never ends, so nothing behind its beginning is known.
 */
export function codeEnd(text: string, from: number, isEnd: (at: number) => boolean): number | null {
  for (let at = from; at < text.length; at++) {
    if (isEnd(at)) return at
    const char = text.charAt(at)
    if (char === '#') at = lineEnd(text, at) - 1
    else if (QUOTE.test(char)) {
      const { end, closed } = stringEnd(text, at)
      if (!closed && end === text.length) return null
      at = end - 1
    }
  }
  return text.length
}

/** End of the statement from `from`: the end of a line outside of brackets. */
export function statementEnd(text: string, from: number): number {
  let depth = 0
  const isEnd = (at: number) => {
    const char = text.charAt(at)
    if ('([{'.includes(char)) depth++
    else if (')]}'.includes(char)) depth--
    return char === '\n' && depth <= 0
  }
  return codeEnd(text, from, isEnd) ?? text.length
}

const KEYWORDS = new Set(
  (
    'False None True and as assert async await break class continue def del elif else except finally for from global if ' +
    'import in is lambda nonlocal not or pass raise return try while with yield'
  ).split(' '),
)
const VALUES = new Set(['False', 'None', 'True'])
const SOFT = new Set(['match', 'case', 'type'])
const BLOCKS = new Set('async class def elif else except finally for if try while with match case'.split(' '))
const TOKEN =
  /[ \t\f]+|\\\n|(?<word>[\p{L}_][\p{L}\p{N}_]*)|(?<number>(?:0[xXoObB][\da-fA-F_]+|\d[\d_]*(?:\.[\d_]*)?(?:[eE][+-]?\d+)?|\.\d[\d_]*(?:[eE][+-]?\d+)?)[jJ]?)|(?<open>[([{])|(?<close>[)\]}])|(?<operator>!=|[-+*/%@&|^~<>=:;,.])|(?<newline>\n)/uy
const STRING_PREFIX = /^[rbfut]{1,2}$/i

/** Whether each statement of the text could be one of Python's, by its words, signs and brackets. */
export function looksLikePython(text: string): boolean {
  let depth = 0
  let first = ''
  let last = ''
  /** The text before is a complete operand: a name, a number, a closed bracket. */
  let operand: 'string' | 'other' | null = null
  const endsLine = () => {
    const complete = last !== '.' && (last !== ':' || BLOCKS.has(first) || first === '')
    first = last = ''
    operand = null
    return complete
  }
  for (let at = 0; at < text.length;) {
    const char = text.charAt(at)
    if (char === '#') {
      at = lineEnd(text, at)
      continue
    }
    if (QUOTE.test(char)) {
      if (operand === 'other') return false
      const { end, closed } = stringEnd(text, at)
      if (!closed) return false
      at = end
      operand = 'string'
      first ||= last = '"'
      last = '"'
      continue
    }
    TOKEN.lastIndex = at
    const groups = TOKEN.exec(text)?.groups
    if (groups === undefined) return false
    at = TOKEN.lastIndex
    const { word, number, open, close, operator, newline } = groups
    if (word !== undefined) {
      if (STRING_PREFIX.test(word) && QUOTE.test(text.charAt(at))) continue
      const isValue = !KEYWORDS.has(word) || VALUES.has(word)
      if (isValue && operand !== null && !SOFT.has(last)) return false
      first ||= word
      last = word
      operand = isValue && !(SOFT.has(word) && first === word && startsOperand(text, at)) ? 'other' : null
    } else if (number !== undefined) {
      if (operand !== null || /[\p{L}_]/u.test(text.charAt(at))) return false
      first ||= number
      last = number
      operand = 'other'
    } else if (open !== undefined) {
      depth++
      first ||= open
      last = open
      operand = null
    } else if (close !== undefined) {
      if (--depth < 0) return false
      last = close
      operand = 'other'
    } else if (operator !== undefined) {
      first ||= operator
      last = operator
      operand = null
    } else if (newline !== undefined && depth === 0 && !endsLine()) return false
  }
  return depth === 0 && endsLine()
}

/** `match`, `case` and `type` begin a statement if another value follows. */
const startsOperand = (text: string, at: number): boolean =>
  /^[ \t]+[\p{L}_\d"'([{-]/u.test(text.slice(at, at + 20))
