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
    for (const parent of level) {
      for (const child of Array.isArray(parent) ? parent : Object.values(parent))
        if (isNested(child)) below.push(child)
    }
    level = below
  }
  return false
}

const isNested = (value: unknown): value is object => typeof value === 'object' && value !== null
