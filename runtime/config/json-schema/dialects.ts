// The supported drafts of JSON Schema, and the places of subschemas in each.
import type { Json } from '../../../schemas/json.ts'

export type Dialect = 'draft7' | '2019-09' | '2020-12'

export type SchemaObject = { readonly [name: string]: Json }

const uris = /^https?:\/\/json-schema\.org\/(?:(draft-0[67]\/)?schema|draft\/(2019-09|2020-12)\/schema)#?$/

export const DIALECTS_SUPPORTED = 'that of draft 6, draft 7, 2019-09 or 2020-12, or left out'

/** The dialect that `$schema` names (default 2020-12), else null. Draft 6 is draft 7 without conditions. */
export function dialectOf({ $schema: uri }: SchemaObject): Dialect | null {
  if (uri === undefined) return '2020-12'
  const match = typeof uri === 'string' ? uris.exec(uri) : null
  if (!match) return null
  return match[1] ? 'draft7' : match[2] === '2019-09' ? '2019-09' : '2020-12'
}

/** Keywords whose value maps names to schemas. */
export const schemaMaps: ReadonlySet<string> = new Set([
  'properties',
  'patternProperties',
  '$defs',
  'definitions',
  'dependentSchemas',
  'dependencies',
])

/** Keywords whose value is data, even if it looks like a schema. */
export const dataKeywords: ReadonlySet<string> = new Set([
  'enum',
  'const',
  'default',
  'examples',
  'example',
  'required',
])

export const isSchemaObject = (value: Json | undefined): value is SchemaObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
