// The one place that runs ajv: users' JSON Schemas (tool arguments and results, task output). A schema is a program: one that
// does not come from the configuration is bounded first, and runs in a thread with limits (runtime/foreign-schema).
import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formatsPlugin from 'ajv-formats'
import type { Json } from '../../schemas/json.ts'
import type { JsonSchema } from './fleet.ts'

/** Problems shown of one value; more would drown the model. */
const MAX_PROBLEMS = 8

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
const common = { allErrors: true, strict: false, useDefaults: true } as const
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

/** "items.0.price: must be number" */
function describe(error: ErrorObject): string {
  const at = error.instancePath.slice(1).replaceAll('/', '.')
  const message = error.message ?? 'does not fit'
  const extra =
    typeof error.params['additionalProperty'] === 'string' ? error.params['additionalProperty'] : null
  const allowed = Array.isArray(error.params['allowedValues']) ? error.params['allowedValues'] : null
  const detail = extra !== null ? ` (${extra})` : allowed ? `: ${allowed.slice(0, 20).join(', ')}` : ''
  return `${at === '' ? 'value' : at}: ${message}${detail}`
}
