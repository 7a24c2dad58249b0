// What a server lists, as tools that may be pinned; and how a listed tool differs from the pinned one.
//
// 1. A tool is left out, with the reason, if a model could not call it, if its schemas pass the bounds of
//    foreign schemas, or if its text holds characters that a reviewer does not see.
import type { JsonSchema } from '../../../../runtime/config/fleet.ts'
import { compileJsonSchema } from '../../../../runtime/config/json-schema/compile.ts'
import { compileArguments } from '../../../../runtime/config/json-schema/coercion.ts'
import { mcpHints } from '../../../../runtime/config/mcp/servers.ts'
import type { DescribedTool, McpHints, PinnedTool } from '../../../../runtime/config/mcp/lock.ts'
import { messageOf } from '../../../../runtime/errors.ts'
import { schemaMistakes } from '../../../../runtime/foreign-schema/bounds.ts'
import { linearPatterns } from '../../../../runtime/foreign-schema/patterns.ts'
import { sortedJson } from '../../../../runtime/json/sorted.ts'
import type { Json } from '../../../../schemas/json.ts'
import type { ListedTool } from './link.ts'

const MAX_SCHEMA_BYTES = 64_000
const MAX_DESCRIPTION_CHARS = 8_000
const MAX_NAME_CHARS = 128
/**
 * Controls, formats and what shows nothing, except line breaks, tabs, and the joiner and the variants of emoji behind
 * one: a text of those alone would be a message that only a model reads.
 */
const UNSEEN =
  /(?![\n\r\t]|(?<=[\p{Emoji}\p{M}])\u200d|(?<=\p{Emoji})[\ufe0e\ufe0f])[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u
const CONTROL = /\p{Cc}/u

/** The parts of a listed tool that count. */
export function describedTool(tool: ListedTool): DescribedTool {
  const { title, description = title ?? '', inputSchema, outputSchema, annotations } = tool
  const hints = Object.fromEntries(
    mcpHints.flatMap((hint) => (typeof annotations?.[hint] === 'boolean' ? [[hint, annotations[hint]]] : [])),
  ) as McpHints
  return {
    description,
    input: inputSchema as JsonSchema,
    output: (outputSchema as JsonSchema | undefined) ?? null,
    hints,
  }
}

/** Why a tool can't be pinned; null if it can. */
export function whyLeftOut({ name, execution }: ListedTool, tool: DescribedTool): string | null {
  const { description, input, output } = tool
  if (name === '' || name.length > MAX_NAME_CHARS)
    return `its name must have 1 to ${MAX_NAME_CHARS} characters`
  if (description.trim() === '') return 'it has no description'
  if (description.length > MAX_DESCRIPTION_CHARS)
    return `its description has ${description.length} characters, at most ${MAX_DESCRIPTION_CHARS} are allowed`
  if (execution?.taskSupport === 'required')
    return 'it runs only as a task of revision 2025-11-25, which was an experiment; a server of 2026-07-28 may use the Tasks extension'
  const unseen = CONTROL.exec(name)?.[0] ?? unseenIn([name, description, input, output])
  if (unseen !== null) return `its text holds an invisible character (${codePoint(unseen)})`
  if (input['type'] !== 'object') return 'its input schema must describe an object'
  return (
    schemaProblem(input, 'input', (schema) => compileArguments(schema, { patterns: linearPatterns })) ??
    (output === null
      ? null
      : schemaProblem(output, 'output', (schema) => compileJsonSchema(schema, { patterns: linearPatterns })))
  )
}

/** The first such character in a text or a name of the value; null if there is none. Its JSON would escape some. */
function unseenIn(value: Json): string | null {
  const left: Json[] = [value]
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const found = typeof next === 'string' ? UNSEEN.exec(next) : null
    if (found !== null) return found[0]
    if (typeof next !== 'object' || next === null) continue
    for (const part of Array.isArray(next) ? next : Object.entries(next).flat()) left.push(part)
  }
  return null
}

const codePoint = (character: string): string =>
  `U+${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0').toUpperCase()}`

function schemaProblem(
  schema: JsonSchema,
  which: string,
  compile: (schema: JsonSchema) => unknown,
): string | null {
  const [mistake] = schemaMistakes(schema, MAX_SCHEMA_BYTES)
  if (mistake !== undefined) return `its ${which} schema: ${mistake}`
  try {
    compile(schema)
    return null
  } catch (error) {
    return `its ${which} schema: ${messageOf(error)}`
  }
}

/** Parts in which two descriptions of a tool differ. */
export function changedParts(pinned: PinnedTool | DescribedTool, listed: DescribedTool): string[] {
  const parts = ['description', 'input', 'output', 'hints'] as const
  return parts.filter((part) => sortedJson(pinned[part] as never) !== sortedJson(listed[part] as never))
}
