// HTTP for the openai package, in place of the built-in fetch: half the processor time for a call, no time limits of its
// own (the host's ends a call), and connections that stay open for a minute.
//
// What it returns is the part of a Response that the package and this folder use: status, headers, and a body that is read
// once, as bytes, as text or as JSON.
import { Agent, EnvHttpProxyAgent, request, type Dispatcher } from 'undici'

const KEEP_ALIVE_MS = 60_000
const DRAIN_MS = 1_000
/** Of an answer that is read whole. An error's text is cut much shorter later; no answer of a model is this long. */
const MAX_TEXT_BYTES = 32_000_000
const MAX_ERROR_BYTES = 64_000

export type Transport = (url: string | URL | Request, init?: TransportInit) => Promise<Response>

export interface TransportInit extends RequestInit {
  /** Called when the request begins to leave: what fails before has reached nobody. */
  readonly onSent?: () => void
}

export function createTransport(variables: Readonly<Record<string, string | undefined>>): Transport {
  const dispatcher = dispatcherFor(variables).compose(reportSent)
  return async (url, init = {}) => {
    const { method = 'GET', headers, body, signal, onSent } = init
    if (typeof body !== 'string' && body !== undefined && body !== null)
      throw new TypeError('the body must be text')
    const asked = request(String(url), {
      dispatcher,
      method: method as Dispatcher.HttpMethod,
      headers: Object.fromEntries(headers instanceof Headers ? headers : new Headers(headers)),
      body: body ?? null,
      signal: signal ?? null,
      ...(onSent ? { opaque: onSent } : {}),
    })
    const answer = await (signal ? untilAborted(asked, signal) : asked)
    return new TransportResponse(String(url), answer) as unknown as Response
  }
}

/** undici itself hears of an abort once it has a connection, which may take ten seconds; it gives the request up then. */
function untilAborted<T>(asked: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    asked.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** undici starts a request when it has a connection and is about to write to it. */
const reportSent: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) => {
  const { opaque: onSent } = options as { opaque?: () => void }
  const start = handler.onRequestStart?.bind(handler)
  handler.onRequestStart = (controller, context) => {
    onSent?.()
    start?.(controller, context)
  }
  return dispatch(options, handler)
}

/** HTTP_PROXY and HTTPS_PROXY are honoured as everywhere; a server on this machine is never asked through a proxy. */
function dispatcherFor(variables: Readonly<Record<string, string | undefined>>): Dispatcher {
  const options = { keepAliveTimeout: KEEP_ALIVE_MS, headersTimeout: 0, bodyTimeout: 0 }
  const read = (name: string) => variables[name] || variables[name.toLowerCase()] || undefined
  const [httpProxy, httpsProxy] = [read('HTTP_PROXY'), read('HTTPS_PROXY')]
  if (httpProxy === undefined && httpsProxy === undefined) return new Agent(options)
  const noProxy = [read('NO_PROXY'), 'localhost,127.0.0.1,::1'].filter(Boolean).join(',')
  return new EnvHttpProxyAgent({
    ...options,
    noProxy,
    ...(httpProxy === undefined ? {} : { httpProxy }),
    ...(httpsProxy === undefined ? {} : { httpsProxy }),
  })
}

class TransportResponse {
  readonly url: string
  readonly status: number
  readonly ok: boolean
  readonly headers: Headers
  readonly body: AsyncIterable<Uint8Array>
  readonly #content: Dispatcher.ResponseData['body']

  constructor(url: string, { statusCode, headers, body }: Dispatcher.ResponseData<unknown>) {
    this.url = url
    this.status = statusCode
    this.ok = statusCode >= 200 && statusCode < 300
    this.headers = new Headers()
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined) this.headers.set(name, Array.isArray(value) ? value.join(', ') : value)
    }
    this.#content = body
    this.body = drained(body)
  }

  /** Of an error its beginning. Rejects where an answer is too long. */
  async text(): Promise<string> {
    const limit = this.ok ? MAX_TEXT_BYTES : MAX_ERROR_BYTES
    const pieces: Buffer[] = []
    let length = 0
    // Leaving the loop cuts the connection, so that nothing more of it comes.
    for await (const piece of this.#content as AsyncIterable<Buffer>) {
      pieces.push(piece)
      length += piece.length
      if (length <= limit) continue
      if (this.ok) throw new Error(`the answer has more than ${limit} bytes`)
      break
    }
    return new TextDecoder().decode(Buffer.concat(pieces).subarray(0, limit))
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text()) as unknown
  }
}

/**
 * The package stops reading at [DONE]. To stop is to cut the connection, so the next call would pay for a new one: what is
 * left (the end of the body, mostly) is read away, for a second at most. An abort still cuts it at once.
 */
function drained(content: Dispatcher.ResponseData['body']): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]: () => {
      const iterator = content[Symbol.asyncIterator]()
      const readAway = async () => {
        const limit = setTimeout(() => content.destroy(), DRAIN_MS)
        limit.unref()
        while (!(await iterator.next()).done);
        clearTimeout(limit)
      }
      return {
        next: () => iterator.next() as Promise<IteratorResult<Uint8Array>>,
        return: async () => {
          // Cut or aborted meanwhile: there is nothing left to keep.
          readAway().catch(() => {})
          return { done: true, value: undefined }
        },
      }
    },
  }
}
