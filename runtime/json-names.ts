// Finds names that an object of a JSON text gives more than once. JSON.parse keeps the last value and says
// nothing; another reader may keep the first.

const TOKEN = /"[^"\\]*(?:\\[^][^"\\]*)*"|[{}[\],:]/g
const SHOWN_NAMES = 3

interface Open {
  /** Of an object: the text of each name's value. Null: a list. */
  readonly values: Map<string, string> | null
  /** Name whose value is being read, and the position behind its colon. */
  name: string
  from: number
}

/** Names given twice with different values, a few at most. The text must be JSON. */
export function repeatedNames(json: string): string[] {
  const found = new Set<string>()
  const open: Open[] = []
  let lastString = ''
  const endValue = (inside: Open | undefined, at: number): void => {
    if (!inside?.values || inside.from < 0) return
    const { values, name, from } = inside
    const written = json.slice(from, at).trim()
    if ((values.get(name) ?? written) !== written) found.add(name)
    values.set(name, written)
    inside.from = -1
  }
  for (const { 0: token, index } of json.matchAll(TOKEN)) {
    const inside = open.at(-1)
    if (token.startsWith('"')) lastString = token
    else if (token === '{' || token === '[')
      open.push({ values: token === '{' ? new Map() : null, name: '', from: -1 })
    else if (token === ':' && inside?.values && inside.from < 0) {
      inside.name = JSON.parse(lastString) as string
      inside.from = index + 1
    } else if (token !== ':') endValue(inside, index)
    if (token === '}' || token === ']') open.pop()
    if (found.size >= SHOWN_NAMES) break
  }
  return [...found]
}
