// The openai package, behind what a model call needs of it: it builds a provider's requests (URL, key, headers), and has
// the errors. The only file that knows it.
//
// A request is built once for each path of a provider, and sent by transport.ts: building, logging and streaming each
// call with the package took more processor time than all else of it.
import OpenAI from 'openai'
import { messageOf } from '../../../runtime/errors.ts'
import { isDeeperThan } from '../../../runtime/json/depth.ts'
import type { CallContext } from '../../../runtime/stage.ts'
import { MAX_SHOWN_DEPTH, readError } from './bodies.ts'
import { NOT_HTTP, type ProviderFailure } from './errors.ts'
import { behindGuard } from './json-values.ts'
import { errorReader } from './text-reader.ts'
import { httpUrl, type BodyReader, type HttpHeaders, type HttpUrl, type Transport } from './transport.ts'
import type { CallWatch } from './watch.ts'

/** The body of a chat completion, as the package types it. */
export type ChatBody = OpenAI.ChatCompletionCreateParams

/** The watch ends calls; the package's own limit must never be reached first. */
const NEVER_MS = 2_147_483_647

/** Errors of a chain that are read. */
const MAX_CAUSES = 6

export interface ServerSettings {
  readonly baseURL: string
  readonly apiKey: string | undefined
  readonly organization: string | null | undefined
  readonly project: string | null | undefined
}

/** What the requests of one path have in common. */
interface Prepared {
  readonly method: 'GET' | 'POST'
  readonly url: HttpUrl
  readonly headers: readonly string[]
}

/** One request of a call. */
export interface Asking {
  readonly path: '/chat/completions' | '/models'
  /** JSON. Null: the request has none. */
  readonly body: string | null
  readonly call: Pick<CallContext, 'callId' | 'traceparent'>
  readonly watch: Pick<CallWatch, 'guard'>
  /** Called when the request begins to leave. */
  readonly onSent?: () => void
}

/** A server, to which connections stay open between calls. */
export class ModelServer {
  readonly #client: OpenAI
  readonly #transport: Transport
  readonly #prepared = new Map<string, Prepared>()

  constructor({ apiKey, ...settings }: ServerSettings, transport: Transport) {
    this.#transport = transport
    this.#client = new OpenAI({
      ...settings,
      // Servers without keys ignore the key; the package requires one.
      apiKey: apiKey ?? 'none',
      ...(apiKey === undefined && { defaultHeaders: basicHeader(settings.baseURL) }),
      maxRetries: 0,
      timeout: NEVER_MS,
      logLevel: 'off',
    })
  }

  /**
   * Has the answer's body read by the reader from `answered`. Rejects with an error of the package if no answer comes
   * or its status says that the request failed, else with what the reader throws.
   */
  async exchange(asking: Asking, answered: (headers: HttpHeaders) => BodyReader): Promise<void> {
    const { path, body, call, watch, onSent = () => {} } = asking
    const { method, url, headers } = this.#prepared.get(path) ?? (await this.#prepare(path, body !== null))
    const trace = call.traceparent === null ? [] : ['traceparent', call.traceparent]
    const own = [...headers, 'idempotency-key', call.callId, ...trace]
    let hasAnswered = false
    const running = this.#transport({ method, url, headers: own, body, onSent }, (status, heard) => {
      hasAnswered = true
      if (status >= 200 && status < 300) return answered(heard)
      return errorReader((said) => {
        throw statusError(status, said, heard)
      })
    })
    watch.guard(running)
    try {
      await running.done
    } catch (error) {
      throw hasAnswered ? error : connectionError(error as Error)
    }
  }

  async #prepare(path: string, hasBody: boolean): Promise<Prepared> {
    const asked = hasBody ? ({ method: 'post', path, body: {} } as const) : ({ method: 'get', path } as const)
    const { req, url } = await this.#client.buildRequest(asked)
    const headers = [...req.headers].flat()
    const prepared: Prepared = { method: hasBody ? 'POST' : 'GET', url: httpUrl(url), headers }
    this.#prepared.set(path, prepared)
    return prepared
  }
}

/** The user and password of a URL, which a proxy before a server without keys may want. */
function basicHeader(baseUrl: string): Record<string, string> {
  const { username = '', password = '' } = URL.parse(baseUrl) ?? {}
  if (username === '' && password === '') return {}
  const pair = `${decoded(username)}:${decoded(password)}`
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
}

/** A part of a URL; as it is written if that is no escape. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The server has said that the request failed: with its status, or within an answer. */
export const isSaid = (error: unknown): boolean =>
  error instanceof OpenAI.APIError && !(error instanceof OpenAI.APIConnectionError)

/** The request has failed: the server said so, or could not be reached. */
export const isRequestError = (error: unknown): boolean => error instanceof OpenAI.APIError

export const isNotFound = (error: unknown): boolean => error instanceof OpenAI.NotFoundError

/** An answer with another status than 2xx. */
function statusError(status: number, text: string, headers: HttpHeaders): Error {
  const said = parsedOrUndefined(text)
  const isWrapped =
    typeof said !== 'object' ||
    said === null ||
    ('error' in said && said.error !== undefined && said.error !== null)
  return OpenAI.APIError.generate(
    status,
    (isWrapped ? said : { error: said }) as object | undefined,
    said ? undefined : text,
    headersOf(headers),
  )
}

function parsedOrUndefined(text: string): unknown {
  try {
    return JSON.parse(behindGuard(text))
  } catch {
    return undefined
  }
}

/** No answer came. */
function connectionError(error: Error): Error {
  const isTimeout = /timed? ?out/i.test(`${String(error)} ${String(error.cause ?? '')}`)
  if (!isTimeout) return new OpenAI.APIConnectionError({ message: deepestMessage(error), cause: error })
  return Object.assign(new OpenAI.APIConnectionTimeoutError(), { cause: error })
}

/** The message at the bottom of a chain of causes, which says what happened; of several failures the first one's. */
function deepestMessage(error: Error): string {
  let message = error.message
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < MAX_CAUSES; depth++) {
    message = at.message || message
    at = at instanceof AggregateError ? at.errors[0] : at.cause
  }
  return message
}

function headersOf(headers: HttpHeaders): Headers {
  const found = new Headers()
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) found.set(name, Array.isArray(value) ? value.join(', ') : value)
  return found
}

/** An error within an answer of status 200, with the status that it names. */
export function saidWithin(error: unknown, headers: HttpHeaders): Error {
  const { status, message } = readError(error)
  // The package would print all of it.
  const shown = isDeeperThan(error, MAX_SHOWN_DEPTH) ? { message } : error
  return new OpenAI.APIError(status ?? undefined, shown as object, undefined, headersOf(headers))
}

export function failureOf(error: unknown): ProviderFailure {
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
  for (let at = error, depth = 0; at instanceof Error && depth < MAX_CAUSES; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string' && !(at instanceof OpenAI.APIError)) deepest = at.code
    // undici names a code for it that its constants lack.
    else if (at.name === 'HTTPParserError') deepest = NOT_HTTP
    if (at instanceof AggregateError && deepest === null) deepest = socketError(at.errors[0])
  }
  if (deepest !== null) return deepest
  if (error instanceof OpenAI.APIConnectionTimeoutError) return 'ETIMEDOUT'
  return error instanceof OpenAI.APIConnectionError || error instanceof TypeError ? 'connection failed' : null
}
