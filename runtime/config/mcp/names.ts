// Names of MCP tools here: Python identifiers that a model may call, at most 64 characters, each its own.
import { createHash } from 'node:crypto'

const MAX_NAME_CHARS = 64
const HASH_CHARS = 8

/** A name with every character that no identifier has replaced. */
export const toolPart = (name: string): string => name.replaceAll(/[^A-Za-z0-9_]/g, '_')

/**
 * The names of a server's tools, by those that it gives them: `prefix` and name. One that is too long, or that another
 * one would become too, ends in a hash, which is longer if that is another one's name.
 */
export function mcpToolNames(prefix: string, names: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const [part, [name = '', ...others]] of Map.groupBy(names, toolPart))
    if (others.length === 0 && prefix.length + part.length <= MAX_NAME_CHARS) found.set(name, prefix + part)
  const taken = new Set(found.values())
  for (const name of names.filter((each) => !found.has(each))) {
    const hashed = hashedName(prefix, name, taken)
    taken.add(hashed)
    found.set(name, hashed)
  }
  return found
}

function hashedName(prefix: string, name: string, taken: ReadonlySet<string>): string {
  const full = prefix + toolPart(name)
  const hash = createHash('sha256').update(name).digest('hex')
  let hashed = ''
  for (let chars = HASH_CHARS; chars < MAX_NAME_CHARS; chars += HASH_CHARS) {
    hashed = `${full.slice(0, MAX_NAME_CHARS - chars - 1)}_${hash.slice(0, chars)}`
    if (!taken.has(hashed)) break
  }
  return hashed
}
