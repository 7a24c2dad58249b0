// Mistakes of a configuration as one message, which an error cuts in its middle past 8,000 characters: whole lines as far
// as they go, and how many more there are.
import { boundedText } from '../text/bounded-text.ts'
import { plural } from '../text/quantities.ts'

const LIST_CHARS = 7_000
const MISTAKE_CHARS = 1_000
const MAX_NAMES = 20

/** A line each, of at most 1,000 characters; `placed` finishes those that are shown. */
export function mistakeList(
  mistakes: readonly string[],
  placed = (mistake: string): string => mistake,
): string {
  const lines: string[] = []
  let chars = 0
  for (const mistake of mistakes) {
    const line = `  ${boundedText(placed(mistake), MISTAKE_CHARS)}`
    chars += line.length + 1
    if (chars > LIST_CHARS) break
    lines.push(line)
  }
  const more = mistakes.length - lines.length
  return [...lines, ...(more > 0 ? [`  … and ${plural(more, 'more mistake')}`] : [])].join('\n')
}

/** Names that there are, for a mistake that names another one: at most 20. */
export function nameList(names: readonly (string | undefined)[], none = 'none'): string {
  const shown = names.slice(0, MAX_NAMES).join(', ')
  const more = names.length - MAX_NAMES
  return more > 0 ? `${shown} and ${more.toLocaleString('en-US')} more` : shown || none
}
