// tasks.submitted as plain JSON, so that one line through kcat starts a task. Checked against the record's
// schema.
import { shown } from '../../schemas/identity.ts'
import { isJsonText, shapeOf, type FieldShape, type RecordSchema } from '../../schemas/record.ts'
import { FlotillaError } from '../errors.ts'
import { parseExact } from '../json/exact.ts'
import { mayRepeatNames, repeatedNames } from '../json/names.ts'

type Fields = Record<string, unknown>

/**
 * The record that these bytes hold as JSON. Throws UNDECODABLE_RECORD if they are no JSON object,
 * TASK_INVALID naming every wrong field otherwise; its details are `{ taskId }`, so that the sender can be
 * answered.
 */
export function parsePlainJson(schema: RecordSchema, bytes: Uint8Array): Fields {
  const { json, twice } = parseObject(bytes)
  const fields = schema.fields.map(shapeOf)
  const problems = unknownFields(fields, json)
  if (twice.length > 0) problems.push(`${twice.map(shown).join(', ')} stands twice, with different values`)
  const data: Fields = {}
  for (const field of fields) {
    const value = coerce(field, json[field.name])
    if (value instanceof Problem) problems.push(`${field.name} ${value.text}`)
    else data[field.name] = value
  }
  if (problems.length === 0) return data
  const { taskId } = data
  const details = { taskId: typeof taskId === 'string' && !twice.includes('taskId') ? taskId : null }
  throw new FlotillaError('TASK_INVALID', `the task as JSON: ${problems.join('; ')}`, { details })
}

class Problem {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** `twice`: names, at any depth, with more than one value. */
function parseObject(bytes: Uint8Array): { json: Fields; twice: readonly string[] } {
  const advice =
    'it is neither Avro in Confluent\'s wire format (which begins with byte 0) nor one JSON object such as {"text":"…"}'
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    const json = parseExact(text)
    if (typeof json === 'object' && json !== null && !Array.isArray(json))
      return { json, twice: mayRepeatNames(text, json) ? repeatedNames(text) : [] }
  } catch (error) {
    throw new FlotillaError('UNDECODABLE_RECORD', `decoding a task: ${advice}`, { cause: error })
  }
  throw new FlotillaError('UNDECODABLE_RECORD', `decoding a task: ${advice}`)
}

/** Mistakes that one message names: a record may have any number of fields. */
const MAX_UNKNOWN = 5

function unknownFields(fields: readonly FieldShape[], json: Fields): string[] {
  const names = fields.map((field) => field.name)
  const plain = (name: string): string => name.replaceAll(/[_-]/g, '').toLowerCase()
  return Object.keys(json)
    .filter((name) => !names.includes(name))
    .slice(0, MAX_UNKNOWN)
    .map((name) => {
      const meant = names.find((known) => plain(known) === plain(name))
      return meant
        ? `${shown(name)} should be spelt ${meant}`
        : `${shown(name)} is not a field; fields are ${names.join(', ')}`
    })
}

function coerce(field: FieldShape, value: unknown): unknown {
  if (isJsonText(field.value)) return value ?? null
  if (value === undefined || value === null) {
    return field.nullable ? null : new Problem(value === undefined ? 'is missing' : 'may not be null')
  }
  if (field.value === 'string') return coerceString(field, value)
  if (field.value === 'boolean')
    return typeof value === 'boolean' ? value : new Problem('must be true or false')
  return coerceNumber(field, value)
}

function coerceString(field: FieldShape, value: unknown): unknown {
  // A fraction may have lost digits that distinguish one id from another.
  if (typeof value === 'number' && !/^-?\d+$/.test(String(value)))
    return new Problem('must be a string: put the number in quotes')
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text !== 'string') return new Problem('must be a string')
  if (field.values && !field.values.includes(text))
    return new Problem(`must be one of ${field.values.join(', ')}`)
  return text
}

function coerceNumber(field: FieldShape, value: unknown): unknown {
  const isNumeral = typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value.trim())
  const number = isNumeral ? Number(value) : value
  if (typeof number !== 'number') return new Problem('must be a number')
  if (field.value === 'double') return Number.isFinite(number) ? number : new Problem('is too large')
  if (!Number.isInteger(number)) return new Problem('must be a whole number')
  const limit = field.value === 'int' ? 2 ** 31 - 1 : Number.MAX_SAFE_INTEGER
  return Math.abs(number) <= limit ? number : new Problem('is too large')
}
