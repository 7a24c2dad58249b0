// Names of MCP tools here: Python identifiers that a model may call, at most 64 characters, each its own.
import { createHash } from 'node:crypto'

const MAX_NAME_CHARS = 64
const HASH_CHARS = 8

/** A name with every character that no identifier has replaced. */
export const toolPart = (name: string): string => name.replaceAll(/[^A-Za-z0-9_]/g, '_')

/** `prefix` and name. One that is too long, or that another of the server's names would become too, ends in a hash. */
export function mcpToolName(prefix: string, name: string, others: readonly string[]): string {
  const full = prefix + toolPart(name)
  const isShared = others.some((other) => other !== name && toolPart(other) === toolPart(name))
  if (!isShared && full.length <= MAX_NAME_CHARS) return full
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH_CHARS)
  return `${full.slice(0, MAX_NAME_CHARS - HASH_CHARS - 1)}_${hash}`
}
