// Bounds of numbers in a JSON Schema that came as JSON. Reading without loss makes text of whole numbers beyond 2^53, and
// generators write those of 64 bits as bounds: a schema has numbers there.
import type { Json } from '../../../schemas/json.ts'
import { dataKeywords, isSchemaObject, schemaMaps } from './dialects.ts'

const BOUNDS: ReadonlySet<string> = new Set([
  ...['maximum', 'minimum', 'exclusiveMaximum', 'exclusiveMinimum', 'multipleOf'],
  ...['maxLength', 'minLength', 'maxItems', 'minItems', 'maxProperties', 'minProperties'],
  ...['maxContains', 'minContains'],
])
const NUMERAL = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** Call for a schema whose depth is bounded. The schema itself, if no bound of it is a text. Pure. */
export function withNumberBounds(schema: Json): Json {
  if (!isSchemaObject(schema)) return schema
  let changed: { [name: string]: Json } | null = null
  for (const [name, value] of Object.entries(schema)) {
    const read = readKeyword(name, value)
    if (read !== value) changed = { ...(changed ?? schema), [name]: read }
  }
  return changed ?? schema
}

function readKeyword(name: string, value: Json): Json {
  if (BOUNDS.has(name)) return numberOf(value)
  if (dataKeywords.has(name)) return value
  if (Array.isArray(value)) return mapped(value)
  return schemaMaps.has(name) && isSchemaObject(value) ? mappedValues(value) : withNumberBounds(value)
}

/** The greatest double, for one that is greater. */
function numberOf(value: Json): Json {
  if (typeof value !== 'string' || !NUMERAL.test(value)) return value
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, Number(value)))
}

function mapped(list: readonly Json[]): Json {
  const read = list.map(withNumberBounds)
  return read.some((each, index) => each !== list[index]) ? read : (list as Json)
}

function mappedValues(map: { readonly [name: string]: Json }): Json {
  const names = Object.keys(map)
  const read = names.map((name) => withNumberBounds(map[name] ?? null))
  if (read.every((each, index) => each === map[names[index] ?? ''])) return map
  return Object.fromEntries(names.map((name, index) => [name, read[index] ?? null]))
}
