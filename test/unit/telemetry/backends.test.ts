// Spans arrive at each tool by the variables that docs/tracing.md gives for it, and a collector that fails costs spans only.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { eventually } from '../../conformance/waiting.ts'
import { startSink, type Sink } from './sink.ts'
import { spanOf, trace } from './traced.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/tracing.md'), 'utf8')

/** The page's block of this name, with the sink in place of the host. */
function documented(name: string, sink: Sink): Record<string, string> {
  const block = new RegExp(`^\`\`\`sh ${name}\n([^]*?)\`\`\``, 'm').exec(page)?.[1]
  assert.ok(block, `docs/tracing.md has a block ${name}`)
  const lines = block.trim().split('\n')
  const variables = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
  for (const [variable, value] of Object.entries(variables))
    if (variable.endsWith('ENDPOINT')) variables[variable] = value.replace(/^https?:\/\/[^/]+/, sink.url)
  return variables
}

let sink: Sink
beforeEach(async () => {
  sink = await startSink()
})
afterEach(() => sink.close())

interface Expected {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly resource: Readonly<Record<string, string>>
}
const weave = { 'wandb.entity': 'YOUR_TEAM', 'wandb.project': 'YOUR_PROJECT' }
const backends: Readonly<Record<string, Expected>> = {
  'weave-traces': {
    path: '/otel/v1/traces',
    headers: { 'wandb-api-key': 'YOUR_KEY', 'content-encoding': 'gzip' },
    resource: weave,
  },
  'weave-agents': {
    path: '/agents/otel/v1/traces',
    headers: { 'wandb-api-key': 'YOUR_KEY' },
    resource: weave,
  },
  'weave-server': {
    path: '/traces/otel/v1/traces',
    headers: { authorization: `Basic ${Buffer.from('api:YOUR_KEY').toString('base64')}` },
    resource: weave,
  },
  langfuse: {
    path: '/api/public/otel/v1/traces',
    headers: {
      authorization: `Basic ${Buffer.from('pk-lf:sk-lf').toString('base64')}`,
      'x-langfuse-ingestion-version': '4',
    },
    resource: {},
  },
  phoenix: {
    path: '/v1/traces',
    headers: { authorization: 'Bearer YOUR_KEY' },
    resource: { 'openinference.project.name': 'YOUR_PROJECT' },
  },
  jaeger: { path: '/v1/traces', headers: {}, resource: {} },
}
for (const [name, { path, headers, resource }] of Object.entries(backends))
  test(`${name} gets protobuf with its headers and resource`, async () => {
    const event = { name: 'gen_ai.evaluation.result', atMs: Date.now(), attributes: { score: 0.5 } }
    const sent = [spanOf(1, { error: 'it failed' }), spanOf(2, { events: [event] })]
    const logged = await trace(documented(name, sink), sent)
    assert.deepEqual(logged, [])
    const [request] = sink.requests
    assert.equal(request?.path, path)
    for (const [header, value] of Object.entries({ 'content-type': 'application/x-protobuf', ...headers }))
      assert.equal(request.headers[header], value, header)
    assert.deepEqual(
      sink.spans.map((span) => [span.name, span.spanId, span.attributes['gen_ai.request.model']]),
      [
        ['span 1', '0000000000000002', 'gpt-4o'],
        ['span 2', '0000000000000003', 'gpt-4o'],
      ],
    )
    const [first, second] = sink.spans
    assert.deepEqual(first?.status, { message: 'it failed', code: 2 })
    assert.equal(first.traceId, 'ab'.repeat(16))
    assert.deepEqual(
      second?.events.map(({ name, attributes }) => [name, attributes]),
      [['gen_ai.evaluation.result', { score: 0.5 }]],
    )
    assert.equal(first.service, 'flotilla-test')
    assert.equal(first.resource['service.namespace'], 'flotilla')
    for (const [attribute, value] of Object.entries(resource))
      assert.equal(first.resource[attribute], value, attribute)
  })

test('JSON is sent where it is asked for, compressed too', async () => {
  await trace(
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      OTEL_SERVICE_NAME: 'mine',
    },
    [spanOf(1)],
  )
  const { headers } = sink.requests[0] ?? {}
  assert.deepEqual([headers?.['content-type'], headers?.['content-encoding']], ['application/json', 'gzip'])
  assert.deepEqual(
    sink.spans.map(({ name, service }) => [name, service]),
    [['span 1', 'mine']],
  )
})

test('nothing of the command line is sent: it may be a task', async () => {
  await trace({ OTEL_EXPORTER_OTLP_ENDPOINT: sink.url }, [spanOf(1)])
  const { resource = {} } = sink.spans[0] ?? {}
  assert.equal(resource['process.command_args'], undefined)
  assert.equal(resource['process.command'], undefined)
  assert.ok(resource['process.pid'])
})

const html = '<!DOCTYPE html><html><body>Sign in</body></html>'
/** ExportTraceServiceResponse { partial_success { rejected_spans: 1, error_message: "too old" } }. */
const partial = Buffer.from([0x0a, 0x0b, 0x08, 0x01, 0x12, 0x07, ...Buffer.from('too old')])
const failures: readonly [string, Exclude<Sink['answer'], null>, RegExp][] = [
  [
    'a wrong key',
    { status: 401, body: 'bad\n key' },
    /answered 401 Unauthorized \(bad key\); check OTEL_EXPORTER_OTLP_HEADERS; 3 lost/,
  ],
  [
    'a wrong path',
    { status: 404, body: html },
    /answered 404 Not Found \(a page of HTML\); check the path.*; 3 lost/,
  ],
  [
    'a redirect',
    { status: 302, headers: { location: '/login' } },
    /answered 302 Found; redirects are not followed; 3 lost/,
  ],
  ['too much', { status: 413 }, /answered 413 .*OTEL_BSP_MAX_EXPORT_BATCH_SIZE; 3 lost/],
  [
    'a page that says all is well',
    { status: 200, body: html },
    /a page of HTML; check OTEL_EXPORTER_OTLP_ENDPOINT; 3 lost/,
  ],
  ['a part rejected', { status: 200, body: partial }, /rejected some of them \(too old\); 1 lost/],
]
for (const [name, answer, line] of failures)
  test(`one line of the log says what a collector answered: ${name}`, async () => {
    sink.answer = answer
    const logged = await trace(
      { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url },
      [1, 2, 3].map((n) => spanOf(n)),
    )
    assert.deepEqual(
      logged.map(({ level }) => level),
      ['warn'],
      JSON.stringify(logged),
    )
    assert.match(logged[0]?.message ?? '', line)
    assert.match(logged[0]?.message ?? '', /^failed to export spans to http:.*tasks are not affected$/)
  })

test('a busy collector, a silent one and one that is gone are given up in time', async () => {
  const limits = { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, OTEL_EXPORTER_OTLP_TIMEOUT: '200' }
  sink.answer = { status: 429, headers: { 'retry-after': '60' } }
  const busy = await trace(limits, [spanOf(1)])
  assert.match(busy.at(0)?.message ?? '', /429, 502, 503 or 504 to every try; 1 lost/)
  sink.answer = 'silent'
  const silent = await trace(limits, [spanOf(1)])
  assert.match(silent.at(0)?.message ?? '', /timed out; 1 lost/i)
  const gone = await trace({ ...limits, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' }, [spanOf(1)])
  assert.match(gone.at(0)?.message ?? '', /ECONNREFUSED.*; 1 lost/)
  assert.deepEqual(
    [busy, silent, gone].map((lines) => lines.length),
    [1, 1, 1],
  )
})

test('what waits is bounded by spans and by characters, and what is lost is counted', async () => {
  sink.answer = 'silent'
  const limits = {
    OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
    OTEL_EXPORTER_OTLP_TIMEOUT: '300',
    OTEL_BSP_MAX_QUEUE_SIZE: '100',
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '10',
  }
  const many = await trace(
    limits,
    Array.from({ length: 500 }, (_, n) => spanOf(n)),
  )
  const lost = many.map(({ message }) => Number(/(\d+) lost/.exec(message)?.[1] ?? 0))
  assert.equal(
    lost.reduce((sum, one) => sum + one, 0),
    500,
    JSON.stringify(many),
  )
  assert.equal(many.length, 2, 'the first loss at once, the rest at the end')
  const text = 'x'.repeat(1_000_000)
  const large = await trace(
    limits,
    Array.from({ length: 40 }, (_, n) => spanOf(n, { attributes: { text } })),
  )
  assert.match(large[0]?.message ?? '', /faster than they could be sent/)
})

test('spans with much content go in several requests', async () => {
  const attributes = { text: 'x'.repeat(400_000) }
  await trace({ OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, OTEL_BSP_SCHEDULE_DELAY: '50' }, async (send) => {
    for (let n = 0; n < 5; n++) send(spanOf(n, { attributes }))
    await eventually('all have arrived', async () => sink.spans.length === 5)
  })
  assert.equal(sink.requests.length, 3)
})

test('when the collector is back, that is logged once, and spans arrive again', async () => {
  sink.answer = { status: 500 }
  const limits = { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '1' }
  const logged = await trace(limits, async (send) => {
    send(spanOf(1))
    await eventually('the failure is answered', async () => sink.requests.length === 1)
    sink.answer = null
    send(spanOf(2))
    send(spanOf(3))
    await eventually('the others arrive', async () => sink.spans.length === 2)
  })
  assert.deepEqual(
    logged.map(({ level }) => level),
    ['warn', 'info'],
  )
  assert.match(logged[1]?.message ?? '', /exported again; 1 were lost/)
})
