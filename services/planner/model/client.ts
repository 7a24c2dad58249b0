// Calls models through the openai package (openai.ts). Any OpenAI-compatible base URL works.
//
// 1. One request a call. Retries, fallbacks and waiting belong to the planner, which can be replayed; only a
//    request that was refused for something this model does not accept is sent again without it (nothing
//    was spent).
// 2. One connection a provider, built once: sockets stay open between calls.
// 3. Rejects with a FlotillaError of the table, with Retry-After and the call's usage: nothing if the request
//    never left or was refused by a status; otherwise the provider's figures, or the prompt and the part that
//    had arrived, counted here.
// 4. A key never appears in a message.
import { FlotillaError } from '../../../runtime/errors.ts'
import { discoverModels, missingSetting } from '../../../runtime/models/discovery.ts'
import { keepSecrets, redacted, shownUrl } from '../../../runtime/text/redaction.ts'
import { isUnpackingError } from '../../../runtime/text/unpacking.ts'
import { callLimitsOf, type CallLimits } from '../../../runtime/models/call-limits.ts'
import { parseModel, SERVED_MODEL } from '../../../runtime/models/names.ts'
import { sizeOf } from '../../../runtime/models/sizes.ts'
import type { Environment } from '../../../runtime/config/environment.ts'
import type { Fleet } from '../../../runtime/config/fleet.ts'
import type { CallContext } from '../../../runtime/stage.ts'
import { fitToWindow } from './context-window.ts'
import { providerError, type CallSite } from './errors.ts'
import { failureOf, isNotFound, isRequestError, isSaid, ModelServer, saidWithin } from './openai.ts'
import { behindGuard, NotJson } from './json-values.ts'
import { listOf, shapeOf } from './shapes.ts'
import { AnswerReader } from './sse.ts'
import { ReplyReader } from './reply.ts'
import { refusalsIn, type Refusal } from './refusals.ts'
import { bodyOf, jsonOfBody } from './request.ts'
import { CallWatch } from './watch.ts'
import { batchTokens, type TokenBatcher } from './token-stream.ts'
import { textReader } from './text-reader.ts'
import { createTransport, type Transport } from './transport.ts'
import { nothingSpent, type ModelReply, type ModelRequest, type ModelSpend } from '../call.ts'

export type ModelCaller = (request: ModelRequest, context: CallContext) => Promise<ModelReply>

/** The part of a ServiceContext that it needs. */
export interface ModelSettings {
  readonly fleet: {
    readonly models: Pick<Fleet['models'], 'providers'> & Partial<Pick<Fleet['models'], 'sizes'>>
  }
  readonly environment: Pick<Environment, 'raw'>
}

/** One call of the host, with the watch that may stop it. */
interface Watching {
  readonly call: CallContext
  readonly watch: CallWatch
}

interface Provider {
  readonly name: string
  readonly server: ModelServer
  readonly keyEnv: string | undefined
  /** As messages show it. */
  readonly baseUrl: string
  readonly isOpenAi: boolean
  /** Refused so far, by model. */
  readonly refused: Map<string, Set<Refusal>>
  served: { model: string; untilMs: number } | null
}

/** How long the model that a server named is used without asking again. */
const SERVED_MODEL_TTL_MS = 60_000
/** Models whose refusals are remembered, per provider. Names come from tasks. */
const MAX_REMEMBERED_MODELS = 1_000

export function createModelCaller(settings: ModelSettings): ModelCaller {
  const variables = settings.environment.raw
  const definitions = { ...discoverModels(variables).providers, ...settings.fleet.models.providers }
  const limits = new Map<string, CallLimits>()
  const limitsOf = (name: string): CallLimits => {
    const found = limits.get(name) ?? callLimitsOf(name, definitions[name])
    limits.set(name, found)
    return found
  }
  const providers = new Map<string, Provider>()
  const transport = createTransport(variables)
  const providerOf = (model: string): Provider => {
    const missing = missingSetting(model, definitions, variables)
    if (missing !== null)
      throw new FlotillaError('MODEL_NOT_CONFIGURED', `Model "${model}" is not configured here. ${missing}`)
    const { provider: name } = parseModel(model)
    let provider = providers.get(name)
    if (provider === undefined)
      providers.set(name, (provider = connect(name, definitions[name], variables, transport)))
    return provider
  }
  return async (request, call) => {
    const provider = providerOf(request.model)
    const asked = parseModel(request.model).model
    const site = siteOf(provider, asked)
    const watch = new CallWatch({ ...site, limits: limitsOf(provider.name) }, call.signal)
    try {
      const named = asked === SERVED_MODEL ? await servedModel(provider, site, { call, watch }) : asked
      const sizes = sizeOf(request.model, settings.fleet.models.sizes ?? [])
      const fitting = await fitToWindow(request, sizes, site)
      if (watch.stopped) throw withSpend(watch.stopped, nothingSpent)
      return await complete(provider, { ...site, model: named }, fitting, { call, watch })
    } finally {
      watch.close()
    }
  }
}

function connect(
  name: string,
  definition: { readonly baseUrl: string; readonly keyEnv?: string } | undefined,
  variables: Readonly<Record<string, string | undefined>>,
  transport: Transport,
): Provider {
  const { baseUrl = '', keyEnv } = definition ?? {}
  const key = keyEnv === undefined ? undefined : variables[keyEnv]?.trim()
  // A test, or a program that embeds this, may pass variables that no start has read.
  if (key !== undefined) keepSecrets([key])
  const isOpenAi = URL.canParse(baseUrl) && new URL(baseUrl).hostname === 'api.openai.com'
  const server = new ModelServer(
    {
      baseURL: baseUrl,
      apiKey: key,
      organization: isOpenAi ? variables['OPENAI_ORG_ID'] : null,
      project: isOpenAi ? variables['OPENAI_PROJECT_ID'] : null,
    },
    transport,
  )
  return { name, server, keyEnv, baseUrl: shownUrl(baseUrl), isOpenAi, refused: new Map(), served: null }
}

function siteOf(provider: Provider, model: string): CallSite {
  const { name, keyEnv, baseUrl } = provider
  return { provider: name, model, keyEnv, baseUrl }
}

/** The model that a self-hosted server holds, from its own list. */
async function servedModel(provider: Provider, site: CallSite, watching: Watching): Promise<string> {
  if (provider.served !== null && provider.served.untilMs > Date.now()) return provider.served.model
  try {
    let model: unknown
    const take = (text: string) =>
      (model = shapeOf(listOf(shapeOf(JSON.parse(behindGuard(text)))['data'])[0])['id'])
    await provider.server.exchange({ path: '/models', body: null, ...watching }, () => textReader(take))
    if (typeof model !== 'string') throw noModel(site)
    provider.served = { model, untilMs: Date.now() + SERVED_MODEL_TTL_MS }
    return model
  } catch (error) {
    // A server without a list of models accepts any name.
    if (isNotFound(error)) return SERVED_MODEL
    throw toModelError(error, site, watching, null)
  }
}

function noModel({ provider, baseUrl }: CallSite): FlotillaError {
  const message = `${provider} at ${baseUrl} holds no model. Load one there (for Ollama: ollama pull), or name one.`
  return new FlotillaError('MODEL_REQUEST_REFUSED', message)
}

async function complete(
  provider: Provider,
  site: CallSite,
  request: ModelRequest,
  watching: Watching,
): Promise<ModelReply> {
  const { call, watch } = watching
  for (;;) {
    const refused = provider.refused.get(site.model) ?? new Set()
    const reader = new ReplyReader(request, site)
    watch.reader = reader
    const tokens = batchTokens(call, request.step)
    try {
      const body = bodyOf(request, site.model, refused, provider.isOpenAi)
      await ask(provider, jsonOfBody(body), reader, request.stream ? tokens : unheard, watching)
      if (watch.stopped) throw withSpend(watch.stopped, reader.spend())
      return reader.reply()
    } catch (error) {
      const found = isRequestError(error) ? refusalsIn(failureOf(error)) : []
      const unknown = found.filter((refusal) => !refused.has(refusal))
      if (unknown.length === 0) throw toModelError(error, site, watching, reader)
      remember(provider, site.model, unknown)
    } finally {
      tokens.end()
    }
  }
}

/** Used if streamed text was not asked for. */
const unheard: TokenBatcher = { add: () => {}, end: () => {} }

function remember(provider: Provider, model: string, refusals: readonly Refusal[]): void {
  if (provider.refused.size >= MAX_REMEMBERED_MODELS) provider.refused.clear()
  provider.refused.set(model, new Set([...(provider.refused.get(model) ?? []), ...refusals]))
}

async function ask(
  provider: Provider,
  body: string,
  reader: ReplyReader,
  tokens: TokenBatcher,
  watching: Watching,
): Promise<void> {
  const { watch } = watching
  const asking = { path: '/chat/completions', body, ...watching, onSent: () => reader.sent() } as const
  const hasEnded = () => true
  try {
    await provider.server.exchange(
      asking,
      (headers) =>
        new AnswerReader(
          {
            whole: (value) => tokens.add(reader.completion(value)),
            part: (isWhole) => watch.heard(isWhole),
            chunk: (value) => {
              const before = reader.parts
              tokens.add(reader.chunk(value))
              if (reader.parts > before) watch.heard(reader.hasEnded ? hasEnded : undefined)
            },
            hasEnded: () => reader.hasEnded,
            done: () => reader.done(),
            failed: (error) => saidWithin(error, headers),
          },
          String(headers['content-type'] ?? ''),
        ),
    )
  } catch (error) {
    // The answer was whole: at most its usage is lost.
    if (!reader.hasEnded || error instanceof FlotillaError || isRequestError(error)) throw error
  }
}

/** Any thrown error, as an error of the table. */
function toModelError(
  error: unknown,
  site: CallSite,
  { watch }: Watching,
  reader: ReplyReader | null,
): FlotillaError {
  if (watch.stopped) return withSpend(watch.stopped, reader?.spend() ?? nothingSpent)
  const used = spentBefore(error, reader)
  if (error instanceof FlotillaError) return error
  if (error instanceof SyntaxError) {
    const said = redacted(error.message)
    const isEmpty = error instanceof NotJson && said === ''
    const what = isEmpty ? 'sent an empty body as its answer' : 'sent something that is not JSON'
    const shown = error instanceof NotJson && !isEmpty ? `: ${said}` : '.'
    const message = `${site.provider} ${what} (model ${site.model})${shown}`
    return new FlotillaError('MODEL_ANSWER_MALFORMED', message, { details: used, cause: error })
  }
  if (isUnpackingError(error)) {
    const message = `${site.provider} sent an answer that is not packed as its content-encoding says (model ${site.model}): ${error.message}.`
    return new FlotillaError('MODEL_ANSWER_MALFORMED', message, { details: used, cause: error })
  }
  const failure = failureOf(error)
  // Redacted before it is cut: half a key would not be found.
  const received = reader?.received ?? ''
  const isSent = reader?.isSent === true
  return providerError({ ...failure, message: redacted(failure.message), received, isSent }, site, used)
}

/**
 * A provider that reports an error before it answers has refused the request; one that is silent may have
 * read it.
 */
function spentBefore(error: unknown, reader: ReplyReader | null): ModelSpend {
  return reader === null || (isSaid(error) && !reader.hasBegun) ? nothingSpent : reader.spend()
}

/** A stopped call (by the host, or at its time limit), with its usage. */
function withSpend({ code, message, retryable }: FlotillaError, details: ModelSpend): FlotillaError {
  return new FlotillaError(code, message, { details, retryable })
}
