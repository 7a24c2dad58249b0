// Counts the tokens of a request before it is sent. A budget that must never be exceeded needs a figure that
// is never too low, so the first is a cheap upper bound; only if that does not fit are the tokens counted.
import { once } from '../../../runtime/once.ts'
import type { ModelRequest } from '../call.ts'
import { requestBytes, textOf } from '../conversation/token-estimates.ts'

/** Most tokens a byte that a common tokenizer makes of the densest texts (base64, hexadecimal, emoji). */
const MOST_TOKENS_PER_BYTE = 0.75
/** Tokens for role and separators of a message, and for the template around them all. */
const PER_MESSAGE = 8
const PER_REQUEST = 16
/** For models whose tokenizer is not public. */
const MARGIN = 1.15

export function mostTokens(request: ModelRequest): number {
  return Math.ceil(requestBytes(request) * MOST_TOKENS_PER_BYTE) + framing(request)
}

/**
 * Upper bound. Loads the tokenizer on first use (about 70 MB of memory): most processes never get that close
 * to a limit.
 */
export async function countedTokens(request: ModelRequest): Promise<number> {
  const { count, isOwn } = await tokenizerOf(request)
  return Math.ceil(count(textOf(request)) * (isOwn ? 1 : MARGIN)) + framing(request)
}

/**
 * Tokens of the messages' text, without roles, tools and separators; null if the model's tokenizer is not
 * public.
 */
export async function contentTokens(request: ModelRequest): Promise<number | null> {
  const { count, isOwn } = await tokenizerOf(request)
  return isOwn ? request.messages.reduce((sum, { content }) => sum + count(content ?? ''), 0) : null
}

interface Tokenizer {
  readonly count: (text: string) => number
  /** True: it is the model's own. */
  readonly isOwn: boolean
}

/** Once: each import() of a module that is there already costs as much as counting a short text. */
const cl100k = once(() => import('gpt-tokenizer/encoding/cl100k_base'))
const own = [
  {
    models: /^(openai\/)?(gpt-4o|gpt-4\.|gpt-5|o\d)/,
    load: once(() => import('gpt-tokenizer/encoding/o200k_base')),
  },
  { models: /^(openai\/)?gpt-(3\.5|4)/, load: cl100k },
]

async function tokenizerOf({ model }: ModelRequest): Promise<Tokenizer> {
  const found = own.find(({ models }) => models.test(model))
  const { countTokens } = await (found?.load ?? cl100k)()
  return { count: (text) => countTokens(text, { allowedSpecial: 'all' }), isOwn: found !== undefined }
}

const framing = ({ messages }: ModelRequest): number => PER_MESSAGE * messages.length + PER_REQUEST
