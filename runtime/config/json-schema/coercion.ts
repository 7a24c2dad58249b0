// Arguments as a model meant them: "3" for an integer, a list as its JSON text, one value for a list, null
// for an optional property.
//
// 1. Only a value that does not fit is reinterpreted, and only if the schema leaves one way to do so. With
//    several ways, or none, it stays as it is: the model is told.
// 2. Nothing is lost: no digits, no items, no property but a null. A property that the schema does not know
//    stays.
// 3. Each change is named, for the step that made the call.
// 4. For schemas of the configuration, whose bounds are their author's, and pinned ones, which were bounded before.
import type { Json } from '../../../schemas/json.ts'
import { shortened } from '../../text/bounded-text.ts'
import { parseExact } from '../../json/exact.ts'
import { isDeeperThan, MAX_JSON_DEPTH } from '../../json/depth.ts'
import { readUnion, schemaAt, type Options } from './coercion-schema.ts'
import type { JsonSchema } from '../fleet.ts'
import { compileJsonSchema, type Checked, type CompilerOptions } from './compile.ts'

export interface ArgumentsChecked extends Checked {
  /** Without the defaults of absent properties, which `value` has. */
  readonly meant: Json
  /** Changes that were made, as `n: "5" read as 5`. */
  readonly coerced: readonly string[]
}

const MAX_NOTES = 8
const MAX_SHOWN_CHARS = 60

export function compileArguments(
  schema: JsonSchema,
  options: Pick<CompilerOptions, 'patterns'> = {},
): (value: Json) => ArgumentsChecked {
  const check = compileJsonSchema(schema, { ...options, fillDefaults: true })
  return (value) => {
    const asWritten = check(value)
    if (asWritten.problems.length === 0) return { ...asWritten, meant: value, coerced: [] }
    const { value: meant, coerced } = coerce(value, schema)
    if (coerced.length === 0) return { ...asWritten, meant: value, coerced }
    const asMeant = check(meant)
    return asMeant.problems.length === 0
      ? { ...asMeant, meant, coerced }
      : { ...asMeant, meant: value, coerced: [] }
  }
}

/** Reads the value as its schema means it, as far as that is clear. */
export function coerce(value: Json, schema: JsonSchema): { value: Json; coerced: string[] } {
  const reading = new Reading(schema)
  const meant = reading.read(value, schema, '')
  const isTooDeep = isDeeperThan(meant, MAX_JSON_DEPTH)
  return isTooDeep ? { value, coerced: [] } : { value: meant, coerced: reading.notes.slice(0, MAX_NOTES) }
}

class Reading {
  readonly notes: string[] = []
  readonly #root: JsonSchema

  constructor(root: JsonSchema) {
    this.#root = root
  }

  read(value: Json, schema: Json | undefined, path: string): Json {
    const options = schemaAt(schema, this.#root)
    if (options.length === 0) return value
    const fitting = options.filter((option) => takes(option, value))
    if (fitting.length > 0) return this.#within(value, readUnion(fitting, value), path)
    const meant = this.#onlyOne(options.flatMap((option) => otherwise(value, option, this.#itemsOf(option))))
    if (meant === undefined) return value
    this.notes.push(`${path || 'value'}: ${shown(value)} read as ${shown(meant)}`)
    return this.read(meant, schema, path)
  }

  /** The only value, if all ways lead to the same one. */
  #onlyOne(ways: readonly Json[]): Json | undefined {
    const [first, ...others] = new Map(ways.map((way) => [JSON.stringify(way), way])).values()
    return others.length === 0 ? first : undefined
  }

  #itemsOf(option: Options): readonly Options[] | null {
    return option.types?.includes('array') ? schemaAt(option.schema['items'], this.#root) : null
  }

  #within(value: Json, option: Options | null, path: string): Json {
    if (typeof value !== 'object' || value === null || option === null) return value
    const { schema } = option
    if (Array.isArray(value)) {
      const first = Array.isArray(schema['prefixItems']) ? schema['prefixItems'] : []
      return value.map((item, at) => this.read(item, first[at] ?? schema['items'], below(path, at)))
    }
    const known = objectOf(schema['properties'])
    const required = Array.isArray(schema['required']) ? schema['required'] : []
    return Object.fromEntries(
      Object.entries(value).flatMap(([name, item]) => {
        const at = below(path, name)
        const own = Object.hasOwn(known, name) ? known[name] : schema['additionalProperties']
        if (!required.includes(name) && this.#meansNothing(item, own)) {
          this.notes.push(`${at}: ${shown(item)} left out`)
          return []
        }
        return [[name, this.read(item, own, at)]]
      }),
    )
  }

  /** Whether a value means "absent": null or its equivalents, if null does not fit an optional property. */
  #meansNothing(value: Json, schema: Json | undefined): boolean {
    if (value !== null && !(typeof value === 'string' && NOTHING.has(value.trim()))) return false
    if (schema === false) return value === null
    const options = schemaAt(schema, this.#root)
    return options.length > 0 && !options.some((option) => takes(option, value) || takes(option, null))
  }
}

const NOTHING: ReadonlySet<string> = new Set(['', 'null', 'None'])

const below = (path: string, name: string | number) => (path === '' ? String(name) : `${path}.${name}`)

const objectOf = (value: Json | undefined): JsonSchema =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}

/** Whether a value has the type and, if the schema lists values, is one of them. */
function takes({ types, values }: Options, value: Json): boolean {
  if (values !== null) return values.some((one) => JSON.stringify(one) === JSON.stringify(value))
  return types === null || types.some((type) => isOf(type, value))
}

function isOf(type: string, value: Json): boolean {
  switch (type) {
    case 'integer':
      return Number.isInteger(value)
    case 'array':
      return Array.isArray(value)
    case 'null':
      return value === null
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
    default:
      return typeof value === type
  }
}

/** Ways to read a value that does not have the type. `items`: those of a list; null if none is accepted. */
function otherwise(value: Json, option: Options, items: readonly Options[] | null): Json[] {
  if (option.values !== null) return sameWord(value, option.values)
  return (option.types ?? []).flatMap((type) => ofType(value, type, items))
}

/** "KM" for km, "5" for 5: values that differ in case or type only. */
function sameWord(value: Json, values: readonly Json[]): Json[] {
  const single: Json = Array.isArray(value) && value.length === 1 ? (value[0] ?? null) : value
  const word = wordOf(single)
  return word === null ? [] : values.filter((one) => wordOf(one) === word)
}

const wordOf = (value: Json): string | null =>
  typeof value === 'object' ? null : String(value).trim().toLowerCase()

function ofType(value: Json, type: string, items: readonly Options[] | null): Json[] {
  if (Array.isArray(value) && type !== 'array')
    return value.length === 1 && isOf(type, value[0] ?? null) ? [value[0] ?? null] : []
  switch (type) {
    case 'integer':
    case 'number':
      return typeof value === 'string' ? numberIn(value).filter((number) => isOf(type, number)) : []
    case 'boolean':
      return booleanIn(value)
    case 'string':
      // Not fractions: trailing zeros are lost, and 1.10 may have been a version.
      return Number.isSafeInteger(value) || typeof value === 'boolean' ? [String(value)] : []
    case 'object':
      return jsonIn(value).filter((inner) => isOf('object', inner))
    case 'array':
      return listIn(value, items ?? [])
    default:
      return []
  }
}

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?$/i

/** A number in a text; whole ones only if a double holds them exactly: parseExact leaves others as text. */
function numberIn(text: string): Json[] {
  const said = text.trim()
  return NUMBER.test(said) ? [parseExact(said)].filter((value) => typeof value === 'number') : []
}

function booleanIn(value: Json): Json[] {
  const word = wordOf(value)
  if (word === 'true' || value === 1) return [true]
  return word === 'false' || value === 0 ? [false] : []
}

/** The value that a text holds, as JSON or in Python's single quotes. */
function jsonIn(value: Json): Json[] {
  const text = typeof value === 'string' ? value.trim() : ''
  if (!/^[[{]/.test(text)) return []
  const written = text.includes('"') ? [text] : [text, text.replaceAll("'", '"')]
  for (const one of written) {
    try {
      return [parseExact(one)]
    } catch {
      // Left as it is: the check that follows names what does not fit.
    }
  }
  return []
}

/** A list as text, else a single value. A text that may itself be a list of several is neither. */
function listIn(value: Json, items: readonly Options[]): Json[] {
  const inner = jsonIn(value)
  if (inner.length > 0) return inner.map((one) => (Array.isArray(one) ? one : [one]))
  if (value === null) return []
  if (typeof value === 'string' && (value.trim() === '' || /[,;\n\r[\]{}]/.test(value))) return []
  const isItem = (one: Json) => items.length === 0 || items.some((item) => takes(item, one))
  if (isItem(value)) return [[value]]
  return items.some((item) => otherwise(value, item, null).length > 0) ? [[value]] : []
}

const shown = (value: Json): string => shortened(JSON.stringify(value), MAX_SHOWN_CHARS)
