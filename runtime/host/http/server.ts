// The HTTP side of every process: /health, /ready, /metrics, and the HTTP API, if the process serves it.
//
// 1. Any request, however slow, costs a bounded amount of connections, headers, bytes, depth and time. Which
//    requests it takes at all: guard.ts.
// 2. A name in a body is data, even if it is one of JavaScript's own (`__proto__`): parsing sets no
//    prototype, and a route takes only the fields that it knows.
import { shown } from '../../../schemas/identity.ts'
import type { Json } from '../../../schemas/json.ts'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { IncomingMessage } from 'node:http'
import { FlotillaError, messageOf } from '../../errors.ts'
import { parseExact } from '../../json/exact.ts'
import { mayRepeatNames, repeatedNames } from '../../json/names.ts'
import type { Log } from '../../telemetry/instruments.ts'
import type { Health } from '../bugs.ts'
import { isBug, sendError } from './errors.ts'
import { Bodies } from './body.ts'
import { guard, type AllowedHosts } from './guard.ts'
import { boundConnections } from './connections.ts'
import { boundPipelining } from './pipelining.ts'
import { listenFailure } from './port.ts'
import { refuseUnparsed } from './unparsed.ts'
import { OpenStreams } from '../open-streams.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A page for people, without an effect: links of other sites may lead to it. */
    page?: boolean
  }
}

export interface Readiness {
  readonly ready: boolean
  /** One entry for each part: stage, log, store …; `problem` null when it works. */
  readonly parts: readonly { readonly name: string; readonly problem: string | null }[]
  /** Stages of this process that an operator has paused: the process itself is well. Absent: none. */
  readonly paused?: readonly string[]
}

export interface HttpSources {
  readonly service: string
  readonly readiness: () => Promise<Readiness>
  readonly health: () => Health
  /** Prometheus text format. */
  readonly metrics: () => Promise<string>
  readonly hosts: AllowedHosts
  readonly limits?: Partial<HttpLimits>
  readonly logger?: Log
}

export interface HttpLimits {
  /** Further connections are closed at once. */
  readonly connections: number
  /** The same of one address. */
  readonly connectionsPerClient: number
  /** From the opening of a connection, or the end of its last answer, to the end of the headers. */
  readonly headersMs: number
  /** To the end of the body. */
  readonly requestMs: number
  /** Limit of a connection that is idle in both directions. Longer than any answer waits. */
  readonly stillMs: number
  /** Limit of all bodies above 16 KB that are being read. */
  readonly heldBytes: number
}

const defaultHttpLimits: HttpLimits = {
  connections: 2_000,
  connectionsPerClient: 1_000,
  headersMs: 10_000,
  requestMs: 30_000,
  stillMs: 120_000,
  heldBytes: 128_000_000,
}

/** Streams at their limit must leave room for requests, and for health checks. */
export function connectionsFor(streams: {
  readonly maxStreams: number
  readonly maxStreamsPerClient: number
}): Partial<HttpLimits> {
  const { connections, connectionsPerClient } = defaultHttpLimits
  return {
    connections: Math.max(connections, 2 * streams.maxStreams),
    connectionsPerClient: Math.max(connectionsPerClient, 2 * streams.maxStreamsPerClient),
  }
}

const MAX_BODY_BYTES = 1_000_000
const MAX_PIPELINED = 8
/** Answers of /metrics, which may be large, that are being built or sent. */
const MAX_METRICS = 16
const MAX_DEPTH = 200
const MAX_HEADER_BYTES = 16_384
/** Task ids have 128 characters at most; some may be escaped. */
const MAX_PARAMETER_CHARACTERS = 256

/** /health: the process lives, and whether it hit a bug. /ready: it can work, else 503 with the reasons. */
export function createHttpServer(sources: HttpSources): FastifyInstance {
  const { service, readiness, health, metrics, hosts, logger } = sources
  const app = createServer({ ...defaultHttpLimits, ...sources.limits })
  app.setErrorHandler((error: Error, { method, url }, reply) => {
    if (isBug(error)) logger?.error({ err: error, method, url }, 'failed to answer a request')
    return sendError(error, reply)
  })
  boundPipelining(app, MAX_PIPELINED)
  app.addHook('onRequest', async ({ raw, routeOptions }, reply) => {
    // Texts of users and models are in the answers: a browser must not guess that one is a page.
    reply.header('x-content-type-options', 'nosniff')
    const isPage = routeOptions.config.page === true
    guard({ method: raw.method ?? '', headers: raw.headers, rawHeaders: raw.rawHeaders, isPage }, hosts)
  })
  app.get('/health', () => ({ service, ...health() }))
  const readyNow = shared(readiness)
  app.get('/ready', async (_request, reply) => {
    const state = await readyNow()
    return reply.code(state.ready ? 200 : 503).send({ status: state.ready ? 'ready' : 'not ready', ...state })
  })
  const metricsNow = shared(metrics)
  const open = new OpenStreams({ total: MAX_METRICS, perClient: MAX_METRICS })
  app.get('/metrics', async (request, reply) => {
    heldUntilSent(open, request, reply)
    return reply.type('text/plain; version=0.0.4').send(await metricsNow())
  })
  return app
}

/** Requests that arrive while an answer is being built get the same one. */
function shared<T>(make: () => Promise<T>): () => Promise<T> {
  let making: Promise<T> | null = null
  return () => (making ??= make().finally(() => (making = null)))
}

/** Takes a slot until the client has the answer, or has gone. Throws TOO_MANY_STREAMS. */
export function heldUntilSent(open: OpenStreams, { ip }: FastifyRequest, { raw }: FastifyReply): void {
  const release = open.take(ip)
  if (raw.destroyed) release()
  else raw.once('close', release)
}

function createServer(limits: HttpLimits): FastifyInstance {
  const { connections, connectionsPerClient, headersMs, requestMs, stillMs, heldBytes } = limits
  const app = Fastify({
    bodyLimit: MAX_BODY_BYTES,
    forceCloseConnections: true,
    requestTimeout: requestMs,
    connectionTimeout: stillMs,
    routerOptions: { maxParamLength: MAX_PARAMETER_CHARACTERS },
    frameworkErrors: (error, _request, reply) => sendError(error, reply),
    clientErrorHandler: refuseUnparsed,
    http: {
      headersTimeout: Math.min(headersMs, requestMs),
      connectionsCheckingInterval: Math.min(2_000, headersMs),
      maxHeaderSize: MAX_HEADER_BYTES,
    },
  })
  app.server.maxConnections = connections
  boundConnections(app, connectionsPerClient)
  const bodies = new Bodies({ bytes: MAX_BODY_BYTES, heldBytes })
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', async (_: FastifyRequest, payload: IncomingMessage) => {
    assertTaken(payload)
    const text = await bodies.read(payload)
    // A request that changes something says that it is JSON even if its body is empty.
    if (text === '') return undefined
    if (isTooDeep(text)) throw tooDeep()
    const body = parseBody(text)
    if (mayRepeatNames(text, body)) assertNamesOnce(text)
    return body
  })
  return app
}

/** Before it is sent, if the client waits to be asked for it. */
function assertTaken({ headers }: IncomingMessage): void {
  const { 'content-encoding': encoding = 'identity', 'content-length': length = '0' } = headers
  if (Number(length) > MAX_BODY_BYTES)
    throw Object.assign(new Error('the body is too long'), { statusCode: 413 })
  if (encoding.trim().toLowerCase() === 'identity') return
  const message = `the body is packed (content-encoding: ${shown(encoding)}); send it as it is`
  throw new FlotillaError('REQUEST_INVALID', message)
}

/** Without loss of digits. Some clients begin with a byte order mark. */
function parseBody(text: string): Json {
  try {
    return parseExact(text.replace(/^\uFEFF/, ''))
  } catch (cause) {
    const why = messageOf(cause)
    throw Object.assign(new Error(`the body is not valid JSON: ${why}`, { cause }), { statusCode: 400 })
  }
}

/** A reader before us, such as a proxy that checks what passes, may have taken the other value. */
function assertNamesOnce(text: string): void {
  const twice = repeatedNames(text)
  if (twice.length === 0) return
  const names = twice.map(shown).join(', ')
  throw new FlotillaError('REQUEST_INVALID', `the body gives ${names} twice, with different values; send one`)
}

/** Brackets outside strings are counted, so that nothing deep is ever built. */
function isTooDeep(json: string): boolean {
  let depth = 0
  let inString = false
  for (let at = 0; at < json.length; at++) {
    const character = json[at]
    if (inString) {
      if (character === '\\') at++
      else inString = character !== '"'
    } else if (character === '"') inString = true
    else if (character === '[' || character === '{') depth++
    else if (character === ']' || character === '}') depth--
    if (depth > MAX_DEPTH) return true
  }
  return false
}

function tooDeep(): FlotillaError {
  return new FlotillaError('REQUEST_INVALID', `the body is nested more than ${MAX_DEPTH} levels deep`)
}

/** Resolves with the URL. Rejects with PORT_IN_USE. */
export async function listen(app: FastifyInstance, host: string, port: number): Promise<string> {
  return await app.listen({ host, port }).catch((error: unknown) => {
    throw listenFailure(error, host, port)
  })
}
