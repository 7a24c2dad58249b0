// A collector for tests: takes OTLP over HTTP, as the real exporter sends it, and keeps the spans.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface SinkSpan {
  readonly service: string
  readonly name: string
  readonly kind: number
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly links?: { readonly traceId: string; readonly spanId: string }[]
  readonly attributes: Readonly<Record<string, unknown>>
  readonly status: { readonly code?: number; readonly message?: string }
}

export interface Sink {
  readonly url: string
  readonly spans: SinkSpan[]
  /** Paths that were posted to. */
  readonly paths: Set<string>
  close(): void
}

interface Attribute {
  readonly key: string
  readonly value: Readonly<Record<string, unknown>>
}
interface Resource {
  readonly resource: { readonly attributes: Attribute[] }
  readonly scopeSpans: {
    readonly spans: (Omit<SinkSpan, 'attributes' | 'service'> & { attributes: Attribute[] })[]
  }[]
}

const attributesOf = (list: readonly Attribute[]): Record<string, unknown> =>
  Object.fromEntries(list.map(({ key, value }) => [key, Object.values(value)[0]]))

function spansOf({ resource, scopeSpans }: Resource): SinkSpan[] {
  const service = String(attributesOf(resource.attributes)['service.name'])
  const spans = scopeSpans.flatMap((scope) => scope.spans)
  return spans.map((span) => ({ ...span, service, attributes: attributesOf(span.attributes) }))
}

export async function startSink(): Promise<Sink> {
  const spans: SinkSpan[] = []
  const paths = new Set<string>()
  const server = createServer(async (request, response) => {
    paths.add(request.url ?? '')
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { resourceSpans } = JSON.parse(Buffer.concat(chunks).toString()) as { resourceSpans: Resource[] }
    spans.push(...resourceSpans.flatMap(spansOf))
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, spans, paths, close: () => server.close() }
}
