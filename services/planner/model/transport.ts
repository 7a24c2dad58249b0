// HTTP to the servers of models, by undici's dispatch: a third of the processor time of fetch, no time limits of
// its own (the host's ends a call), and connections that stay open for a minute.
//
// 1. A redirect is followed on the same host only, with method and body: the key goes nowhere else.
// 2. A compressed body is unpacked even if it was not asked for, or not named: some servers and proxies
//    compress everything.
// 3. A body goes to its reader piece by piece, as it arrives. The end of the exchange is the reader's: what it
//    makes of the end of the body, or of the error that broke it off.
// 4. Cutting a body cuts the connection, so the next call would pay for a new one: what a reader does not need
//    (mostly the end of the body) is drained, for a second and a few kilobytes at most. A cancel cuts at once.
import { Agent, EnvHttpProxyAgent, type Dispatcher } from 'undici'
import { FlotillaError } from '../../../runtime/errors.ts'
import { packingByMark } from '../../../runtime/text/packing.ts'
import { unpackerFor, type Unpacker } from './unpacking.ts'

const KEEP_ALIVE_MS = 60_000
const DRAIN_MS = 1_000
const MAX_DRAINED_BYTES = 128_000
const MAX_REDIRECTS = 5
/** Gateways report on filters and limits in headers. */
const MAX_HEADER_BYTES = 128_000

export interface HttpRequest {
  readonly method: 'GET' | 'POST'
  readonly url: HttpUrl
  /** Name, value, name, value … */
  readonly headers: readonly string[]
  readonly body: string | null
  /** Called when the request begins to leave: a failure before that has reached no server. */
  readonly onSent?: () => void
}

/** A URL, read once. */
export interface HttpUrl {
  readonly href: string
  readonly origin: string
  readonly path: string
}

export type HttpHeaders = Readonly<Record<string, string | string[] | undefined>>

export interface BodyReader {
  /** Takes a piece of the body. False: the rest is not needed. Throws if the exchange has failed. */
  feed(bytes: Buffer): boolean
  /** The body has ended, or has been broken off by this error. Throws if the exchange has failed by that. */
  end(error?: Error): void
}

/** Names the reader of an answer's body. */
export type Answered = (status: number, headers: HttpHeaders) => BodyReader

export interface Exchange {
  /** Rejects with what the reader threw; before an answer, with the error of the connection. */
  readonly done: Promise<void>
  cancel(why: Error): void
}

export type Transport = (request: HttpRequest, answered: Answered) => Exchange

export function createTransport(variables: Readonly<Record<string, string | undefined>>): Transport {
  const dispatcher = dispatcherFor(variables)
  return (request, answered) => new HttpExchange(dispatcher, request, answered)
}

export function httpUrl(href: string): HttpUrl {
  const { origin, pathname, search } = new URL(href)
  return { href, origin, path: `${pathname}${search}` }
}

class HttpExchange implements Exchange, Dispatcher.DispatchHandler {
  readonly done: Promise<void>
  readonly #dispatcher: Dispatcher
  readonly #request: HttpRequest
  readonly #answered: Answered
  readonly #resolve: () => void
  readonly #reject: (error: Error) => void
  #redirects = 0
  /** The URL of a redirect, while its own body is drained. */
  #next: HttpUrl | null = null
  #url: HttpUrl
  /** Null until the request has a connection. */
  #controller: Dispatcher.DispatchController | null = null
  #reader: BodyReader | null = null
  #unpacker: Unpacker | null = null
  /** A part of the body has arrived. */
  #hasBegun = false
  #isSettled = false
  /** Nothing more arrives. */
  #hasEnded = false
  #drainedBytes = 0
  #drain: NodeJS.Timeout | undefined

  constructor(dispatcher: Dispatcher, request: HttpRequest, answered: Answered) {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.done = promise
    this.#resolve = resolve
    this.#reject = reject
    this.#dispatcher = dispatcher
    this.#request = request
    this.#answered = answered
    this.#url = request.url
    this.#send()
  }

  cancel(why: Error): void {
    if (this.#isSettled) return
    this.#end(why)
    // undici itself drops a request that has no connection yet only once it has one.
    this.#controller?.abort(why)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#isSettled) controller.abort(new Error('the call was stopped'))
    else this.#request.onSent?.()
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: HttpHeaders): void {
    if (status < 200 || this.#isSettled) return
    this.#next = this.#redirects < MAX_REDIRECTS ? redirectOf(this.#url, status, headers) : null
    if (this.#next !== null) return this.#limitDrain()
    try {
      this.#reader = this.#answered(status, headers)
      const encoding = headers['content-encoding']
      if (encoding !== undefined) this.#unpack(String(encoding))
    } catch (error) {
      this.#end(error as Error)
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isSettled || this.#next !== null) {
      this.#drainedBytes += chunk.length
      if (this.#drainedBytes > MAX_DRAINED_BYTES) controller.abort(new Error('the rest is not needed'))
      return
    }
    if (!this.#hasBegun) {
      this.#hasBegun = true
      const packing = this.#unpacker === null ? packingByMark(chunk) : null
      if (packing !== null) this.#unpack(packing)
    }
    if (this.#unpacker === null) this.#take(chunk)
    else if (!this.#unpacker.input.write(chunk)) {
      controller.pause()
      this.#unpacker.input.once('drain', () => controller.resume())
    }
  }

  onResponseEnd(): void {
    this.#over()
    if (this.#next !== null) this.#follow(this.#next)
    else if (this.#unpacker === null) this.#end()
    else this.#unpacker.input.end()
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#over()
    if (this.#next !== null) this.#follow(this.#next)
    else if (this.#unpacker === null) this.#end(error)
    else this.#unpacker.input.destroy(error)
  }

  #send(): void {
    const { method, headers, body } = this.#request
    const { origin, path } = this.#url
    this.#dispatcher.dispatch({ origin, path, method, headers: headers as string[], body }, this)
  }

  #follow(url: HttpUrl): void {
    this.#next = null
    if (this.#isSettled) return
    this.#redirects++
    this.#url = url
    this.#hasEnded = false
    this.#controller = null
    this.#drainedBytes = 0
    this.#send()
  }

  #unpack(encodings: string): void {
    this.#unpacker = unpackerFor(encodings)
    this.#unpacker?.output
      .on('data', (unpacked: Buffer) => this.#take(unpacked))
      .on('end', () => this.#end())
      .on('error', (error) => this.#end(error))
  }

  #take(bytes: Buffer): void {
    if (this.#isSettled) return
    try {
      if (!this.#reader?.feed(bytes)) this.#settle()
    } catch (error) {
      this.#settle(error as Error)
    }
  }

  #end(error?: Error): void {
    if (this.#isSettled) return
    if (this.#reader === null) return this.#settle(error)
    try {
      this.#reader.end(error)
      this.#settle()
    } catch (failed) {
      this.#settle(failed as Error)
    }
  }

  #settle(error?: Error): void {
    this.#isSettled = true
    if (error === undefined) this.#resolve()
    else this.#reject(error)
    this.#unpacker?.output.destroy()
    this.#unpacker?.input.destroy()
    this.#controller?.resume()
    // Mostly the end arrives together with what made the reader stop.
    if (!this.#hasEnded && this.#reader !== null) queueMicrotask(() => this.#limitDrain())
  }

  #limitDrain(): void {
    if (this.#hasEnded) return
    this.#drain = setTimeout(() => this.#controller?.abort(new Error('the rest is not needed')), DRAIN_MS)
    this.#drain.unref()
  }

  #over(): void {
    this.#hasEnded = true
    clearTimeout(this.#drain)
  }
}

const REDIRECTS = [301, 302, 307, 308]

/**
 * The URL of the redirect; null if this is the answer. From http to https on the same host is the same host.
 */
function redirectOf({ href }: HttpUrl, status: number, { location }: HttpHeaders): HttpUrl | null {
  if (!REDIRECTS.includes(status) || typeof location !== 'string' || !URL.canParse(location, href))
    return null
  const [before, after] = [new URL(href), new URL(location, href)]
  const isUpgrade =
    before.protocol === 'http:' && after.protocol === 'https:' && before.hostname === after.hostname
  return before.origin === after.origin || isUpgrade ? httpUrl(after.toString()) : null
}

/**
 * HTTP_PROXY and HTTPS_PROXY are honoured as usual; a server on this machine is never called through a proxy.
 */
function dispatcherFor(variables: Readonly<Record<string, string | undefined>>): Dispatcher {
  const options = {
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: MAX_HEADER_BYTES,
  }
  const read = (name: string) => variables[name] || variables[name.toLowerCase()] || undefined
  const [httpProxy, httpsProxy] = ['HTTP_PROXY', 'HTTPS_PROXY'].map((name) => proxyUrl(name, read(name)))
  if (httpProxy === undefined && httpsProxy === undefined) return new Agent(options)
  const noProxy = [read('NO_PROXY'), 'localhost,127.0.0.1,::1'].filter(Boolean).join(',')
  return new EnvHttpProxyAgent({
    ...options,
    noProxy,
    ...(httpProxy === undefined ? {} : { httpProxy }),
    ...(httpsProxy === undefined ? {} : { httpsProxy }),
  })
}

const PROXY_SCHEMES = ['http:', 'https:', 'socks5:', 'socks:']

/** Also `host:port`, as curl takes it. The value is not shown: it may hold a password. */
function proxyUrl(name: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  const href = value.includes('://') ? value : `http://${value}`
  if (URL.canParse(href) && PROXY_SCHEMES.includes(new URL(href).protocol)) return href
  throw new FlotillaError(
    'CONFIG_INVALID',
    `${name} is no address of a proxy: set it to a URL such as http://proxy.example.org:3128, or unset it.`,
  )
}
