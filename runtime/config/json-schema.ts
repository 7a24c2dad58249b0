// The one place that runs ajv: users' JSON Schemas (tool arguments and results, task output). A schema is a program: one that
// does not come from the configuration is bounded first, and runs in a thread with limits (runtime/foreign-schema).
import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formatsPlugin from 'ajv-formats'
import type { Json } from '../../schemas/json.ts'
import { shortened } from '../bounded-text.ts'
import type { JsonSchema } from './fleet.ts'

/** Problems shown of one value; more would drown the model. */
const MAX_PROBLEMS = 8
const MAX_NAMES = 20
const MAX_NAMES_CHARS = 400
const MAX_SHOWN_CHARS = 80

/** `problems` is empty when the value fits. `value` is a copy in which absent properties have their schema's defaults. */
export interface Checked {
  readonly value: Json
  readonly problems: readonly string[]
}

/** Compiles a regular expression; throws where it can't. `toString` must tell patterns apart. */
export type PatternEngine = (pattern: string) => { test(text: string): boolean; toString(): string }

export interface CompilerOptions {
  /** What reads `pattern` and `patternProperties`. Default: V8's, which a pattern can make run for years. */
  readonly patterns?: PatternEngine
  /** False compiles each referenced schema once, not once a reference. Default true. */
  readonly inlineRefs?: boolean
}

export type SchemaCheck = (value: Json) => Checked

// Unknown keywords and formats are common in schemas from elsewhere (MCP, OpenAPI): they are ignored, not errors.
const common = { allErrors: true, strict: false, useDefaults: true, verbose: true } as const
const addFormats = formatsPlugin as unknown as (ajv: Ajv | Ajv2020) => void

/** Draft 7 where `$schema` says so, else 2020-12. Throws ajv's error when the schema itself is wrong. */
export function compileJsonSchema(schema: JsonSchema): SchemaCheck {
  return createSchemaCompiler()(schema)
}

/** One compiler for several schemas without `$id`: it keeps what it has compiled, of the metaschemas and of the schemas. */
export function createSchemaCompiler(options: CompilerOptions = {}): (schema: JsonSchema) => SchemaCheck {
  const settings = ajvOptions(options)
  const ajvs = new Map<typeof Ajv | typeof Ajv2020, Ajv | Ajv2020>()
  const ajvOf = (dialect: typeof Ajv | typeof Ajv2020) => {
    const ajv = ajvs.get(dialect) ?? new dialect(settings)
    if (!ajvs.has(dialect)) addFormats(ajv)
    ajvs.set(dialect, ajv)
    return ajv
  }
  return (schema) => {
    const isDraft7 = /draft-0[67]/.test(String(schema['$schema'] ?? ''))
    const validate: ValidateFunction = ajvOf(isDraft7 ? Ajv : Ajv2020).compile(schema)
    // Its answer would be a promise, which passes for true, and rejects where nobody listens.
    if ('$async' in validate) throw new Error('$async is not supported')
    return checkBy(validate)
  }
}

function ajvOptions({ patterns, inlineRefs = true }: CompilerOptions): Options {
  if (!patterns) return { ...common, inlineRefs }
  // `code` names the function in compiled modules, which nobody writes.
  const regExp = Object.assign((pattern: string) => patterns(pattern), { code: 'patterns' })
  return { ...common, inlineRefs, logger: false, code: { regExp } }
}

const checkBy =
  (validate: ValidateFunction): SchemaCheck =>
  (value) => {
    const copy = structuredClone(value)
    if (validate(copy)) return { value: copy, problems: [] }
    return { value: copy, problems: (validate.errors ?? []).slice(0, MAX_PROBLEMS).map(describe) }
  }

/** `items.0.price: must be number, not "12 EUR"` */
function describe(error: ErrorObject): string {
  const at = error.instancePath.slice(1).replaceAll('/', '.')
  return `${at === '' ? 'value' : at}: ${error.message ?? 'does not fit'}${detailOf(error)}`
}

/** Names that the schema does not have, or values that do not fit: whoever made them sees what was read. */
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
      return `: ${(params['allowedValues'] as unknown[]).slice(0, MAX_NAMES).join(', ')}; not ${shown(data)}`
    case 'type':
    case 'const':
    case 'format':
    case 'pattern':
      return `, not ${shown(data)}`
    default:
      return ''
  }
}

const namesOf = (value: unknown): string =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? shortened(Object.keys(value).slice(0, MAX_NAMES).join(', '), MAX_NAMES_CHARS)
    : ''

/** Of a list or an object no more than what it is: it may be large. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  return shortened(JSON.stringify(value) ?? 'nothing', MAX_SHOWN_CHARS)
}
