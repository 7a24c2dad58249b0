// Size of a pattern as RE2 runs it: a repetition `{n}` is as many copies of what it repeats.

const TOKEN =
  /\\[pP]\{[^{}]*\}|\\[\s\S]|\[(?:\\[\s\S]|[^\\\]])*\]|\{(?<least>\d+)(?:,(?<most>\d*))?\}|[\s\S]/g

/** Characters, classes and operators, those of repetitions as often as they are repeated. At least its real number. */
export function patternSize(pattern: string): number {
  const outer: number[] = []
  let size = 0
  /** Size of what a repetition would repeat. */
  let last = 0
  for (const { 0: token, groups } of pattern.matchAll(TOKEN)) {
    if (token === '(') {
      outer.push(size)
      size = 0
    } else if (token === ')') {
      last = size + 1
      size = last + (outer.pop() ?? 0)
    } else if (groups?.['least'] !== undefined) {
      const copies = Math.max(1, Number(groups['least']), Number(groups['most'] ?? 0))
      size += last * (copies - 1)
      last *= copies
    } else {
      last = 1
      size += 1
    }
  }
  return outer.reduce((sum, each) => sum + each, size)
}
