// Text that tasks wrote is hostile: it is shown as text, and what could disguise it is shown as what it is.

/**
 * Controls that reorder text, characters that show nothing (fillers, tags, invisible operators), halves of characters,
 * and control characters but tab and line ends. Joiners of emoji and scripts are among them: what is one sign to its
 * writer is shown as several, and nobody is deceived.
 */
const hidden =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e0fff}]/gu
/** Most text: nothing in it hides. */
const plain = /^[\n\r\t\x20-\x7e]*$/
const shownAsIs = new Set(['\t', '\n', '\r'])

/** Marks on one letter that are still read as part of it; what piles up more covers the lines around it. */
const MOST_MARKS = 4
const piled = new RegExp(`(\\p{M}{${MOST_MARKS}})\\p{M}+`, 'gu')

/** Answers are what the API's types say, unless a stage wrote something else: then it is shown, and ends no page. */
const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : value === undefined || value === null ? '–' : shown(value)

/** The same text, in which nothing is invisible or changes the order of the rest. */
export function visible(given: string): string {
  const text = textOf(given)
  if (plain.test(text)) return text
  return text
    .replace(hidden, (character) =>
      shownAsIs.has(character) ? character : `⟨${character.codePointAt(0)?.toString(16).padStart(4, '0')}⟩`,
    )
    .replace(piled, '$1')
}

/** As a title has it: it begins with a capital, unless the first word is a name of code. */
export const sentence = (text: string): string =>
  /^[a-z]+[ ,:;]/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text

/** One line of it, at most so long; empty only if the text is. */
export function line(text: string, most = 200): string {
  const start = textOf(text)
    .slice(0, 4 * most)
    .replace(/\s+/g, ' ')
    .trim()
  // A link or a cell of nothing but spaces could be neither seen nor read out.
  if (start === '' && text !== '') return '⟨blank⟩'
  return visible(start.length > most ? `${wholeStart(start, most)}…` : start)
}

/** A cut never leaves half of a character. */
function wholeStart(text: string, most: number): string {
  const start = text.slice(0, most)
  return /[\ud800-\udbff]$/.test(start) ? start.slice(0, -1) : start
}

/** The text of an answer without its blocks of code, which are shown by themselves. */
export const withoutCode = (text: string): string =>
  text
    .split(/^```.*$/m)
    .filter((_, index) => index % 2 === 0)
    .join('')
    .trim()

/** A JSON value as people read it: a text as itself. */
export const shown = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value, null, 2) ?? '')

/** The text in parts of about so many characters, cut at line ends where there are any. */
export function parts(text: string, size: number): string[] {
  const found: string[] = []
  for (let at = 0; at < text.length;) {
    const end = Math.min(text.length, at + size)
    const lineEnd = end < text.length ? text.lastIndexOf('\n', end) : -1
    const next = lineEnd > at ? lineEnd + 1 : end
    found.push(text.slice(at, next))
    at = next
  }
  return found
}
