// Translates an ECMAScript pattern, which JSON Schema uses, into one with the same meaning for RE2. RE2 knows
// ASCII spaces only, ends a line at \n only, has short names only of Unicode's categories, classes within classes,
// and no repetition with leading zeros.
//
// A pattern that ECMAScript refuses (`(?s)`, `[[:alpha:]]`, `\A`) is RE2's own: its dots and classes stay its own.

/** ECMAScript's `\s`: WhiteSpace and LineTerminator. */
const SPACES = String.raw`\t-\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`
/** Everything else. */
const NO_SPACES =
  String.raw`\x{0}-\x{8}\x{e}-\x{1f}!-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}` +
  String.raw`\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff}`
const NO_LINE_END = String.raw`[^\n\r\x{2028}\x{2029}]`

const categories: Readonly<Record<string, string>> = {
  Letter: 'L',
  Cased_Letter: 'LC',
  Uppercase_Letter: 'Lu',
  Lowercase_Letter: 'Ll',
  Titlecase_Letter: 'Lt',
  Modifier_Letter: 'Lm',
  Other_Letter: 'Lo',
  Mark: 'M',
  Combining_Mark: 'M',
  Nonspacing_Mark: 'Mn',
  Spacing_Mark: 'Mc',
  Enclosing_Mark: 'Me',
  Number: 'N',
  Decimal_Number: 'Nd',
  digit: 'Nd',
  Letter_Number: 'Nl',
  Other_Number: 'No',
  Punctuation: 'P',
  punct: 'P',
  Connector_Punctuation: 'Pc',
  Dash_Punctuation: 'Pd',
  Open_Punctuation: 'Ps',
  Close_Punctuation: 'Pe',
  Initial_Punctuation: 'Pi',
  Final_Punctuation: 'Pf',
  Other_Punctuation: 'Po',
  Symbol: 'S',
  Math_Symbol: 'Sm',
  Currency_Symbol: 'Sc',
  Modifier_Symbol: 'Sk',
  Other_Symbol: 'So',
  Separator: 'Z',
  Space_Separator: 'Zs',
  Line_Separator: 'Zl',
  Paragraph_Separator: 'Zp',
  Control: 'Cc',
  cntrl: 'Cc',
  Format: 'Cf',
  Surrogate: 'Cs',
  Private_Use: 'Co',
}

/** A pair of surrogates, a property, an escape, a repetition, modifiers, a named class, `.`, or either end of a class. */
const TOKEN = new RegExp(
  [
    String.raw`\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}`,
    String.raw`\\[pP]\{([^{}]*)\}|\\[\s\S]`,
    String.raw`\{\d+(?:,\d*)?\}|\(\?[a-z-]+:|\[:\^?[a-z]+:\]|[.[\]]`,
  ].join('|'),
  'g',
)
const PROPERTY = /^(?:(?:General_Category|gc|Script|sc)=)?(\w+)$/
/** Modifiers that let `.`, `^` and `$` mean something else. */
const LINES = /^\(\?[a-z-]*[ms]/

/** Throws for a category, or for modifiers, that RE2 reads differently. */
export function asRe2(pattern: string): string {
  const isEcma = isEcmaPattern(pattern, 'u')
  let isInClass = false
  return pattern.replace(TOKEN, (token: string, property: string | undefined) => {
    if (property !== undefined) return `${token.slice(0, 2)}{${shortName(property)}}`
    if (token.startsWith(String.raw`\u`) && token.length > 2) return codePoint(token)
    if (token.startsWith('[') && isInClass && isEcma) {
      isInClass = token === '['
      return `\\${token}`
    }
    if (token === '[' || token === ']') isInClass = token === '['
    if (isInClass) return inClass[token] ?? token
    // RE2 takes it for the letter.
    if (isEcma && token === String.raw`\k`) throw new Error('a back-reference')
    if (token.startsWith('{')) return token.replaceAll(/\d+/g, (count) => count.replace(/^0+(?=\d)/, ''))
    if (isEcma && LINES.test(token)) throw new Error(`the modifiers ${token} mean something else in RE2`)
    return isEcma || token !== '.' ? (outside[token] ?? token) : token
  })
}

export function isEcmaPattern(source: string, flags: string): boolean {
  try {
    new RegExp(source, flags)
    return true
  } catch {
    return false
  }
}

const inClass: Readonly<Record<string, string>> = {
  [String.raw`\s`]: SPACES,
  [String.raw`\S`]: NO_SPACES,
  [String.raw`\b`]: String.raw`\x{8}`,
}

const outside: Readonly<Record<string, string>> = {
  [String.raw`\s`]: `[${SPACES}]`,
  [String.raw`\S`]: `[^${SPACES}]`,
  '.': NO_LINE_END,
}

const codePoint = (pair: string): string =>
  String.raw`\x{${String.fromCharCode(parseInt(pair.slice(2, 6), 16), parseInt(pair.slice(8), 16))
    .codePointAt(0)
    ?.toString(16)}}`

function shortName(property: string): string {
  const name = PROPERTY.exec(property)?.[1] ?? property
  if (name === 'C' || name === 'Other') throw new Error(`the category ${name} is not RE2's`)
  return categories[name] ?? name
}
