// Schemas of tools in the form in which they are sent. What the form can't say is not lost: the arguments of a
// call are checked against the tool's own schema.
//
// 1. Every server: an object with properties at the root, without the keywords there that OpenAI, Anthropic
//    and Google refuse. Alternatives at the root become one object that takes the properties of all.
// 2. A server that refuses a keyword is asked again without it (../model/refusals.ts). What has another form
//    takes that: `const` becomes `enum`, a reference becomes its target.
import type { JsonSchema } from '../../../runtime/config/fleet.ts'
import { dataKeywords, schemaMaps } from '../../../runtime/config/json-schema/dialects.ts'
import type { Json } from '../../../runtime/stage.ts'
import { sendableValue } from '../conversation/sendable.ts'

/** Keywords that are left out at the root, or merged into it. */
const NOT_AT_ROOT = ['oneOf', 'anyOf', 'allOf', 'not', 'if', 'then', 'else', 'enum', 'const']
const NAMES_OF_SCHEMAS = ['$schema', '$id', '$comment', '$anchor']
/** Levels of references that are followed, and references in all: a schema that refers to itself never ends. */
const MAX_REFERENCES = 8
const MAX_FOLLOWED = 200

const isObject = (value: Json | undefined): value is JsonSchema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const objectsIn = (value: Json | undefined): JsonSchema[] =>
  Array.isArray(value) ? value.filter(isObject) : []

const textsIn = (value: Json | undefined): string[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []

export function portableSchema(schema: JsonSchema): JsonSchema {
  const all = objectsIn(schema['allOf'])
  const either = [objectsIn(schema['anyOf']), objectsIn(schema['oneOf'])].filter(
    (branches) => branches.length > 0,
  )
  const own = { ...schema }
  for (const name of [...NOT_AT_ROOT, ...NAMES_OF_SCHEMAS]) delete own[name]
  const properties: JsonSchema = {}
  for (const part of [own, ...all, ...either.flat()].map((part) => targetOf(part, schema)))
    for (const [name, value] of Object.entries(isObject(part['properties']) ? part['properties'] : {}))
      properties[name] = name in properties ? joined(properties[name] ?? true, value) : value
  const required = new Set([own, ...all].flatMap((part) => textsIn(targetOf(part, schema)['required'])))
  for (const branches of either)
    for (const name of textsIn(targetOf(branches[0] ?? {}, schema)['required']))
      if (branches.every((branch) => textsIn(targetOf(branch, schema)['required']).includes(name)))
        required.add(name)
  const fit: JsonSchema = { ...own, type: 'object', properties }
  delete fit['required']
  if (required.size > 0) fit['required'] = [...required]
  // Each alternative may forbid what another one takes.
  if (either.length > 0 || all.length > 0) delete fit['additionalProperties']
  return sendableValue(fit)
}

/** Takes what one or the other takes. */
function joined(one: Json, other: Json): Json {
  if (JSON.stringify(one) === JSON.stringify(other) || one === true) return one
  const choices = isObject(one) && Object.keys(one).join() === 'anyOf' ? objectsIn(one['anyOf']) : [one]
  return { anyOf: [...choices, other] }
}

function targetOf(schema: JsonSchema, root: JsonSchema): JsonSchema {
  const reference = schema['$ref']
  if (typeof reference !== 'string' || !reference.startsWith('#')) return schema
  const { $ref: _, ...others } = schema
  let found: Json | undefined = root
  for (const part of reference
    .slice(1)
    .split('/')
    .filter((one) => one !== '')) {
    const name = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
    found = isObject(found) || Array.isArray(found) ? (found as JsonSchema)[name] : undefined
  }
  return isObject(found) ? { ...found, ...others } : others
}

/** The schema without these keywords. */
export function withoutKeywords(root: JsonSchema, refused: ReadonlySet<string>): JsonSchema {
  let followed = 0
  const visit = (value: Json, references: number): Json => {
    if (Array.isArray(value)) return value.map((item) => visit(item, references))
    if (!isObject(value)) return value
    const follows =
      '$ref' in value && (refused.has('$ref') || refused.has('$defs') || refused.has('definitions'))
    if (follows && (references === 0 || followed++ >= MAX_FOLLOWED)) return {}
    if (follows) return visit(targetOf(value, root), references - 1)
    return rewrite(value, references)
  }
  const rewrite = (schema: JsonSchema, references: number): JsonSchema => {
    const fields = Object.entries(otherForm(schema, refused)).filter(([name]) => !refused.has(name))
    return Object.fromEntries(
      fields.map(([name, value]) => {
        if (dataKeywords.has(name)) return [name, value]
        if (!schemaMaps.has(name) || !isObject(value)) return [name, visit(value, references)]
        const named = Object.entries(value).map(([key, each]) => [key, visit(each, references)] as const)
        return [name, Object.fromEntries(named)]
      }),
    )
  }
  return rewrite(root, MAX_REFERENCES)
}

/** The schema with another keyword in place of a refused one, where there is one that says the same. */
function otherForm(schema: JsonSchema, refused: ReadonlySet<string>): JsonSchema {
  let fit = schema
  if (refused.has('const') && 'const' in fit) fit = { ...fit, enum: [fit['const'] ?? null] }
  if (refused.has('oneOf') && 'oneOf' in fit) fit = { anyOf: fit['oneOf'] ?? [], ...fit }
  if (refused.has('anyOf') && 'anyOf' in fit) {
    const choices = objectsIn(fit['anyOf'])
    fit = { ...(choices.find(({ type }) => type !== 'null') ?? choices[0]), ...fit }
  }
  if (refused.has('allOf') && 'allOf' in fit)
    fit = Object.assign({}, ...objectsIn(fit['allOf']), fit) as JsonSchema
  if (refused.has(LIST_OF_TYPES) && Array.isArray(fit['type'])) {
    const [type = 'string'] = textsIn(fit['type']).filter((one) => one !== 'null')
    fit = { ...fit, type }
  }
  return fit
}

/** Stands for `type` with a list. */
export const LIST_OF_TYPES = 'list of types'
