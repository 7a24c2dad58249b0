// HTTP for tools: the only module that sends requests.
//
// 1. No connection is made to an address that is not public (loopback, private, link-local, metadata
//    services, …) unless its host is allowed. The address is checked on connecting, after resolution, so a
//    name that resolves differently the second time (DNS rebinding) gains nothing. Redirects connect again,
//    so they are checked too.
// 2. A body is unpacked, and read up to its limit and no further: the limit applies to the unpacked size.
// 3. Messages show only a URL's origin and path, or the tool's own text instead: user, query and fragment may
//    hold secrets.
// 4. Failures: TOOL_DENIED (address, scheme, host or redirect refused), TOOL_TARGET_UNAVAILABLE (unreachable,
//    5xx, 408, 429; may be retried, after Retry-After), TOOL_FAILED (any other status).
import { Agent, request, type Dispatcher } from 'undici'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { redacted, shownUrl } from '../../../../runtime/text/redaction.ts'
import { ACCEPTED_ENCODINGS, unpack } from './content-encoding.ts'
import { AddressRefused, CONNECT_TIMEOUT_MS, guardedConnector } from './address-guard.ts'

const MAX_REDIRECTS = 5
const redirects = new Set([301, 302, 303, 307, 308])

export interface WebRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly maxBytes: number
  readonly signal: AbortSignal
  /**
   * Hosts that may be asked, redirects included: `name`, `name:port`, `*.name` for those below it. Absent:
   * any.
   */
  readonly hosts?: readonly string[]
  /** True: a redirect to another origin is refused. */
  readonly sameOrigin?: boolean
  /** Stands for the URL in messages. Default: its origin and path. */
  readonly shown?: string
}

export interface WebResponse {
  /** After redirects, without user and password. */
  readonly url: string
  /** For messages. */
  readonly shown: string
  readonly contentType: string
  readonly body: Buffer
  /** The body was longer than `maxBytes`. */
  readonly truncated: boolean
}

/** Options of the tools that fetch any address. */
export interface WebOptions {
  /**
   * Hosts that may be asked, redirects included: `name`, `name:port`, `*.name` for those below it. Default:
   * any public one.
   */
  readonly hosts?: readonly string[]
  readonly web?: Web
}

/** Whether requests may go to any host, where others can read the data in their URLs. */
export const isOpen = (hosts: readonly string[] | undefined): boolean =>
  hosts === undefined || hosts.some((pattern) => pattern === '*' || /^\*:/.test(pattern))

export interface Web {
  fetch(url: string, request: WebRequest): Promise<WebResponse>
}

/**
 * `allowed`: hosts, `name` or `name:port`, that may be private; read at each connection, like the ports that
 * stay closed.
 */
export function createWeb(
  allowed: () => readonly string[],
  closedPorts: () => readonly string[] = () => [],
): Web {
  const connect = guardedConnector(() => ({ hosts: allowed(), closedPorts: closedPorts() }))
  const dispatcher = new Agent({ connect, headersTimeout: 0, bodyTimeout: 0 })
  return { fetch: (url, options) => follow(dispatcher, url, options) }
}

const DEFAULT_PORT = '8000'

/** Hosts from FLOTILLA_ALLOW_PRIVATE_HOSTS, separated by commas. */
function allowedPrivateHosts(): string[] {
  const text = process.env['FLOTILLA_ALLOW_PRIVATE_HOSTS'] ?? ''
  return text.split(',').flatMap((host) => host.trim().toLowerCase() || [])
}

/** For public addresses, plus what the environment allows. */
export const publicWeb: Web = createWeb(allowedPrivateHosts, () => [
  process.env['PORT']?.trim() || DEFAULT_PORT,
])
/** For addresses from the fleet's configuration. */
export const trustedWeb: Web = createTrustedWeb()

function createTrustedWeb(): Web {
  const dispatcher = new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS },
    headersTimeout: 0,
    bodyTimeout: 0,
  })
  return { fetch: (url, options) => follow(dispatcher, url, options) }
}

/** A requested URL, and its form in messages. */
interface Target {
  readonly url: URL
  readonly shown: string
}

/** Only GET follows redirects. Our headers (keys, cookies) stay with the origin that they were meant for. */
async function follow(dispatcher: Dispatcher, start: string, options: WebRequest): Promise<WebResponse> {
  const first = webUrl(start, options)
  let at: Target = { url: first, shown: options.shown ?? shownUrl(first) }
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const { headers = {}, ...rest } = options
    const isHome = at.url.origin === first.origin
    const response = await send(dispatcher, at, isHome ? { ...rest, headers } : rest)
    const location = response.headers['location']
    const redirected = redirects.has(response.statusCode) && typeof location === 'string'
    if (!redirected || (options.method ?? 'GET') !== 'GET') return finish(at, response, options)
    await response.body.dump().catch(() => {})
    const next = webUrl(location, options, at.url)
    if (options.sameOrigin && next.origin !== first.origin)
      throw new FlotillaError('TOOL_DENIED', `${at.shown} redirects to another origin, ${next.origin}`)
    at = { url: next, shown: options.shown ?? shownUrl(next) }
  }
  const shown = options.shown ?? shownUrl(first)
  throw new FlotillaError('TOOL_FAILED', `${shown} redirects more than ${MAX_REDIRECTS} times`)
}

function webUrl(text: string, { hosts }: WebRequest, base?: URL): URL {
  const url = URL.parse(text, base?.href)
  if (!url) throw new FlotillaError('TOOL_ARGUMENTS_INVALID', `${text.slice(0, 200)} is not a URL`)
  if (url.protocol === 'http:' || url.protocol === 'https:') return assertAllowed(url, hosts)
  throw new FlotillaError('TOOL_DENIED', `${url.protocol} is not allowed: only http: and https: are fetched`)
}

function assertAllowed(url: URL, hosts: readonly string[] | undefined): URL {
  if (hosts === undefined || hosts.some((pattern) => matches(pattern.toLowerCase(), url))) return url
  const listed = hosts.join(', ') || 'none'
  throw new FlotillaError(
    'TOOL_DENIED',
    `${url.host} is not a host that this tool may ask; it may ask: ${listed}`,
  )
}

/** A trailing dot names the same host. */
function matches(pattern: string, { hostname, port, protocol }: URL): boolean {
  const [, name = pattern, wanted] = /^(.*?)(?::(\d+))?$/.exec(pattern) ?? []
  const actual = port || (protocol === 'https:' ? '443' : '80')
  if (wanted !== undefined && wanted !== actual) return false
  const host = hostname.replace(/\.$/, '')
  return name === '*' || (name.startsWith('*.') ? host.endsWith(name.slice(1)) : host === name)
}

async function send(
  dispatcher: Dispatcher,
  at: Target,
  options: WebRequest,
): Promise<Dispatcher.ResponseData> {
  const { method = 'GET', headers = {}, body = null, signal } = options
  const sent = { 'user-agent': 'Flotilla (an LLM agent)', 'accept-encoding': ACCEPTED_ENCODINGS, ...headers }
  try {
    return await request(at.url, { dispatcher, method, headers: sent, body, signal })
  } catch (error) {
    throw unreachable(at, signal, error)
  }
}

/** The error of a request without an answer. An abort passes unchanged: its reason explains it. */
function unreachable({ shown }: Target, signal: AbortSignal, error: unknown): Error {
  if (signal.aborted) return error instanceof Error ? error : new Error('aborted')
  if (error instanceof FlotillaError) return error
  if (error instanceof AddressRefused) return new FlotillaError('TOOL_DENIED', error.message)
  const { message, code } = error as Error & { code?: string }
  // A header that can't be sent: a retry can't help.
  const failed = code === 'UND_ERR_INVALID_ARG' ? 'TOOL_FAILED' : 'TOOL_TARGET_UNAVAILABLE'
  return new FlotillaError(failed, `fetching ${shown}: ${message || code}`, {
    cause: error,
  })
}

async function finish(
  at: Target,
  response: Dispatcher.ResponseData,
  options: WebRequest,
): Promise<WebResponse> {
  const { body, truncated } = await readLimited(at, response, options)
  const { statusCode } = response
  if (statusCode < 200 || statusCode > 299) throw refusedBy(at, response, body)
  const contentType = String(response.headers['content-type'] ?? '').toLowerCase()
  const { url, shown } = at
  url.username = url.password = ''
  return { url: url.href, shown, contentType, body, truncated }
}

async function readLimited(at: Target, response: Dispatcher.ResponseData, { maxBytes, signal }: WebRequest) {
  const chunks: Buffer[] = []
  let left = maxBytes
  try {
    const packing = response.headers['content-encoding']
    for await (const chunk of unpack(response.body as AsyncIterable<Buffer>, packing, at.shown)) {
      chunks.push(chunk.subarray(0, left))
      left -= chunk.length
      if (left < 0) break
    }
  } catch (error) {
    throw unreachable(at, signal, error)
  } finally {
    // An unpacker that is left early waits for the next piece first, which a server may never send.
    if (!response.body.readableEnded) response.body.on('error', () => {}).destroy()
  }
  return { body: Buffer.concat(chunks), truncated: left < 0 }
}

/** Characters of an error page that are shown to the model. */
const SHOWN_CHARS = 300

function refusedBy(
  at: Target,
  { statusCode, headers }: Dispatcher.ResponseData,
  body: Buffer,
): FlotillaError {
  // Redacted before it is cut: half a secret would not be found.
  const said = redacted(body.toString().replaceAll(/\s+/g, ' ').trim()).slice(0, SHOWN_CHARS)
  const message = `${at.shown} answered ${statusCode}${said === '' ? '' : `: ${said}`}`
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
