/**
 * The text without what the pattern, which ends with `$`, finds in its last `withinChars`: a search through all of it would
 * be quadratic.
 */
export function withoutAtEnd(text: string, pattern: RegExp, withinChars: number): string {
  const at = Math.max(0, text.length - withinChars)
  return text.slice(0, at) + text.slice(at).replace(pattern, '')
}
