// A collector for tests: takes OTLP over HTTP, in JSON and protobuf, as the real exporters send it, and keeps the spans.
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { decodeRequest } from './otlp-proto.ts'

export interface SinkSpan {
  readonly service: string
  readonly resource: Readonly<Record<string, unknown>>
  readonly name: string
  readonly kind: number
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly links?: { readonly traceId: string; readonly spanId: string }[]
  readonly events: readonly {
    readonly name: string
    readonly attributes: Readonly<Record<string, unknown>>
  }[]
  readonly attributes: Readonly<Record<string, unknown>>
  readonly status: { readonly code?: number; readonly message?: string }
}

export interface SinkRequest {
  readonly path: string
  readonly headers: IncomingHttpHeaders
}

/** An answer instead of the good one. */
export interface SinkAnswer {
  readonly status: number
  readonly body?: string | Buffer
  readonly headers?: Record<string, string>
}

export interface Sink {
  readonly url: string
  readonly spans: SinkSpan[]
  readonly requests: SinkRequest[]
  /** Paths that were posted to. */
  readonly paths: Set<string>
  /** Null: takes the spans. `silent`: never answers. */
  answer: SinkAnswer | 'silent' | null
  close(): void
}

interface Attribute {
  readonly key: string
  readonly value: Readonly<Record<string, unknown>>
}
interface WireSpan extends Omit<SinkSpan, 'attributes' | 'service' | 'resource' | 'events'> {
  readonly attributes: Attribute[]
  readonly events?: { readonly name: string; readonly attributes: Attribute[] }[]
}
interface Resource {
  readonly resource: { readonly attributes: Attribute[] }
  readonly scopeSpans: { readonly spans: WireSpan[] }[]
}

const attributesOf = (list: readonly Attribute[]): Record<string, unknown> =>
  Object.fromEntries(list.map(({ key, value }) => [key, Object.values(value)[0]]))

function spansOf({ resource: { attributes }, scopeSpans }: Resource): SinkSpan[] {
  const resource = attributesOf(attributes)
  const service = String(resource['service.name'])
  return scopeSpans
    .flatMap((scope) => scope.spans)
    .map((span) => ({
      ...span,
      service,
      resource,
      attributes: attributesOf(span.attributes),
      events: (span.events ?? []).map((event) => ({ ...event, attributes: attributesOf(event.attributes) })),
      status: span.status ?? {},
    }))
}

function decodeBody(body: Buffer, headers: IncomingHttpHeaders): { resourceSpans?: Resource[] } {
  const raw = headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body
  const isJson = headers['content-type'] === 'application/json'
  return (isJson ? JSON.parse(raw.toString()) : decodeRequest(raw)) as { resourceSpans?: Resource[] }
}

export async function startSink(): Promise<Sink> {
  const sink: Omit<Sink, 'url' | 'close'> = { spans: [], requests: [], paths: new Set(), answer: null }
  const server = createServer(async (request, response) => {
    const { url: path = '', headers } = request
    // Null: the exporter gave the request up.
    const body = await buffer(request).catch(() => null)
    if (body === null) return
    sink.paths.add(path)
    sink.requests.push({ path, headers })
    const { answer } = sink
    if (answer === 'silent') return
    if (answer) return void response.writeHead(answer.status, answer.headers).end(answer.body)
    const { resourceSpans = [] } = decodeBody(body, headers)
    sink.spans.push(...resourceSpans.flatMap(spansOf))
    const type = headers['content-type'] ?? ''
    response.writeHead(200, { 'content-type': type }).end(type === 'application/json' ? '{}' : '')
  })
  const url = await listening(server)
  const close = (): void => {
    server.closeAllConnections()
    server.close()
  }
  return Object.assign(sink, { url, close })
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
