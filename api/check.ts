// Checks what comes from outside by a schema of the API. A message names the field, says what it must be and
// shows what it is; a field that is not known is refused, because it may be a misspelt one.
import type { z } from 'zod'
import { FlotillaError } from '../runtime/errors.ts'
import { plural } from '../runtime/text/quantities.ts'

interface CheckOptions {
  /** What a field is called: `field`, `parameter`, `filter`. Default field. */
  readonly word?: string
}

const SHOWN_CHARS = 100

/** The checked value. Throws REQUEST_INVALID with every mistake. */
export function checked<S extends z.ZodObject>(
  schema: S,
  value: unknown,
  { word = 'field' }: CheckOptions = {},
): z.output<S> {
  const found = schema.safeParse(value, { reportInput: true, error: wording })
  if (found.success) return found.data
  const message = found.error.issues.map((issue) => mistake(issue, schema, word)).join('; ')
  throw new FlotillaError('REQUEST_INVALID', message)
}

function mistake(issue: z.core.$ZodIssue, schema: z.ZodObject, word: string): string {
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(schema.shape).join(', ')
    return `no ${word} ${issue.keys.map((key) => key.slice(0, SHOWN_CHARS)).join(', ')}; ${known === '' ? `this takes no ${word}` : `there are: ${known}`}`
  }
  const name = issue.path.join('.')
  if (issue.input === undefined) return `${name} is missing: it ${issue.message}`
  if (!issue.message.startsWith('must')) return `${name} ${issue.message}`
  return `${name} ${issue.message}, not ${shown(issue.input)}`
}

const shown = (value: unknown): string => (JSON.stringify(value) ?? 'missing').slice(0, SHOWN_CHARS)

const kinds: Readonly<Record<string, string>> = {
  string: 'must be a text',
  number: 'must be a number',
  int: 'must be a whole number',
  boolean: 'must be true or false',
  array: 'must be a list',
  object: 'must be an object',
}

/** For schemas without a message of their own. */
function wording(issue: z.core.$ZodRawIssue): string {
  if (issue.code === 'invalid_type') return kinds[issue.expected] ?? `must be ${issue.expected}`
  if (issue.code === 'invalid_value') return `must be ${oneOf(issue.values.map(String))}`
  if (issue.code === 'too_small') return `must ${bound('at least', issue.origin, issue.minimum)}`
  if (issue.code === 'too_big') return `must ${bound('at most', issue.origin, issue.maximum)}`
  return 'is not allowed'
}

const oneOf = (values: readonly string[]): string =>
  values.length < 3 ? values.join(' or ') : `one of ${values.join(', ')}`

function bound(what: string, origin: string, limit: number | bigint): string {
  if (origin === 'string') return `have ${what} ${plural(Number(limit), 'character')}`
  return origin === 'array'
    ? `have ${what} ${plural(Number(limit), 'entry', 'entries')}`
    : `be ${what} ${limit}`
}
