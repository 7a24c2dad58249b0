// Names that an object of a JSON text gives more than once. JSON.parse keeps the last value and says nothing;
// another reader may keep the first. So what somebody asks for is refused, and what somebody reads keeps both.
//
// 1. The text must be JSON. The same value twice is one.
// 2. The text is read once, from its beginning to its end.
import type { Json } from '../../schemas/json.ts'

const TOKEN = /"[^"\\]*(?:\\[^][^"\\]*)*"|[{}[\],:]/g
const SHOWN_NAMES = 3

/** A name, and where it stands. */
interface Name {
  readonly name: string
  readonly from: number
  readonly to: number
}

/** An object or a list that is not closed yet. */
interface Open {
  /** Text of each value by its name; null for a list. */
  readonly values: Map<string, string> | null
  /** The number that each repeated name had last, so that none is tried twice. */
  readonly numbers: Map<string, number>
  /** Name whose value is being read, which begins at `valueFrom`. */
  name: Name | null
  valueFrom: number
}

/** A few of the names with different values. */
export function repeatedNames(json: string): string[] {
  const found = new Set<string>()
  scan(json, ({ name }) => found.add(name).size < SHOWN_NAMES)
  return [...found]
}

/** The text with a name of its own for each value: `a`, then `a_2`. The text itself if none is repeated. */
export function withNamesKept(json: string): string {
  const parts: string[] = []
  let at = 0
  scan(json, ({ from, to }, newName) => {
    parts.push(json.slice(at, from), JSON.stringify(newName))
    at = to
    return true
  })
  return parts.length === 0 ? json : parts.join('') + json.slice(at)
}

/** False if the text, which was read as this value, gives no name twice; true if it must be scanned. */
export function mayRepeatNames(json: string, value: Json): boolean {
  if (/"\s+:/.test(json)) return true
  let names = 0
  for (let at = json.indexOf('":'); at >= 0; at = json.indexOf('":', at + 2)) names += 1
  const left: Json[] = [value]
  for (let next = left.pop(); next !== undefined && names > 0; next = left.pop()) {
    if (typeof next !== 'object' || next === null) continue
    const parts = Array.isArray(next) ? next : Object.values(next)
    if (!Array.isArray(next)) names -= parts.length
    for (const part of parts) if (typeof part === 'object' && part !== null) left.push(part)
  }
  return names > 0
}

/** Whether an object of the value has a property `__proto__`, which a copy by assignment makes its prototype. */
export function hasPrototypeName(value: Json): boolean {
  const left: Json[] = [value]
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (typeof next !== 'object' || next === null) continue
    if (Object.hasOwn(next, '__proto__')) return true
    for (const part of Object.values(next)) left.push(part)
  }
  return false
}

/** Calls back for each name whose value differs from an earlier one; false ends it. Names come in order. */
function scan(json: string, repeated: (name: Name, newName: string) => boolean): void {
  // One name can't be given twice.
  if (!json.includes(':', json.indexOf(':') + 1)) return
  const open: Open[] = []
  let last: { from: number; to: number } = { from: 0, to: 0 }
  const found: { name: Name; newName: string }[] = []
  const endValue = (inside: Open | undefined, at: number): void => {
    if (!inside?.values || inside.name === null) return
    const { values, numbers, name, valueFrom } = inside
    const written = json.slice(valueFrom, at).trim()
    const isNew = (values.get(name.name) ?? written) === written
    const own = isNew ? name.name : unused(name.name, values, numbers)
    if (!isNew) found.push({ name, newName: own })
    values.set(own, written)
    inside.name = null
  }
  for (const { 0: token, index } of json.matchAll(TOKEN)) {
    const inside = open.at(-1)
    const to = index + token.length
    if (token.startsWith('"')) last = { from: index, to }
    else if (token === '{' || token === '[')
      open.push({
        values: token === '{' ? new Map() : null,
        numbers: new Map(),
        name: null,
        valueFrom: 0,
      })
    else if (token === ':' && inside) {
      inside.name = { name: JSON.parse(json.slice(last.from, last.to)) as string, ...last }
      inside.valueFrom = to
    } else endValue(inside, index)
    if (token === '}' || token === ']') open.pop()
  }
  found.sort((a, b) => a.name.from - b.name.from)
  for (const { name, newName } of found) if (!repeated(name, newName)) return
}

function unused(name: string, values: ReadonlyMap<string, string>, numbers: Map<string, number>): string {
  let number = (numbers.get(name) ?? 1) + 1
  while (values.has(`${name}_${number}`)) number++
  numbers.set(name, number)
  return `${name}_${number}`
}
