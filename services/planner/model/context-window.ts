// Fits a request into a model's context before it is sent.
//
// 1. A prompt that can't fit is not sent: by a lower bound that costs nothing, or, of OpenAI's own models, by
//    its tokens.
// 2. Prompt and answer share the context. Near its limit the prompt is counted, and the answer is limited to
//    what is left: providers refuse a request whose two figures together exceed the context.
// 3. If a prompt may fit, the provider decides.
import { FlotillaError } from '../../../runtime/errors.ts'
import type { Sizes } from '../../../runtime/models/sizes.ts'
import type { CallSite } from './errors.ts'
import { leastInputTokens } from './request.ts'
import type { ModelRequest } from '../call.ts'
import { contentTokens, countedTokens, mostTokens } from './token-count.ts'

/** The least answer asked for, even if less seems to be left: the count is an upper bound. Tokens. */
const LEAST_OUTPUT_TOKENS = 256

/** Limits the answer to what the model can give. Throws MODEL_CONTEXT_TOO_LONG. */
export function fitToWindow(
  request: ModelRequest,
  { contextTokens, maxOutputTokens }: Sizes,
  site: CallSite,
): ModelRequest | Promise<ModelRequest> {
  const most = Math.min(request.maxOutputTokens, maxOutputTokens ?? Infinity)
  const asking = most === request.maxOutputTokens ? request : { ...request, maxOutputTokens: most }
  if (contextTokens === null) return asking
  const least = leastInputTokens(request)
  if (least > contextTokens) throw tooLong(least, contextTokens, site)
  return mostTokens(request) + most <= contextTokens ? asking : atTheEdge(asking, contextTokens, site)
}

async function atTheEdge(
  request: ModelRequest,
  contextTokens: number,
  site: CallSite,
): Promise<ModelRequest> {
  const least = await contentTokens(request)
  if (least !== null && least > contextTokens) throw tooLong(least, contextTokens, site)
  const room = Math.max(LEAST_OUTPUT_TOKENS, contextTokens - (await countedTokens(request)))
  return { ...request, maxOutputTokens: Math.min(request.maxOutputTokens, room) }
}

function tooLong(tokens: number, contextTokens: number, { provider, model }: CallSite): FlotillaError {
  const message =
    `The prompt has at least ${tokens} tokens, and ${provider}'s model ${model} takes ${contextTokens} (models.sizes). It was not sent. ` +
    'Shorten the task or what its tools return, or use a model with a larger context.'
  return new FlotillaError('MODEL_CONTEXT_TOO_LONG', message)
}
