// HTTP for tools: the one place that sends requests.
//
// 1. No connection is made to an address that is not public (loopback, private, link-local, metadata services, …) unless its
//    host is allowed. The address is checked as it is dialled, after resolution, so a name that resolves differently
//    the second time (DNS rebinding) gains nothing. Redirects dial anew, and so are checked too.
// 2. A body is read up to its limit and no further.
// 3. Failures: TOOL_DENIED (address or scheme refused), TOOL_TARGET_UNAVAILABLE (unreachable, 5xx, 408, 429; may be tried
//    again, after Retry-After), TOOL_FAILED (any other status).
import { Agent, request, type Dispatcher } from 'undici'
import { FlotillaError } from '../../../runtime/errors.ts'
import { AddressRefused, CONNECT_TIMEOUT_MS, guardedConnector } from './address-guard.ts'

const MAX_REDIRECTS = 5
const redirects = new Set([301, 302, 303, 307, 308])

export interface WebRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly maxBytes: number
  readonly signal: AbortSignal
}

export interface WebResponse {
  /** After redirects. */
  readonly url: string
  readonly contentType: string
  readonly body: Buffer
  /** The body was longer than `maxBytes`. */
  readonly truncated: boolean
}

export interface Web {
  fetch(url: string, request: WebRequest): Promise<WebResponse>
}

/** `allowed`: hosts, `name` or `name:port`, that may be private; asked at each connection. */
export function createWeb(allowed: () => readonly string[]): Web {
  const dispatcher = new Agent({ connect: guardedConnector(allowed), headersTimeout: 0, bodyTimeout: 0 })
  return { fetch: (url, options) => follow(dispatcher, url, options) }
}

/** Hosts from FLOTILLA_ALLOW_PRIVATE_HOSTS, separated by commas. */
function allowedPrivateHosts(): string[] {
  const text = process.env['FLOTILLA_ALLOW_PRIVATE_HOSTS'] ?? ''
  return text.split(',').flatMap((host) => host.trim().toLowerCase() || [])
}

/** For public addresses, plus what the environment allows. */
export const publicWeb: Web = createWeb(allowedPrivateHosts)
/** For addresses that the fleet's owner wrote into the configuration. */
export const trustedWeb: Web = createTrustedWeb()

function createTrustedWeb(): Web {
  const dispatcher = new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS },
    headersTimeout: 0,
    bodyTimeout: 0,
  })
  return { fetch: (url, options) => follow(dispatcher, url, options) }
}

/** Only GET follows redirects. Headers of ours (keys, cookies) stay with the origin that they were meant for. */
async function follow(dispatcher: Dispatcher, start: string, options: WebRequest): Promise<WebResponse> {
  let url = webUrl(start)
  const { origin } = url
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const { headers = {}, ...rest } = options
    const response = await send(dispatcher, url, url.origin === origin ? { ...rest, headers } : rest)
    const location = response.headers['location']
    const redirected = redirects.has(response.statusCode) && typeof location === 'string'
    if (!redirected || (options.method ?? 'GET') !== 'GET') return finish(url, response, options)
    await response.body.dump().catch(() => {})
    url = webUrl(location, url)
  }
  throw new FlotillaError('TOOL_FAILED', `${start} redirects more than ${MAX_REDIRECTS} times`)
}

function webUrl(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href)
  if (!url) throw new FlotillaError('TOOL_ARGUMENTS_INVALID', `${text} is not a URL`)
  if (url.protocol === 'http:' || url.protocol === 'https:') return url
  throw new FlotillaError('TOOL_DENIED', `${url.protocol} is not allowed: only http: and https: are fetched`)
}

async function send(dispatcher: Dispatcher, url: URL, options: WebRequest): Promise<Dispatcher.ResponseData> {
  const { method = 'GET', headers = {}, body = null, signal } = options
  const sent = { 'user-agent': 'Flotilla (an LLM agent)', ...headers }
  try {
    return await request(url, { dispatcher, method, headers: sent, body, signal })
  } catch (error) {
    throw unreachable(url, signal, error)
  }
}

/** What kept a request from an answer. An abort passes as it is: whoever aborted knows why. */
function unreachable(url: URL, signal: AbortSignal, error: unknown): Error {
  if (signal.aborted) return error instanceof Error ? error : new Error('aborted')
  if (error instanceof AddressRefused) return new FlotillaError('TOOL_DENIED', error.message)
  const { message, code } = error as Error & { code?: string }
  return new FlotillaError('TOOL_TARGET_UNAVAILABLE', `fetching ${url.href}: ${message || code}`, {
    cause: error,
  })
}

async function finish(
  url: URL,
  response: Dispatcher.ResponseData,
  options: WebRequest,
): Promise<WebResponse> {
  const { body, truncated } = await limited(url, response, options)
  const { statusCode } = response
  if (statusCode < 200 || statusCode > 299) throw refusedBy(url, response, body)
  const contentType = String(response.headers['content-type'] ?? '').toLowerCase()
  return { url: url.href, contentType, body, truncated }
}

async function limited(url: URL, response: Dispatcher.ResponseData, { maxBytes, signal }: WebRequest) {
  const chunks: Buffer[] = []
  let left = maxBytes
  try {
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      chunks.push(chunk.subarray(0, left))
      left -= chunk.length
      if (left < 0) break
    }
  } catch (error) {
    throw unreachable(url, signal, error)
  }
  return { body: Buffer.concat(chunks), truncated: left < 0 }
}

/** Bytes of an error page that are shown to the model. */
const SHOWN_BYTES = 300

function refusedBy(url: URL, { statusCode, headers }: Dispatcher.ResponseData, body: Buffer): FlotillaError {
  const shown = body.subarray(0, SHOWN_BYTES).toString().replaceAll(/\s+/g, ' ').trim()
  const message = `${url.href} answered ${statusCode}${shown === '' ? '' : `: ${shown}`}`
  if (statusCode < 500 && statusCode !== 408 && statusCode !== 429)
    return new FlotillaError('TOOL_FAILED', message)
  const retryAfterMs = retryAfter(headers['retry-after'])
  const wait = retryAfterMs === null ? {} : { retryAfterMs }
  return new FlotillaError('TOOL_TARGET_UNAVAILABLE', message, { details: { status: statusCode }, ...wait })
}

/** Retry-After: seconds, or a date. */
function retryAfter(value: string | string[] | undefined): number | null {
  if (typeof value !== 'string') return null
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : null
}
