// Calls models as the openai package does: it builds a provider's requests (URL, key, headers), types bodies and has
// the errors; this is the only file that knows it. Any OpenAI-compatible base URL works.
//
// 1. A request is built once a provider and sent by transport.ts: building, logging and streaming each call with the
//    package cost more processor time than all else of it.
// 2. One request a call. Retries, fallbacks and waiting belong to the planner, which can be replayed; only a
//    request that was refused for something this model does not accept is sent again without it (nothing
//    was spent).
// 3. Rejects with a FlotillaError of the table, with Retry-After and the call's usage: nothing if the request
//    never left or was refused by a status; otherwise the provider's figures, or the prompt and the part that
//    had arrived, counted here.
// 4. A key never appears in a message.
import OpenAI from 'openai'
import { FlotillaError, messageOf } from '../../../runtime/errors.ts'
import { discoverModels, missingSetting } from '../../../runtime/models/discovery.ts'
import { isDeeperThan } from '../../../runtime/json-depth.ts'
import { keepSecrets, redacted, shownUrl } from '../../../runtime/redaction.ts'
import { callLimitsOf, type CallLimits } from '../../../runtime/models/call-limits.ts'
import { parseModel, SERVED_MODEL } from '../../../runtime/models/names.ts'
import { sizeOf } from '../../../runtime/models/sizes.ts'
import type { Environment } from '../../../runtime/config/environment.ts'
import type { Fleet } from '../../../runtime/config/fleet.ts'
import type { CallContext } from '../../../runtime/stage.ts'
import { fitToWindow } from './context-window.ts'
import { providerError, type CallSite, type ProviderFailure } from './errors.ts'
import { MAX_SHOWN_DEPTH, readError } from './bodies.ts'
import { NotJson } from './json-values.ts'
import { listOf, shapeOf } from './shapes.ts'
import { AnswerReader } from './sse.ts'
import { ReplyReader } from './reply.ts'
import { refusalsIn, type Refusal } from './refusals.ts'
import { bodyOf } from './request.ts'
import { CallWatch } from './watch.ts'
import { batchTokens, type TokenBatcher } from './token-stream.ts'
import { errorReader, textReader } from './text-reader.ts'
import { createTransport, httpUrl, type Answered, type HttpHeaders, type HttpUrl, type Transport } from './transport.ts'
import { isUnpackingError } from './unpacking.ts'
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

/** What the requests of one path have in common. */
interface Prepared {
  readonly method: 'GET' | 'POST'
  readonly url: HttpUrl
  readonly headers: readonly string[]
}

interface Provider {
  readonly name: string
  readonly client: OpenAI
  readonly transport: Transport
  /** By path. */
  readonly prepared: Map<string, Prepared>
  readonly keyEnv: string | undefined
  readonly baseUrl: string
  readonly isOpenAi: boolean
  /** Refused so far, by model. */
  readonly refused: Map<string, Set<Refusal>>
  served: { model: string; untilMs: number } | null
}

/** The watch ends calls; the package's own limit must never be reached first. */
const NEVER_MS = 2_147_483_647
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
  const client = new OpenAI({
    baseURL: baseUrl,
    // Servers without keys ignore the key; the package requires one.
    apiKey: key ?? 'none',
    organization: isOpenAi ? variables['OPENAI_ORG_ID'] : null,
    project: isOpenAi ? variables['OPENAI_PROJECT_ID'] : null,
    maxRetries: 0,
    timeout: NEVER_MS,
    logLevel: 'off',
  })
  const [prepared, refused] = [new Map<string, Prepared>(), new Map<string, Set<Refusal>>()]
  return { name, client, transport, prepared, keyEnv, baseUrl, isOpenAi, refused, served: null }
}

function siteOf(provider: Provider, model: string): CallSite {
  const { name, keyEnv, baseUrl } = provider
  return { provider: name, model, keyEnv, baseUrl: shownUrl(baseUrl) }
}

/** The model that a self-hosted server holds, from its own list. */
async function servedModel(provider: Provider, site: CallSite, watching: Watching): Promise<string> {
  if (provider.served !== null && provider.served.untilMs > Date.now()) return provider.served.model
  try {
    let model: unknown
    const take = (text: string) => (model = shapeOf(listOf(shapeOf(JSON.parse(text))['data'])[0])['id'])
    await exchange(provider, '/models', null, watching, () => textReader(take))
    if (typeof model !== 'string') throw noModel(site)
    provider.served = { model, untilMs: Date.now() + SERVED_MODEL_TTL_MS }
    return model
  } catch (error) {
    // A server without a list of models accepts any name.
    if (error instanceof OpenAI.NotFoundError) return SERVED_MODEL
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
    watch.received = () => reader.received
    const tokens = batchTokens(call, request.step)
    try {
      const body = bodyOf(request, site.model, refused, provider.isOpenAi)
      await ask(provider, body, reader, request.stream ? tokens : unheard, watching)
      if (watch.stopped) throw withSpend(watch.stopped, reader.spend())
      return reader.reply()
    } catch (error) {
      const found = error instanceof OpenAI.APIError ? refusalsIn(failureOf(error)) : []
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
  body: OpenAI.ChatCompletionCreateParams,
  reader: ReplyReader,
  tokens: TokenBatcher,
  watching: Watching,
): Promise<void> {
  const { watch } = watching
  const hasEnded = () => true
  const answered = (headers: HttpHeaders) =>
    new AnswerReader({
      whole: (value) => tokens.add(reader.completion(value)),
      part: (isWhole) => watch.heard(isWhole),
      chunk: (value) => {
        const before = reader.parts
        tokens.add(reader.chunk(value))
        if (reader.parts > before) watch.heard(reader.hasEnded ? hasEnded : undefined)
      },
      done: () => reader.done(),
      failed: (error) => saidWithin(error, headers),
    })
  try {
    await exchange(provider, '/chat/completions', JSON.stringify(body), watching, answered, reader)
  } catch (error) {
    // The answer was whole: at most its usage is lost.
    if (!reader.hasEnded || error instanceof FlotillaError || error instanceof OpenAI.APIError) throw error
  }
}

/** Rejects with an APIError of the package if the request fails or its status says so, else with what `answered` throws. */
async function exchange(
  provider: Provider,
  path: string,
  body: string | null,
  { call: { callId, traceparent }, watch }: Watching,
  answered: (headers: HttpHeaders) => ReturnType<Answered>,
  reader?: ReplyReader,
): Promise<void> {
  const { method, url, headers } = provider.prepared.get(path) ?? (await prepare(provider, path, body !== null))
  const own = [...headers, 'idempotency-key', callId, ...(traceparent === null ? [] : ['traceparent', traceparent])]
  let hasAnswered = false
  const request = { method, url, headers: own, body, onSent: () => reader?.sent() }
  const running = provider.transport(request, (status, heard) => {
    hasAnswered = true
    if (status >= 200 && status < 300) return answered(heard)
    return errorReader((text) => {
      throw statusError(status, text, heard)
    })
  })
  watch.guard(running)
  try {
    await running.done
  } catch (error) {
    throw hasAnswered ? error : connectionError(error as Error)
  }
}

async function prepare({ client, prepared }: Provider, path: string, hasBody: boolean): Promise<Prepared> {
  const method = hasBody ? 'POST' : 'GET'
  const { req, url } = await client.buildRequest({
    method: hasBody ? 'post' : 'get',
    path,
    ...(hasBody ? { body: {} } : {}),
  })
  const built = { method, url: httpUrl(url), headers: [...req.headers].flat() } as const
  prepared.set(path, built)
  return built
}

/** An answer with another status than 2xx. */
function statusError(status: number, text: string, headers: HttpHeaders): Error {
  const said = parsedOrUndefined(text)
  const isWrapped = typeof said !== 'object' || said === null || ('error' in said && said.error !== undefined && said.error !== null)
  return OpenAI.APIError.generate(
    status,
    (isWrapped ? said : { error: said }) as object | undefined,
    said ? undefined : text,
    headersOf(headers),
  )
}

function parsedOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** No answer came. */
function connectionError(error: Error): Error {
  const isTimeout = /timed? ?out/i.test(`${String(error)} ${String(error.cause ?? '')}`)
  if (!isTimeout) return new OpenAI.APIConnectionError({ cause: error })
  return Object.assign(new OpenAI.APIConnectionTimeoutError(), { cause: error })
}

function headersOf(headers: HttpHeaders): Headers {
  const found = new Headers()
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) found.set(name, Array.isArray(value) ? value.join(', ') : value)
  return found
}

/** An error within an answer of status 200, with the status that it names. */
function saidWithin(error: unknown, headers: HttpHeaders): Error {
  const { status, message } = readError(error)
  // The package would print all of it.
  const shown = isDeeperThan(error, MAX_SHOWN_DEPTH) ? { message } : error
  return new OpenAI.APIError(status ?? undefined, shown as object, undefined, headersOf(headers))
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
    const shown = error instanceof NotJson && said !== '' ? `: ${said}` : '.'
    const message = `${site.provider} sent something that is not JSON (model ${site.model})${shown}`
    return new FlotillaError('MODEL_ANSWER_MALFORMED', message, { details: used, cause: error })
  }
  if (isUnpackingError(error)) {
    const message = `${site.provider} sent an answer that is not packed as its content-encoding says (model ${site.model}): ${error.message}.`
    return new FlotillaError('MODEL_ANSWER_MALFORMED', message, { details: used, cause: error })
  }
  const failure = failureOf(error)
  // Redacted before it is cut: half a key would not be found.
  const received = reader?.received ?? ''
  return providerError({ ...failure, message: redacted(failure.message), received }, site, used)
}

/**
 * A provider that reports an error before it answers has refused the request; one that is silent may have
 * read it.
 */
function spentBefore(error: unknown, reader: ReplyReader | null): ModelSpend {
  const isSaid = error instanceof OpenAI.APIError && !(error instanceof OpenAI.APIConnectionError)
  return reader === null || (isSaid && !reader.hasBegun) ? nothingSpent : reader.spend()
}

/** A stopped call (by the host, or at its time limit), with its usage. */
function withSpend({ code, message, retryable }: FlotillaError, details: ModelSpend): FlotillaError {
  return new FlotillaError(code, message, { details, retryable })
}

function failureOf(error: unknown): ProviderFailure {
  const api = error instanceof OpenAI.APIError ? error : undefined
  const said = readError(api?.error)
  const words = messageOf(error).replace(/^\d{3} /, '')
  return {
    status: api?.status,
    codes: said.codes,
    param: said.param,
    message: said.message || words,
    // An error within an answer came over a connection that works.
    cause: api !== undefined && api.error !== undefined ? null : socketError(error),
    header: (name) => api?.headers?.get(name) ?? said.headers[name] ?? null,
    retryDelay: said.retryDelay,
  }
}

/** The code at the bottom of a chain of causes: `TypeError: fetch failed` says nothing by itself. */
function socketError(error: unknown): string | null {
  let deepest: string | null = null
  for (let at = error, depth = 0; at instanceof Error && depth < 6; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string' && !(at instanceof OpenAI.APIError)) deepest = at.code
    if (at instanceof AggregateError && deepest === null) deepest = socketError(at.errors[0])
  }
  if (deepest !== null) return deepest
  if (error instanceof OpenAI.APIConnectionTimeoutError) return 'ETIMEDOUT'
  return error instanceof OpenAI.APIConnectionError || error instanceof TypeError ? 'connection failed' : null
}
