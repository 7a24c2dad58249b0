// RE2 repeats at most 1,000 times. Longer repetitions of one character or class, as texts with a largest length have, are
// written as several, one behind the other. Those of groups are left: RE2 bounds the product of nested ones.

const AT_MOST = 1_000

/** Beyond it a pattern is refused by its size (bounds.ts), or would be too slow. */
const LONGEST = 20_000

/** One character or class of an ECMAScript pattern, and its repetition. */
const REPEATED = new RegExp(
  [
    String.raw`(?<atom>\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\u\{[\da-fA-F]+\}|\\u[\da-fA-F]{4}|\\x[\da-fA-F]{2}`,
    String.raw`\\[pP]\{[^{}]*\}|\\c[a-zA-Z]|\\k<[^>]*>|\\[\s\S]|\[(?:\\[\s\S]|[^\\\]])*\]|[^\\[\](){}])`,
  ].join('|') + String.raw`(?:\{(?<least>\d+)(?<comma>,(?<most>\d*))?\}(?<lazy>\??))?`,
  'gu',
)

/** The same pattern of ECMAScript, with repetitions that RE2 takes. */
export function inParts(pattern: string): string {
  return pattern.replace(REPEATED, (whole: string, ...found) => {
    const { atom = '', least, comma, most, lazy = '' } = found.at(-1) as Record<string, string | undefined>
    if (least === undefined) return whole
    const [from, to] = [Number(least), most ? Number(most) : Number(least)]
    if (Math.max(from, to) <= AT_MOST || Math.max(from, to) > LONGEST || from > to) return whole
    const exactly = counts(from).map((count) => `${atom}{${count}}`)
    const more = comma !== undefined && !most ? [`${atom}*${lazy}`] : []
    const optional = counts(to - from).map((count) => `${atom}{0,${count}}${lazy}`)
    return `(?:${[...exactly, ...optional, ...more].join('')})`
  })
}

function counts(sum: number): number[] {
  const whole = Array.from({ length: Math.floor(sum / AT_MOST) }, () => AT_MOST)
  return sum % AT_MOST === 0 ? whole : [...whole, sum % AT_MOST]
}
