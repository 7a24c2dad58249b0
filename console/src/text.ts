// Text that tasks wrote is hostile: it is shown as text, and what could disguise it is shown as what it is.

/** Controls that reorder or hide text, and control characters but tab and line ends. */
const hidden =
  /[\u202a-\u202e\u2066-\u2069\u200b-\u200f\u061c\ufeff\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g

/** The same text, in which nothing is invisible or changes the order of the rest. */
export const visible = (text: string): string =>
  text.replace(hidden, (character) => `⟨${character.codePointAt(0)?.toString(16).padStart(4, '0')}⟩`)

/** One line of it, at most so long. */
export function line(text: string, most = 200): string {
  const start = text
    .slice(0, 4 * most)
    .replace(/\s+/g, ' ')
    .trim()
  return visible(start.length > most ? `${start.slice(0, most)}…` : start)
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
