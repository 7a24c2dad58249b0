// The one place that runs ajv: users' JSON Schemas (tool arguments and results, task output).
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
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

// Unknown keywords and formats are common in schemas from elsewhere (MCP, OpenAPI): they are ignored, not errors.
const options = { allErrors: true, strict: false, useDefaults: true, addUsedSchema: false } as const
const addFormats = formatsPlugin as unknown as (ajv: Ajv | Ajv2020) => void

/** Draft 7 where `$schema` says so, else 2020-12. Throws ajv's error when the schema itself is wrong. */
export function compileJsonSchema(schema: JsonSchema): (value: Json) => Checked {
  const ajv = String(schema['$schema'] ?? '').includes('draft-07') ? new Ajv(options) : new Ajv2020(options)
  addFormats(ajv)
  const validate: ValidateFunction = ajv.compile(schema)
  return (value) => {
    const copy = structuredClone(value)
    if (validate(copy)) return { value: copy, problems: [] }
    return { value: copy, problems: (validate.errors ?? []).slice(0, MAX_PROBLEMS).map(describe) }
  }
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
