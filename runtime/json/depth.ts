// Measures how deep JSON is nested. JSON.parse takes any depth; JSON.stringify, cloning, hashing and checking
// recurse, and overflow the stack some thousand levels down. So a value from outside is measured once, before
// anything walks it.

/** Levels of a value from outside. Python's own limit, and a fifth of what the stack holds. */
export const MAX_JSON_DEPTH = 1_000

/**
 * Whether the value has more than `most` levels of lists and objects. It must be finite, like parsed JSON.
 */
export function isDeeperThan(value: unknown, most: number): boolean {
  let level: object[] = isNested(value) ? [value] : []
  for (let depth = 0; level.length > 0; depth++) {
    if (depth === most) return true
    const below: object[] = []
    for (const parent of level) pushNested(parent, below)
    level = below
  }
  return false
}

function pushNested(parent: object, into: object[]): void {
  if (Array.isArray(parent)) {
    for (const child of parent as unknown[]) if (isNested(child)) into.push(child)
    return
  }
  const fields = parent as Readonly<Record<string, unknown>>
  for (const name in fields) {
    const child = fields[name]
    if (isNested(child)) into.push(child)
  }
}

const isNested = (value: unknown): value is object => typeof value === 'object' && value !== null
