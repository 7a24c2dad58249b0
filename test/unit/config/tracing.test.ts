import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readEnvironment } from '../../../runtime/config/environment.ts'
import { readTracing, type TracingSettings } from '../../../runtime/config/environment/tracing.ts'
import { isSampled } from '../../../runtime/telemetry/trace-context.ts'

const traced = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' }

function settingsOf(variables: Record<string, string>): TracingSettings {
  const { tracing, mistakes } = readTracing({ ...traced, ...variables })
  assert.deepEqual(mistakes, [])
  assert.ok(tracing)
  return tracing
}

test('nothing is traced without an endpoint, when disabled, and when the exporter is none', () => {
  const wrong = { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_TRACES_SAMPLER: 'jaeger_remote' }
  for (const variables of [
    {},
    wrong,
    { ...traced, ...wrong, OTEL_SDK_DISABLED: 'TRUE' },
    { ...traced, OTEL_TRACES_EXPORTER: 'none' },
  ])
    assert.deepEqual(readTracing(variables), { tracing: null, mistakes: [] })
  assert.equal(
    readTracing({ OTEL_TRACES_EXPORTER: 'otlp' }).tracing?.url,
    'http://localhost:4318/v1/traces',
    'the default of the SDK, where it is asked for',
  )
})

test('the defaults are those of OpenTelemetry', () => {
  assert.deepEqual(settingsOf({}), {
    url: 'http://127.0.0.1:4318/v1/traces',
    protocol: 'http/protobuf',
    headers: {},
    compression: 'none',
    timeoutMs: 10_000,
    sampling: { parentBased: true, ratio: 1 },
    serviceName: null,
    maxQueue: 2_048,
    maxValueChars: null,
    capturesContent: null,
  })
})

test('variables of traces win over those of all signals; their endpoint is used as it is', () => {
  const general = {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'https://h.test/otlp/?k=1',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Basic%20cGs6c2s==, x-langfuse-ingestion-version=4',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'none',
    OTEL_EXPORTER_OTLP_TIMEOUT: '1000',
  }
  const all = settingsOf(general)
  assert.equal(all.url, 'https://h.test/otlp/v1/traces?k=1')
  assert.deepEqual(all.headers, {
    authorization: 'Basic cGs6c2s==',
    'x-langfuse-ingestion-version': '4',
  })
  const own = settingsOf({
    ...general,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://trace.test/agents/otel/v1/traces',
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'wandb-api-key=k',
    OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: 'GZIP',
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '2000',
  })
  assert.equal(own.url, 'https://trace.test/agents/otel/v1/traces')
  assert.deepEqual(own.headers, { 'wandb-api-key': 'k' })
  assert.deepEqual([own.protocol, own.compression, own.timeoutMs], ['http/json', 'gzip', 2000])
})

test('the service is named by its variable, else by the resource, else by the process', () => {
  assert.equal(settingsOf({ OTEL_RESOURCE_ATTRIBUTES: 'service.name=a,wandb.entity=team' }).serviceName, 'a')
  const both = { OTEL_SERVICE_NAME: 'b', OTEL_RESOURCE_ATTRIBUTES: 'service.name=a' }
  assert.equal(settingsOf(both).serviceName, 'b')
})

const wrongValues: readonly [Record<string, string>, RegExp][] = [
  [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, /gRPC is not supported: set http\/protobuf.*4318/],
  [{ OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http' }, /one of http\/protobuf, http\/json, not "http"/],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, /http:\/\/ or https:\/\//],
  [{ OTEL_EXPORTER_OTLP_HEADERS: 'Authorization: Bearer s3cret' }, /entry 1 must be name=value/],
  [{ OTEL_EXPORTER_OTLP_HEADERS: 'a=b,c=100%' }, /entry 2 must be/],
  [{ OTEL_EXPORTER_OTLP_HEADERS: 'a=b%0d%0ac: d' }, /entry 1 must be/],
  [{ OTEL_EXPORTER_OTLP_COMPRESSION: 'zstd' }, /one of none, gzip, not "zstd"/],
  [{ OTEL_EXPORTER_OTLP_TIMEOUT: '10s' }, /a whole number from 1 to/],
  [{ OTEL_EXPORTER_OTLP_TIMEOUT: '0' }, /a whole number from 1 to/],
  [{ OTEL_RESOURCE_ATTRIBUTES: 'wandb.entity' }, /entry 1 must be/],
  [{ OTEL_SDK_DISABLED: 'yes' }, /one of true, false, not "yes"/],
  [{ OTEL_TRACES_EXPORTER: 'zipkin' }, /must be otlp .* or none, not "zipkin"/],
  [{ OTEL_TRACES_SAMPLER: 'parentbased_jaeger_remote' }, /one of always_on, always_off, traceidratio/],
  [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '10%' }, /from 0 to 1, not "10%"/],
  [{ OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '4096' }, /not be greater than the queue \(2048\)/],
  [
    { OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'yes' },
    /one of true, false, SPAN_ONLY, NO_CONTENT/,
  ],
  [{ OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'event_only' }, /set SPAN_ONLY/],
  [{ OTEL_EXPORTER_OTLP_CERTIFICATE: '/nowhere/ca.pem' }, /path of a PEM file; it can't be read \(ENOENT\)/],
]
for (const [variables, remedy] of wrongValues)
  test(`a mistake at the start: ${Object.entries(variables).flat().join('=')}`, () => {
    assert.throws(
      () => readEnvironment({ ...traced, ...variables }),
      (error: Error) => {
        assert.match(error.message, new RegExp(`^  ${Object.keys(variables).at(-1)}: `, 'm'))
        assert.match(error.message, remedy)
        assert.doesNotMatch(error.message, /s3cret/)
        return true
      },
    )
  })

test('content is captured if either word for it says so', () => {
  const name = 'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT'
  const words = { true: true, span_only: true, SPAN_ONLY: true, false: false, NO_CONTENT: false }
  for (const [word, captures] of Object.entries(words))
    assert.equal(settingsOf({ [name]: word }).capturesContent, captures, word)
})

test('samplers decide by the trace id or by the parent, as their names say', () => {
  const decide = (sampler: string, arg: string, traceId: string, parent: boolean | null) => {
    const sender = parent === null ? null : { traceId, spanId: '1'.repeat(16), sampled: parent }
    const variables = { OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: arg }
    return isSampled(traceId, sender, settingsOf(variables).sampling)
  }
  const low = `${'0'.repeat(18)}${'1'.repeat(14)}`
  const high = `${'0'.repeat(18)}${'f'.repeat(14)}`
  assert.deepEqual(
    [null, true, false].map((parent) => decide('always_on', '', low, parent)),
    [true, true, true],
  )
  assert.deepEqual(
    [null, true, false].map((parent) => decide('always_off', '', high, parent)),
    [false, false, false],
  )
  assert.deepEqual(
    [low, high].map((id) => decide('traceidratio', '0.5', id, null)),
    [false, true],
  )
  assert.deepEqual(
    [low, high].map((id) => decide('traceidratio', '0.5', id, true)),
    [false, true],
  )
  assert.deepEqual(
    [low, high].map((id) => decide('parentbased_traceidratio', '0.5', id, null)),
    [false, true],
  )
  assert.equal(decide('parentbased_traceidratio', '0.5', low, true), true)
  assert.equal(decide('parentbased_always_off', '', high, true), true)
  assert.equal(decide('parentbased_always_off', '', high, null), false)
})
