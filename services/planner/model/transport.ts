// HTTP for the openai package, instead of the built-in fetch: half the processor time for a call, no time
// limits of its own (the host's ends a call), and connections that stay open for a minute.
//
// 1. A redirect is followed on the same host only, with method and body: the key goes nowhere else.
// 2. A compressed body is unpacked even if it was not asked for: some servers and proxies compress
//    everything.
//
// It returns the part of a Response that the package and this folder use: status, headers, and a body that is
// read once, as bytes, as text or as JSON.
import { isDeeperThan } from '../../../runtime/json-depth.ts'
import { MAX_SHOWN_DEPTH } from './bodies.ts'
import { pipeline, Transform, type Readable, type TransformCallback } from 'node:stream'
import {
  constants,
  createBrotliDecompress,
  createInflate,
  createInflateRaw,
  createUnzip,
  createZstdDecompress,
} from 'node:zlib'
import { Agent, EnvHttpProxyAgent, request, type Dispatcher } from 'undici'

const KEEP_ALIVE_MS = 60_000
const DRAIN_MS = 1_000
const MAX_REDIRECTS = 5
/**
 * Largest answer read whole, in bytes. An error's text is cut much shorter later; no answer of a model is
 * this long.
 */
const MAX_TEXT_BYTES = 32_000_000
const MAX_ERROR_BYTES = 64_000

export type Transport = (url: string | URL | Request, init?: TransportInit) => Promise<Response>

export interface TransportInit extends RequestInit {
  /** Called when the request begins to leave: a failure before that has reached no server. */
  readonly onSent?: () => void
}

export function createTransport(variables: Readonly<Record<string, string | undefined>>): Transport {
  const dispatcher = dispatcherFor(variables).compose(reportSent)
  return async (url, init = {}) => {
    const { method = 'GET', headers, body, signal, onSent } = init
    if (typeof body !== 'string' && body !== undefined && body !== null)
      throw new TypeError('the body must be text')
    let target = String(url)
    for (let redirects = 0; ; redirects++) {
      const asked = request(target, {
        dispatcher,
        method: method as Dispatcher.HttpMethod,
        headers: Object.fromEntries(headers instanceof Headers ? headers : new Headers(headers)),
        body: body ?? null,
        signal: signal ?? null,
        ...(onSent ? { opaque: onSent } : {}),
      })
      const answer = await (signal ? untilAborted(asked, signal) : asked)
      const next = redirects < MAX_REDIRECTS ? redirectOf(target, answer) : null
      if (next === null) return new TransportResponse(target, answer) as unknown as Response
      await answer.body.dump()
      target = next
    }
  }
}

const REDIRECTS = [301, 302, 307, 308]

/**
 * The URL of the redirect; null if this is the answer. From http to https on the same host is the same host.
 */
function redirectOf(from: string, { statusCode, headers }: Dispatcher.ResponseData<unknown>): string | null {
  const { location } = headers
  if (!REDIRECTS.includes(statusCode) || typeof location !== 'string' || !URL.canParse(location, from))
    return null
  const [before, after] = [new URL(from), new URL(location, from)]
  const isUpgrade =
    before.protocol === 'http:' && after.protocol === 'https:' && before.hostname === after.hostname
  return before.origin === after.origin || isUpgrade ? after.toString() : null
}

/** A cut stream yields the part that had arrived; its missing end shows that it was cut. */
const CUT = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH }
const unpackers: Readonly<Record<string, () => Transform>> = {
  gzip: () => createUnzip(CUT),
  'x-gzip': () => createUnzip(CUT),
  deflate: () => new Inflate(),
  br: () =>
    createBrotliDecompress({
      flush: constants.BROTLI_OPERATION_FLUSH,
      finishFlush: constants.BROTLI_OPERATION_FLUSH,
    }),
  zstd: () => createZstdDecompress({ finishFlush: constants.ZSTD_e_flush }),
}

/** Deflate with zlib's header, as the standard says, or without: the first byte shows which. */
class Inflate extends Transform {
  #inner: Transform | null = null

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    this.#inner ??= this.#open(((chunk[0] ?? 0) & 0x0f) === 8 ? createInflate(CUT) : createInflateRaw(CUT))
    this.#inner.write(chunk, done)
  }

  override _flush(done: TransformCallback): void {
    if (this.#inner === null) return done()
    this.#inner.once('end', done)
    this.#inner.end()
  }

  override _destroy(error: Error | null, done: TransformCallback): void {
    this.#inner?.destroy()
    done(error)
  }

  #open(inner: Transform): Transform {
    inner.on('data', (unpacked: Buffer) => this.push(unpacked))
    inner.on('error', (error) => this.destroy(error))
    return inner
  }
}

/** Each has buffers of its own. */
const MAX_LAYERS = 4

/** The body is not packed as its content-encoding says. */
export const isUnpackingError = (error: unknown): error is Error =>
  error instanceof Error && /^(Z_|ERR_(_|BROTLI|ZLIB)|ZSTD)/.test((error as { code?: string }).code ?? '')

/** Encodings are undone in the reverse of the order in which they are named. */
function unpack(body: Readable, encodings: string | null): Readable {
  const names = (encodings ?? '').toLowerCase().split(',')
  if (names.length > MAX_LAYERS) {
    const message = `it is packed ${names.length} times over`
    return body.destroy(Object.assign(new Error(message), { code: 'ERR_ZLIB_LAYERS' }))
  }
  let content = body
  for (const name of names.toReversed()) {
    const unpacker = unpackers[name.trim()]?.()
    // An error destroys the whole chain, and the reader of its end gets it.
    if (unpacker !== undefined) content = pipeline(content, unpacker, () => {})
  }
  return content
}

/**
 * undici itself notices an abort only once it has a connection, which may take ten seconds; it drops the
 * request then.
 */
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

/**
 * HTTP_PROXY and HTTPS_PROXY are honoured as usual; a server on this machine is never called through a proxy.
 */
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
  readonly #content: Readable

  constructor(url: string, { statusCode, headers, body }: Dispatcher.ResponseData<unknown>) {
    this.url = url
    this.status = statusCode
    this.ok = statusCode >= 200 && statusCode < 300
    this.headers = new Headers()
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined) this.headers.set(name, Array.isArray(value) ? value.join(', ') : value)
    }
    this.#content = unpack(body, this.headers.get('content-encoding'))
    this.body = drain(this.#content)
  }

  /** An error's text is cut at the limit. Rejects if an answer is too long. */
  async text(): Promise<string> {
    const limit = this.ok ? MAX_TEXT_BYTES : MAX_ERROR_BYTES
    const pieces: Uint8Array[] = []
    let length = 0
    // Leaving the loop cuts the connection, so that no more of it arrives.
    for await (const piece of this.#content as AsyncIterable<Uint8Array>) {
      pieces.push(piece)
      length += piece.length
      if (length <= limit) continue
      if (this.ok) throw new Error(`the answer has more than ${limit} bytes`)
      break
    }
    const text = new TextDecoder().decode(Buffer.concat(pieces).subarray(0, limit))
    return this.ok || !nestsTooDeep(text) ? text : '(deeply nested)'
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text()) as unknown
  }
}

/** The package writes an error's JSON out, which overflows the stack if it is nested deep. */
function nestsTooDeep(text: string): boolean {
  try {
    return isDeeperThan(JSON.parse(text), MAX_SHOWN_DEPTH)
  } catch {
    return false
  }
}

/**
 * The package stops reading at [DONE]. Stopping cuts the connection, so the next call would pay for a new
 * one: the rest (mostly the end of the body) is drained, for a second at most. An abort still cuts it at
 * once.
 */
function drain(content: Readable): AsyncIterable<Uint8Array> {
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
          // Cut or aborted in the meantime: nothing is left to drain.
          readAway().catch(() => {})
          return { done: true, value: undefined }
        },
      }
    },
  }
}
