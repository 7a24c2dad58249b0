// Rewrites a schema so that ajv evaluates it correctly, or refuses it: ajv resolves `$dynamicRef` and
// `$recursiveRef` as no version of the standard does, and skips the name `__proto__`. Better to refuse a
// schema than to misread it.
import type { Json } from '../../../schemas/json.ts'
import { dataKeywords, isSchemaObject, schemaMaps, type Dialect, type SchemaObject } from './dialects.ts'

const suspects = ['"patternProperties"', '"unevaluated', '"$dynamicRef"', '"$recursiveRef"', '"__proto__"']
/** The keyword of each dialect for references that depend on the evaluation path. */
const dynamicReferences = { draft7: null, '2019-09': '$recursiveRef', '2020-12': '$dynamicRef' } as const

/**
 * Throws if ajv would misread the schema. `read` throws for a pattern that can't be used: ajv compiles
 * patterns of names only when they matter.
 */
export function rewritten(
  schema: SchemaObject,
  dialect: Dialect,
  read: (pattern: string) => unknown,
): SchemaObject {
  const text = JSON.stringify(schema)
  if (!suspects.some((each) => text.includes(each))) return schema
  const dynamic = dynamicReferences[dialect]
  const keywords = new Set<string>()
  let refersElsewhere = false
  const result = mapSchemas(schema, (each, isRoot) => {
    for (const name of Object.keys(each)) if (!isRoot || name !== '$id') keywords.add(name)
    for (const pattern of Object.keys(each['patternProperties'] ?? {})) read(pattern)
    refersElsewhere ||= typeof each['$ref'] === 'string' && !each['$ref'].startsWith('#')
    return dynamic ? plainReference(each, dynamic) : each
  })
  if (dynamic === null) return result
  const lone = [dynamic, 'unevaluatedProperties', 'unevaluatedItems'].find((name) => keywords.has(name))
  if (lone !== undefined && (keywords.has('$id') || refersElsewhere))
    throw new Error(
      `${lone} is supported in a schema without $id below its root and without references to others only; ` +
        'put the parts under $defs',
    )
  return result
}

/** Within one resource a dynamic reference can lead to one place only. */
function plainReference(schema: SchemaObject, dynamic: string): SchemaObject {
  const { [dynamic]: target, ...others } = schema
  if (target === undefined) return schema
  if (!('$ref' in others)) return { ...others, $ref: target }
  const { allOf = [] } = others
  return { ...others, allOf: Array.isArray(allOf) ? [...allOf, { $ref: target }] : allOf }
}

type Change = (schema: SchemaObject, isRoot: boolean) => SchemaObject

function mapSchemas(root: SchemaObject, change: Change): SchemaObject {
  const visit = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(visit)
    return isSchemaObject(value) ? visitSchema(value, false) : value
  }
  const visitNamed = (name: string, value: Json): Json => {
    if (name === '__proto__') throw new Error('a schema for the name __proto__ is not supported')
    return visit(value)
  }
  const visitKeyword = (name: string, value: Json): Json => {
    if (dataKeywords.has(name)) return value
    if (schemaMaps.has(name) && isSchemaObject(value)) return mapValues(value, visitNamed)
    return visit(value)
  }
  const visitSchema = (schema: SchemaObject, isRoot: boolean): SchemaObject =>
    mapValues(change(schema, isRoot), visitKeyword)
  return visitSchema(root, true)
}

const mapValues = (fields: SchemaObject, map: (name: string, value: Json) => Json): SchemaObject =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, map(name, value)]))
