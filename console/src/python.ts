// Colours for Python: parts of the code, each with its kind. No grammar: what it gets wrong is a colour.

export type PythonKind = 'plain' | 'comment' | 'string' | 'number' | 'keyword' | 'name' | 'call'

export interface PythonPart {
  readonly kind: PythonKind
  readonly text: string
}

const keywords = new Set(
  'and as assert async await break class continue def del elif else except finally for from global if import in is lambda nonlocal not or pass raise return try while with yield match case'.split(
    ' ',
  ),
)
const names = new Set(
  'True False None self print len range str int float list dict set sum min max sorted final_answer'.split(
    ' ',
  ),
)

/** Each alternative ends by itself: no input makes it slow. */
const token =
  /(#[^\n]*)|((?:[rbfuRBFU]{0,2})(?:"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?))|(\b\d[\w.]*)|([A-Za-z_]\w*)(?=(\s?\()?)/g

/** Longer code is shown without colours. */
const MAX_CHARS = 40_000

export function pythonParts(code: string): PythonPart[] {
  if (code.length > MAX_CHARS) return [{ kind: 'plain', text: code }]
  const found: PythonPart[] = []
  let at = 0
  for (const match of code.matchAll(token)) {
    if (match.index > at) found.push({ kind: 'plain', text: code.slice(at, match.index) })
    found.push({ kind: kindOf(match), text: match[0] })
    at = match.index + match[0].length
  }
  if (at < code.length) found.push({ kind: 'plain', text: code.slice(at) })
  return found
}

function kindOf([, comment, text, number, word, call]: RegExpMatchArray): PythonKind {
  if (comment !== undefined) return 'comment'
  if (text !== undefined) return 'string'
  if (number !== undefined) return 'number'
  if (keywords.has(word ?? '')) return 'keyword'
  if (call !== undefined) return 'call'
  return names.has(word ?? '') ? 'name' : 'plain'
}
