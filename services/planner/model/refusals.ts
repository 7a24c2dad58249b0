// Reads from a refusal what a model or its server does not take, if the request can be written without it.
//
// Newer models refuse `max_tokens` or a temperature, older servers refuse `stream_options` or a message
// without text, some know a part of JSON Schema only, and some miss what another model never had. No list
// exists: the refusal shows it, is free of charge, and is remembered for the model.
import { LIST_OF_TYPES } from '../tools/schemas.ts'
import { CALL_FIELDS, MESSAGE_FIELDS } from './attached.ts'
import type { ProviderFailure } from './errors.ts'

/** Parameters that can be left out or renamed without changing the request's meaning. */
const parameters = ['max_completion_tokens', 'max_tokens', 'temperature', 'stream_options'] as const
/**
 * Fields of messages and calls that can be left out if a server refuses what another version of it attached.
 */
export const attachable = [...MESSAGE_FIELDS, ...CALL_FIELDS]

type Field = (typeof parameters)[number] | (typeof attachable)[number]
/** `stream`: the answer comes whole. `no …`: the server misses it. */
type Habit = 'stream' | 'null content' | 'no reasoning' | 'no tool name'
export type Refusal = Field | Habit | `schema ${string}`

/** Everything that a model has refused. */
export type Refused = ReadonlySet<Refusal>

const COMPLAINT =
  /unsupported|not support|unrecognized|unknown|unexpected|extra (inputs|fields)|not permitted|not allowed/i

/** Words about fields only: a parameter whose value is too large is not refused. */
const FIELD_COMPLAINT = /remove|should not|must not|forbidden/i

/** Empty if the refusal has another reason. */
export function refusalsIn(failure: ProviderFailure): Refusal[] {
  if (failure.status !== 400 && failure.status !== 422) return []
  const habit = habits.find(({ says }) => says.test(failure.message))
  if (habit !== undefined || failure.param === 'stream') return [habit?.is ?? 'stream']
  const keywords = keywordsIn(failure.message)
  if (keywords.length > 0) return keywords
  const field = refusedField(failure)
  return field === null ? [] : [field]
}

const habits: readonly { readonly is: Habit; readonly says: RegExp }[] = [
  { is: 'stream', says: /verified to stream|streaming is (?:not|un)|(?:not|n't) support stream(?:ing)?\b/i },
  {
    is: 'no reasoning',
    says: /reasoning_content\W[^]{0,80}(?:missing|must be (?:passed|provided|included|present))|missing\W+reasoning_content/i,
  },
  { is: 'no tool name', says: /function_?response[.\w[\]]*\bname\b[^]{0,40}(?:empty|required|missing)/i },
  {
    is: 'null content',
    says: /content[^]{0,60}(?:<nil>|\bnull\b|must be a string|valid string)|not a string: null|type: null, expected/i,
  },
]

/** Those of JSON Schema that a server may not know; without them the schema still names the arguments. */
const KEYWORDS = new Set(
  (
    '$schema $id $ref $defs $comment $anchor definitions additionalProperties unevaluatedProperties propertyNames ' +
    'patternProperties minProperties maxProperties dependentRequired dependentSchemas const default examples example ' +
    'title format pattern minLength maxLength minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minItems ' +
    'maxItems uniqueItems prefixItems contains minContains maxContains oneOf anyOf allOf not if then else nullable ' +
    'deprecated readOnly writeOnly contentEncoding contentMediaType contentSchema additionalItems unevaluatedItems'
  ).split(' '),
)
/** A word in quotes, or at the end of a path. */
const NAMED = /(?:\\?["'`]|[\].])(?<name>\$?[A-Za-z]+)(?=\\?["'`]|[:\s])/g
const ABOUT_SCHEMAS = /schema|function_declarations|parameters|\btools?\b/i
const SCHEMA_COMPLAINT = /only [^]{0,80}(?:is|are) supported|cannot find field|not (?:a )?valid|is invalid/i

function keywordsIn(message: string): `schema ${string}`[] {
  if (!ABOUT_SCHEMAS.test(message)) return []
  if (/not repeating, cannot start list/i.test(message)) return [`schema ${LIST_OF_TYPES}`]
  if (!COMPLAINT.test(message) && !SCHEMA_COMPLAINT.test(message)) return []
  const named = Array.from(message.matchAll(NAMED), ({ groups }) => groups?.['name'] ?? '')
  return [...new Set(named)].filter((name) => KEYWORDS.has(name)).map((name) => `schema ${name}` as const)
}

function refusedField(failure: ProviderFailure): Field | null {
  const coded = failure.codes.some((code) => code === 'unsupported_parameter' || code === 'unsupported_value')
  const isComplaint = coded || COMPLAINT.test(failure.message)
  const fields = isComplaint || FIELD_COMPLAINT.test(failure.message) ? attachable : []
  return namedField(isComplaint ? [...parameters, ...fields] : fields, failure) ?? fixedTemperature(failure)
}

/** Models that take one temperature only say so in words of their own. */
const FIXED_TEMPERATURE =
  /\btemperature\b[^]{0,60}(?:deprecated|\bonly\s+(?:be\s+(?:set\s+to\s+)?)?1\b(?!\.\d)|must be (?:set to )?1\b(?!\.\d|\s*(?:or|to|and)))/i

const fixedTemperature = ({ message }: ProviderFailure): Field | null =>
  FIXED_TEMPERATURE.test(message) ? 'temperature' : null

function namedField(candidates: readonly Field[], { param, message }: ProviderFailure): Field | null {
  const byItself = candidates.find((field) => field === param)
  // The first one in the text: the second is often the advice ("use max_completion_tokens instead").
  const inText = candidates
    .map((field) => ({ field, at: message.search(new RegExp(`\\b${field}\\b`)) }))
    .filter(({ at }) => at >= 0)
    .toSorted((a, b) => a.at - b.at)
  return byItself ?? inText[0]?.field ?? null
}
