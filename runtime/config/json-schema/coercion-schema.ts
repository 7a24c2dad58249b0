// Types and values that a schema accepts, as far as reading arguments needs them: references followed, unions
// expanded.
import type { Json } from '../../../schemas/json.ts'
import type { JsonSchema } from '../fleet.ts'

/** One alternative of a schema. */
export interface Options {
  readonly schema: JsonSchema
  /** Null: all. */
  readonly types: readonly string[] | null
  /** Values of `enum` and `const`; null: all. */
  readonly values: readonly Json[] | null
}

/** References and unions within each other, without a step into the value. */
const MAX_HOPS = 32

/** Its alternatives; empty if it accepts values of any type. */
export function schemaAt(schema: Json | undefined, root: JsonSchema): readonly Options[] {
  const options = optionsOf(schema, root, MAX_HOPS)
  return options.some(({ types, values }) => types === null && values === null) ? [] : options
}

function optionsOf(given: Json | undefined, root: JsonSchema, hops: number): Options[] {
  if (!isSchema(given) || hops === 0) return []
  const schema = parts(given, root, hops).reduce(joined, {})
  const union = [schema['anyOf'], schema['oneOf']].find(Array.isArray)
  if (union === undefined) return [optionOf(schema)]
  const { anyOf: _, oneOf: __, ...outer } = schema
  return union.flatMap((branch) =>
    optionsOf(branch, root, hops - 1).map((inner) => optionOf(joined(outer, inner.schema))),
  )
}

const optionOf = (schema: JsonSchema): Options => ({
  schema,
  types: typesOf(schema),
  values: valuesOf(schema),
})

/** A schema with those that it refers to, and those of its `allOf`. */
function parts(schema: JsonSchema, root: JsonSchema, hops: number): JsonSchema[] {
  const { $ref, allOf, ...own } = schema
  if (hops === 0) return [own]
  const referred = typeof $ref === 'string' ? pointed($ref, root) : undefined
  const all = [referred, ...(Array.isArray(allOf) ? allOf : [])].filter(isSchema)
  return [...all.flatMap((part) => parts(part, root, hops - 1)), own]
}

/** Both schemas at once, as to types: properties and `required` add up, else the second wins. */
function joined(first: JsonSchema, second: JsonSchema): JsonSchema {
  const both: JsonSchema = { ...first, ...second }
  if (isSchema(first['properties']) && isSchema(second['properties']))
    both['properties'] = { ...first['properties'], ...second['properties'] }
  if (Array.isArray(first['required']) && Array.isArray(second['required']))
    both['required'] = [...first['required'], ...second['required']]
  return both
}

function pointed(reference: string, root: JsonSchema): Json | undefined {
  if (!reference.startsWith('#')) return undefined
  let at: Json | undefined = root
  for (const part of reference.slice(1).split('/').filter(Boolean)) {
    const name = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined
    at = (at as JsonSchema)[name]
  }
  return at
}

function typesOf(schema: JsonSchema): readonly string[] | null {
  const { type } = schema
  if (typeof type === 'string') return [type]
  if (Array.isArray(type)) return type.filter((one) => typeof one === 'string')
  return isSchema(schema['properties']) ? ['object'] : null
}

function valuesOf(schema: JsonSchema): readonly Json[] | null {
  if (Array.isArray(schema['enum'])) return schema['enum']
  return schema['const'] === undefined ? null : [schema['const']]
}

/** The alternative that a value means: the only one that takes it, or that has its fixed properties. */
export function readUnion(options: readonly Options[], value: Json): Options | null {
  if (options.length === 1) return options[0] ?? null
  if (!isSchema(value)) return null
  const meant = options.filter(({ schema }) => hasFixed(value, schema))
  return meant.length === 1 ? (meant[0] ?? null) : null
}

function hasFixed(value: JsonSchema, schema: JsonSchema): boolean {
  const properties = isSchema(schema['properties']) ? schema['properties'] : {}
  const required = Array.isArray(schema['required']) ? schema['required'] : []
  const fixed = Object.entries(properties).every(([name, one]) => {
    const wanted = isSchema(one) ? valuesOf(one) : null
    return wanted === null || !(name in value) || wanted.includes(value[name] ?? null)
  })
  return fixed && required.every((name) => typeof name === 'string' && name in value)
}

const isSchema = (value: Json | undefined): value is JsonSchema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
