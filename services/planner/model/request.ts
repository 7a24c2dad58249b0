// The body of a chat completion, without the parameters that a model refuses.
//
// Newer models refuse `max_tokens` or a temperature, older servers refuse `stream_options`. No list exists:
// the refusal shows it, is free of charge, and is remembered for the model.
import type { ProviderFailure } from './errors.ts'
import { CALL_FIELDS, MESSAGE_FIELDS } from './attached.ts'
import type { Message, ModelRequest } from '../call.ts'

/** Parameters that can be left out or renamed without changing the request's meaning. */
const parameters = ['max_completion_tokens', 'max_tokens', 'temperature', 'stream_options'] as const
/**
 * Fields of messages and calls that can be left out if a server refuses what another version of it attached.
 */
const attachable = [...MESSAGE_FIELDS, ...CALL_FIELDS]
export type Parameter = (typeof parameters)[number] | (typeof attachable)[number]

/** Parameters that a model has refused. */
export type Refused = ReadonlySet<Parameter>

export function bodyOf(request: ModelRequest, model: string, refused: Refused, isOpenAi: boolean) {
  const { messages, tools, temperature, maxOutputTokens, stream } = request
  // OpenAI itself has replaced max_tokens; all others still accept it.
  const preferred = isOpenAi ? 'max_completion_tokens' : 'max_tokens'
  const other = isOpenAi ? 'max_tokens' : 'max_completion_tokens'
  const limit = refused.has(preferred) ? other : preferred
  return {
    model,
    messages: withSignatures(withoutFields(messages, refused), model),
    ...(tools !== undefined && tools.length > 0 ? { tools } : {}),
    ...(refused.has('temperature') ? {} : { temperature }),
    ...(refused.has(limit) ? {} : { [limit]: maxOutputTokens }),
    ...(stream ? { stream } : {}),
    ...(stream && !refused.has('stream_options') ? { stream_options: { include_usage: true } } : {}),
  }
}

function withoutFields(messages: Message[], refused: Refused): Message[] {
  const out = attachable.filter((name) => refused.has(name))
  if (out.length === 0) return messages
  const without = <T extends object>(one: T): T =>
    Object.fromEntries(Object.entries(one).filter(([name]) => !out.some((field) => field === name))) as T
  return messages.map((message) =>
    message.role === 'assistant' && message.tool_calls
      ? { ...without(message), tool_calls: message.tool_calls.map(without) }
      : without(message),
  )
}

/**
 * Gemini from 3 on wants a signature with the first call of each message; this one says that another model
 * made the call.
 */
const NO_SIGNATURE = { google: { thought_signature: 'skip_thought_signature_validator' } }
const WANTS_SIGNATURES = /(^|\/)gemini-([3-9]|\d\d)/

function withSignatures(messages: Message[], model: string): Message[] {
  if (!WANTS_SIGNATURES.test(model)) return messages
  return messages.map((message) => {
    const [first, ...others] = (message.role === 'assistant' && message.tool_calls) || []
    if (first === undefined || 'extra_content' in first) return message
    return { ...message, tool_calls: [{ ...first, extra_content: NO_SIGNATURE }, ...others] } as Message
  })
}

const COMPLAINT =
  /unsupported|not support|unrecognized|unknown|unexpected|extra (inputs|fields)|not permitted|not allowed/i

/** Words about fields only: a parameter whose value is too large is not refused. */
const FIELD_COMPLAINT = /remove|should not|must not|forbidden/i

/**
 * The parameter that the provider refused because this model does not support it; null for any other refusal.
 */
export function refusedParameter(failure: ProviderFailure): Parameter | null {
  if (failure.status !== 400 && failure.status !== 422) return null
  const coded = failure.codes.some((code) => code === 'unsupported_parameter' || code === 'unsupported_value')
  const isComplaint = coded || COMPLAINT.test(failure.message)
  const fields = isComplaint || FIELD_COMPLAINT.test(failure.message) ? attachable : []
  return namedParameter(isComplaint ? [...parameters, ...fields] : fields, failure)
}

function namedParameter(
  candidates: readonly Parameter[],
  { param, message }: ProviderFailure,
): Parameter | null {
  const byItself = candidates.find((parameter) => parameter === param)
  // The first one in the text: the second is often the advice ("use max_completion_tokens instead").
  const inText = candidates
    .map((parameter) => ({ parameter, at: message.search(new RegExp(`\\b${parameter}\\b`)) }))
    .filter(({ at }) => at >= 0)
    .toSorted((a, b) => a.at - b.at)
  return byItself ?? inText[0]?.parameter ?? null
}

/**
 * Prose has four to five characters a token and code fewer: with eight, hardly any text has fewer tokens than
 * this.
 */
const MOST_CHARS_PER_TOKEN = 8

export function leastInputTokens(request: ModelRequest): number {
  let chars = 0
  for (const { content } of request.messages) chars += content?.length ?? 0
  return Math.floor(chars / MOST_CHARS_PER_TOKEN)
}
