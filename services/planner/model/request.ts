// The body of a chat completion, and what one model or another refuses in it.
//
// Newer models refuse `max_tokens` or a temperature, older servers refuse `stream_options`. Which, nobody lists: the
// refusal tells, is free of charge, and is remembered for the model.
import type { ProviderFailure } from './errors.ts'
import type { ModelRequest } from '../call.ts'

/** Parameters that can be left out or renamed without changing what is asked. */
const parameters = ['max_completion_tokens', 'max_tokens', 'temperature', 'stream_options'] as const
export type Parameter = (typeof parameters)[number]

/** Parameters that a model has refused. */
export type Refused = ReadonlySet<Parameter>

export function bodyOf(request: ModelRequest, model: string, refused: Refused, isOpenAi: boolean) {
  const { messages, tools, temperature, maxOutputTokens, stream } = request
  // OpenAI itself has replaced max_tokens; everybody else still takes it.
  const preferred = isOpenAi ? 'max_completion_tokens' : 'max_tokens'
  const other = isOpenAi ? 'max_tokens' : 'max_completion_tokens'
  const limit = refused.has(preferred) ? other : preferred
  return {
    model,
    messages,
    ...(tools !== undefined && tools.length > 0 ? { tools } : {}),
    ...(refused.has('temperature') ? {} : { temperature }),
    ...(refused.has(limit) ? {} : { [limit]: maxOutputTokens }),
    ...(stream ? { stream } : {}),
    ...(stream && !refused.has('stream_options') ? { stream_options: { include_usage: true } } : {}),
  }
}

const COMPLAINT =
  /unsupported|not support|unrecognized|unknown|unexpected|extra (inputs|fields)|not permitted|not allowed/i

/** The parameter that the provider refused because this model does not take it; null when it refused for another reason. */
export function refusedParameter(failure: ProviderFailure): Parameter | null {
  if (failure.status !== 400 && failure.status !== 422) return null
  const coded = failure.codes.some((code) => code === 'unsupported_parameter' || code === 'unsupported_value')
  if (!coded && !COMPLAINT.test(failure.message)) return null
  const named = parameters.find((parameter) => parameter === failure.param)
  // The first one in the text: the second is often the advice ("use max_completion_tokens instead").
  const inText = parameters
    .map((parameter) => ({ parameter, at: failure.message.search(new RegExp(`\\b${parameter}\\b`)) }))
    .filter(({ at }) => at >= 0)
    .toSorted((a, b) => a.at - b.at)
  return named ?? inText[0]?.parameter ?? null
}

/** Prose has four to five characters a token and code fewer: with eight, hardly any text has fewer tokens than this. */
const MOST_CHARS_PER_TOKEN = 8

export function leastInputTokens(request: ModelRequest): number {
  let chars = 0
  for (const { content } of request.messages) chars += content?.length ?? 0
  return Math.floor(chars / MOST_CHARS_PER_TOKEN)
}
