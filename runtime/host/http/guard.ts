// Which requests a server of Flotilla takes. Binding to loopback keeps other machines out, but not the pages
// that a browser on this machine has open: they reach loopback too, through a name that resolves to it (DNS
// rebinding) or through requests that browsers send without asking first.
//
// 1. The Host is one that no foreign page can have: localhost, an address, HOST, or a name in
//    FLOTILLA_ALLOWED_HOSTS.
// 2. A request that a browser marks as sent by another site is refused; but a person may follow a link from there to
//    a page (`isPage`), which that site can't read.
// 3. A request that changes something carries content-type: application/json, which a page of another site
//    can't send without a preflight; that is refused by rule 2. This holds without a body too, and for GETs
//    with an effect (`needsJson`). Without a body, a Bearer key or DELETE will do, which need one too.
// 4. A header that decides something comes once: of two, a proxy may read one and this server the other.
import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'
import { FlotillaError } from '../../errors.ts'

export interface AllowedHosts {
  /** The address or name on which the server listens. */
  readonly host: string
  /** Names; `*.example.org` stands for every name below. */
  readonly allowed: readonly string[]
}

export interface RequestFacts {
  readonly method: string
  readonly headers: IncomingHttpHeaders
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[]
  /** The answer is a page for people, without an effect. Default false. */
  readonly isPage?: boolean
}

const MAX_HEADERS = 100
const harmless = new Set(['GET', 'HEAD'])
/** Node takes the first of some of them, and joins others with a comma. */
const once = new Set([
  'host',
  'origin',
  'sec-fetch-site',
  'content-type',
  'authorization',
  'idempotency-key',
  'last-event-id',
])

/** Throws the error that the client gets. */
export function guard(request: RequestFacts, hosts: AllowedHosts): void {
  const { method, headers, rawHeaders, isPage = false } = request
  if (rawHeaders.length > 2 * MAX_HEADERS) throw httpError(431)
  checkRepeated(rawHeaders)
  const host = headers.host?.toLowerCase() ?? ''
  checkHost(host, hosts)
  if (!(isPage && isNavigation(request))) checkOrigin(headers, host)
  if (!harmless.has(method) && !isBare(request)) needsJson(headers)
}

function checkRepeated(rawHeaders: readonly string[]): void {
  const seen = new Set<string>()
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? ''
    if (once.has(name) && seen.has(name)) throw repeated(name)
    seen.add(name)
  }
}

function repeated(name: string): FlotillaError {
  if (name === 'host') return new FlotillaError('HOST_REFUSED', 'the request names several hosts')
  return new FlotillaError(
    'REQUEST_INVALID',
    `the request has the header ${name} more than once; send it once`,
  )
}

/**
 * A request without a body that deletes, or that names its key, as OpenAI's packages cancel a response. A page of
 * another site can't send either without a preflight; Basic credentials, which a browser may add by itself, do not
 * count.
 */
function isBare({ method, headers }: RequestFacts): boolean {
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0
  const hasKey = /^bearer /i.test(headers.authorization ?? '')
  return (hasKey || method === 'DELETE') && headers['content-type'] === undefined && !hasBody
}

/** Throws 415 unless the request says that it is JSON. */
export function needsJson(headers: IncomingHttpHeaders): void {
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json') throw httpError(415)
}

function checkHost(host: string, { host: own, allowed }: AllowedHosts): void {
  const name = nameOf(host)
  const known = ['localhost', own, ...allowed].map((one) => one.toLowerCase())
  if (isIP(name) !== 0 || known.some((pattern) => covers(pattern, name))) return
  throw new FlotillaError(
    'HOST_REFUSED',
    name === ''
      ? 'the request names no host'
      : `this server is not known as ${JSON.stringify(name.slice(0, 100))}`,
  )
}

/** Without port and brackets; a final dot says the same name. */
function nameOf(host: string): string {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host) ?? []
  return (bracketed ?? plain ?? '').replace(/\.$/, '')
}

function covers(pattern: string, name: string): boolean {
  return pattern.startsWith('*.') ? name.endsWith(pattern.slice(1)) : pattern === name
}

function checkOrigin(headers: IncomingHttpHeaders, host: string): void {
  const site = headers['sec-fetch-site']
  if (site === 'cross-site' || site === 'same-site')
    throw new FlotillaError('ORIGIN_REFUSED', 'a page of another site sent this request')
  const { origin } = headers
  if (origin === undefined || hostOf(origin) === host) return
  throw new FlotillaError(
    'ORIGIN_REFUSED',
    `a page of ${JSON.stringify(origin.slice(0, 100))} sent this request to ${JSON.stringify(host.slice(0, 100))}`,
  )
}

/** A browser opens the address in a tab of its own: by a link, not inside a page of another site. */
function isNavigation({ method, headers }: RequestFacts): boolean {
  const { 'sec-fetch-mode': mode, 'sec-fetch-dest': destination, origin } = headers
  return harmless.has(method) && origin === undefined && mode === 'navigate' && destination === 'document'
}

function hostOf(origin: string): string | null {
  const scheme = /^https?:\/\//.exec(origin)?.[0]
  return scheme === undefined ? null : origin.slice(scheme.length).toLowerCase()
}

function httpError(statusCode: number): Error {
  return Object.assign(new Error(`HTTP ${statusCode}`), { statusCode })
}
