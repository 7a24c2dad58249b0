// JSON Schemas of draft 2020-12, compiled.
import { Ajv2020 } from 'ajv/dist/2020.js'

/** The check returns what is wrong, null if nothing is. */
export function compileSchema(schema: object): (value: unknown) => string | null {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  const validate = ajv.compile(schema)
  return (value) => (validate(value) ? null : ajv.errorsText(validate.errors))
}
