// What counts as the output of a task.
//
// 1. Null and blank text are no output. An empty list or object may be the answer.
// 2. With an output schema, text is read as JSON first, also inside one code fence; text itself counts where the schema
//    wants a string.
import { compileJsonSchema } from '../../runtime/config/json-schema.ts'
import type { Json } from '../../runtime/stage.ts'

export type Fit = { readonly output: Json } | { readonly problem: string }

export function isEmpty(value: Json): boolean {
  return value === null || (typeof value === 'string' && value.trim() === '')
}

export function fit(value: Json, schema: Json): Fit {
  if (schema === null || typeof schema !== 'object' || Array.isArray(schema)) return { output: value }
  const check = compileJsonSchema(schema)
  const candidates = readings(value)
  for (const candidate of candidates) {
    if (check(candidate).problems.length === 0) return { output: candidate }
  }
  const shown = candidates[0] ?? null
  const hint = typeof shown === 'string' ? ' (it is not JSON)' : ''
  return { problem: `${check(shown).problems.join('; ')}${hint}` }
}

/** The ways in which a value can be meant, the likeliest first. */
function readings(value: Json): Json[] {
  if (typeof value !== 'string') return [value]
  const unfenced = /^\s*```\w*\s*\n([\s\S]*?)\n\s*```\s*$/.exec(value)?.[1] ?? value
  const parsed = parseJson(unfenced)
  return parsed === undefined ? [value] : [parsed, value]
}

/** Undefined where the text is not JSON. */
export function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}
