// The one place that runs ajv: users' JSON Schemas (tool arguments and results, task output). A schema is a
// program: one that does not come from the configuration is bounded first, and runs in a thread with limits
// (runtime/foreign-schema).
import { Ajv, MissingRefError, str, type ErrorObject, type Options, type ValidateFunction } from 'ajv'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formatsPlugin from 'ajv-formats'
import type { Json } from '../../../schemas/json.ts'
import { shortened } from '../../text/bounded-text.ts'
import { copyJson } from '../../json/copy.ts'
import { isMultipleOf } from './exact-multiples.ts'
import type { JsonSchema } from '../fleet.ts'
import { dialectOf, DIALECTS_SUPPORTED, isSchemaObject, type Dialect, type SchemaObject } from './dialects.ts'
import { rewritten } from './rewrite.ts'
import {
  UNEVALUATED,
  unevaluatedParts,
  unevaluatedPlaces,
  type Resource,
  type Unevaluated,
} from './unevaluated.ts'
import { equalItems } from './unique-items.ts'

/** Problems reported for one value; more would drown the model. */
const MAX_PROBLEMS = 8
const MAX_NAMES = 20
const MAX_NAMES_CHARS = 400
const MAX_SHOWN_CHARS = 80

/** `problems` is empty when the value fits. `value` has the requested defaults. */
export interface Checked {
  readonly value: Json
  readonly problems: readonly string[]
}

/** Compiles a regular expression; throws if it can't. `toString` must differ for different patterns. */
export type PatternEngine = (pattern: string) => { test(text: string): boolean; toString(): string }

export interface CompilerOptions {
  /** Engine for `pattern` and `patternProperties`. Default: V8's, which a pattern can make run for years. */
  readonly patterns?: PatternEngine
  /** False compiles each referenced schema once, not once per reference. Default true. */
  readonly inlineRefs?: boolean
  /** Fills in missing properties that have defaults before checking, even required ones. Default false. */
  readonly fillDefaults?: boolean
  /**
   * True: the schema is known to be one, because a library made it. Compiling its metaschema, which takes longer
   * than everything else, is left out. Default false.
   */
  readonly isValidSchema?: boolean
}

export type SchemaCheck = (value: Json) => Checked

type AnyAjv = Ajv | Ajv2019 | Ajv2020

// Unknown keywords and formats are common in schemas from elsewhere (MCP, OpenAPI): they are ignored, not
// errors. Inherited names (`constructor`, `toString`) are no properties of a value.
const common = { allErrors: true, strict: false, ownProperties: true, verbose: true } as const
const addFormats = formatsPlugin as unknown as (ajv: AnyAjv) => void
const ajvByDialect = { draft7: Ajv, '2019-09': Ajv2019, '2020-12': Ajv2020 } as const

/** By the draft that `$schema` names, else 2020-12. Throws if the schema is invalid or not supported. */
export function compileJsonSchema(schema: JsonSchema, options: CompilerOptions = {}): SchemaCheck {
  try {
    return createSchemaCompiler(options)(schema)
  } catch (error) {
    throw withRemedy(error)
  }
}

function withRemedy(error: unknown): unknown {
  if (error instanceof RangeError)
    return new Error('its references could not be followed; name its parts under $defs, without $id')
  if (error instanceof MissingRefError)
    return new Error(`${error.message}; nothing is fetched, so put what it refers to under $defs`)
  return error
}

/** One compiler for several schemas without `$id`: it caches compiled metaschemas and schemas. */
export function createSchemaCompiler(options: CompilerOptions = {}): (schema: JsonSchema) => SchemaCheck {
  const asSent = new Validators(options, false)
  if (!options.fillDefaults) return (schema) => checkBy(asSent.compile(schema))
  const filling = new Validators(options, true)
  return (schema) => checkFilled(filling.compile(schema), () => asSent.compile(schema))
}

/** Formats that are checked; others constrain nothing, as the standard has it. */
export function knownFormats(): ReadonlySet<string> {
  const ajv = new Ajv({ logger: false })
  addFormats(ajv)
  return new Set(Object.keys(ajv.formats))
}

/** Compiled metaschemas: each costs more than most schemas. */
const metaschemas = new Map<Dialect, AnyAjv>()

function assertIsSchema(schema: SchemaObject, dialect: Dialect): void {
  const ajv = metaschemas.get(dialect) ?? new ajvByDialect[dialect]({ strict: false, logger: false })
  if (!metaschemas.has(dialect)) addFormats(ajv)
  metaschemas.set(dialect, ajv)
  if (ajv.validateSchema(schema) !== true) throw new Error(`schema is invalid: ${ajv.errorsText()}`)
}

type KeywordCheck = ((value: Json) => boolean) & { errors?: Partial<ErrorObject>[] }

class Validators {
  readonly #ajvs = new Map<Dialect, AnyAjv>()
  readonly #options: Options
  readonly #patterns: PatternEngine
  readonly #isValidSchema: boolean
  readonly #unevaluated = new WeakMap<object, { readonly resource: Resource; readonly place: string }>()
  readonly #known = new WeakSet<AnyAjv>()
  #resources = 0

  constructor({ patterns, inlineRefs = true, isValidSchema = false }: CompilerOptions, useDefaults: boolean) {
    this.#isValidSchema = isValidSchema
    const options = {
      ...common,
      inlineRefs,
      useDefaults,
      meta: false,
      validateSchema: false,
      logger: false as const,
    }
    this.#patterns = patterns ?? ((pattern) => new RegExp(pattern, 'u'))
    // `code` names the function in compiled modules, which nobody writes.
    const regExp = Object.assign((pattern: string) => this.#patterns(pattern), { code: 'patterns' })
    this.#options = { ...options, code: { process: withFewErrors, ...(patterns && { regExp }) } }
  }

  compile(schema: JsonSchema): ValidateFunction {
    if (!isSchemaObject(schema as Json)) throw new Error('it must be a JSON Schema object')
    // The draft is chosen by it; ajv lacks the metaschemas of some.
    const { $schema: _, ...others } = schema as SchemaObject
    const dialect = dialectOf(schema as SchemaObject)
    if (dialect === null) throw new Error(`$schema must be ${DIALECTS_SUPPORTED}`)
    const ajv = this.#ajvs.get(dialect) ?? this.#createAjv(dialect)
    if (JSON.stringify(others).includes('://json-schema.org/')) this.#addMetaschemas(ajv)
    this.#ajvs.set(dialect, ajv)
    if (!this.#isValidSchema) assertIsSchema(others, dialect)
    const plain = rewritten(others, dialect, this.#patterns)
    const validate: ValidateFunction = ajv.compile(
      dialect === 'draft7' ? plain : this.#register(plain, dialect),
    )
    // Its answer would be a promise, which counts as true, and whose rejection nobody handles.
    if ('$async' in validate) throw new Error('$async is not supported')
    return validate
  }

  /** Registers the schema under a name, so that its parts can be evaluated. */
  #register(schema: SchemaObject, dialect: Dialect): SchemaObject {
    const places = unevaluatedPlaces(schema)
    if (places.size === 0) return schema
    const name = `urn:flotilla:schema:${(this.#resources += 1)}`
    const root = { ...schema, $id: name }
    const fits = (place: string, value: Json) =>
      this.#ajvs.get(dialect)?.getSchema(`${name}#${encodeURI(place)}`)?.(value) === true
    const matches = (pattern: string, text: string) => this.#patterns(pattern).test(text)
    const resource = { root, dialect, fits, matches }
    for (const [each, place] of places)
      this.#unevaluated.set(each === schema ? root : each, { resource, place })
    return root
  }

  /** For schemas that refer to them. */
  #addMetaschemas(ajv: AnyAjv): void {
    if (this.#known.has(ajv)) return
    this.#known.add(ajv)
    ajv.opts.meta = true
    ajv._addDefaultMetaSchema()
  }

  #createAjv(dialect: Dialect): AnyAjv {
    const ajv = new ajvByDialect[dialect](this.#options)
    addFormats(ajv)
    ajv.removeKeyword('multipleOf')
    ajv.addKeyword({
      keyword: 'multipleOf',
      type: 'number',
      schemaType: 'number',
      compile: (factor: number) => (value: number) => isMultipleOf(value, factor),
      error: { message: ({ schemaCode }) => str`must be multiple of ${schemaCode}` },
    })
    ajv.removeKeyword('uniqueItems')
    ajv.addKeyword({
      keyword: 'uniqueItems',
      type: 'array',
      schemaType: 'boolean',
      compile: (isUnique: boolean) => (isUnique ? checkUnique() : () => true),
    })
    if (dialect !== 'draft7') for (const keyword of UNEVALUATED) this.#replace(ajv, keyword)
    return ajv
  }

  #replace(ajv: AnyAjv, keyword: Unevaluated): void {
    Object.assign(ajv.opts, { unevaluated: false })
    ajv.removeKeyword(keyword)
    ajv.addKeyword({
      keyword,
      type: keyword === 'unevaluatedItems' ? 'array' : 'object',
      schemaType: ['boolean', 'object'],
      compile: (_, parent) => {
        const found = this.#unevaluated.get(parent)
        if (!found) throw new Error(`${keyword} stands where it is not supported`)
        const validate: KeywordCheck = (value) => {
          const parts = unevaluatedParts(found.resource, found.place, keyword, value)
          if (parts.length === 0) return true
          const message = `must NOT have ${parts.slice(0, MAX_PROBLEMS).join(', ')} (${keyword})`
          validate.errors = [{ keyword, message, params: {} }]
          return false
        }
        return validate
      },
    })
  }
}

function checkUnique(): KeywordCheck {
  const validate: KeywordCheck = (value) => {
    const equal = equalItems(value as Json[])
    if (equal === null) return true
    const message = `must NOT have duplicate items (items ## ${equal[0]} and ${equal[1]} are identical)`
    validate.errors = [{ keyword: 'uniqueItems', message, params: { i: equal[1], j: equal[0] } }]
    return false
  }
  return validate
}

/** Errors of one value that are kept; the others are only counted. */
const KEPT_ERRORS = 64

/**
 * ajv keeps an error for each part of a value that does not fit, and copies all of them for each part below a reference:
 * a list of a million wrong items would take its square, and the memory.
 */
function withFewErrors(code: string): string {
  const kept = (error: string) =>
    `vErrors.push(vErrors.length < ${KEPT_ERRORS} ? ${error} : vErrors[${KEPT_ERRORS - 1}])`
  return code
    .replaceAll(/vErrors\.push\((err\d+)\)/g, (_, error: string) => kept(error))
    .replaceAll(
      /vErrors === null \? ([\w$.]+) : vErrors\.concat\(\1\)/g,
      `vErrors === null ? $1 : ($1.forEach((error) => ${kept('error')}), vErrors)`,
    )
}

const problemsOf = (validate: ValidateFunction, value: Json): readonly string[] =>
  validate(value) ? [] : (validate.errors ?? []).slice(0, MAX_PROBLEMS).map(describe)

const checkBy =
  (validate: ValidateFunction): SchemaCheck =>
  (value) => ({ value, problems: problemsOf(validate, value) })

/** If defaults do not fit their own schema, the value is checked as it was sent. */
function checkFilled(filling: ValidateFunction, asSent: () => ValidateFunction): SchemaCheck {
  let validate: ValidateFunction | null = null
  return (value) => {
    const filled = copyJson(value)
    const problems = problemsOf(filling, filled)
    if (problems.length === 0) return { value: filled, problems }
    validate ??= asSent()
    const isFit = validate(value)
    return { value, problems: isFit ? [] : problems }
  }
}

/** `items.0.price: must be number, not "12 EUR"` */
function describe(error: ErrorObject): string {
  const at = error.instancePath.slice(1).replaceAll('/', '.')
  return `${at === '' ? 'value' : at}: ${error.message ?? 'does not fit'}${detailOf(error)}`
}

/** Names that the schema does not have, or values that do not fit, so that the author sees what was read. */
function detailOf({ keyword, params, data, parentSchema }: ErrorObject): string {
  const given = namesOf(data)
  switch (keyword) {
    case 'additionalProperties': {
      const known = namesOf((parentSchema as JsonSchema | undefined)?.['properties'])
      return ` (${String(params['additionalProperty'])}${known === '' ? '' : `; there are: ${known}`})`
    }
    case 'required':
      return given === '' ? '' : ` (given: ${given})`
    case 'enum':
      return `: ${(params['allowedValues'] as unknown[]).slice(0, MAX_NAMES).map(listed).join(', ')}; not ${shown(data)}`
    case 'type':
    case 'const':
    case 'format':
    case 'pattern':
      return `, not ${shown(data)}`
    default:
      return ''
  }
}

const listed = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

const namesOf = (value: unknown): string =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? shortened(Object.keys(value).slice(0, MAX_NAMES).join(', '), MAX_NAMES_CHARS)
    : ''

/** A value for a message; a list or an object only by its kind: it may be large. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  return shortened(JSON.stringify(value) ?? 'nothing', MAX_SHOWN_CHARS)
}
