// Exports spans by OTLP over HTTP: the only importer of OpenTelemetry.
//
// 1. Spans arrive finished and with their ids. The SDK asks an id generator instead of taking ids, so ours
//    returns the pair that was set right before `startSpan`, in the same tick.
// 2. If the collector is down, spans are dropped; nothing else suffers.
import { setTimeout as sleep } from 'node:timers/promises'
import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type SpanContext,
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources'
import { NodeSDK } from '@opentelemetry/sdk-node'
import { parentLink } from './names.ts'
import type { SpanData } from './spans.ts'
import type { SpanRef } from './trace-context.ts'

export interface TracingOptions {
  /** Base URL of the collector (OTEL_EXPORTER_OTLP_ENDPOINT); spans go to `/v1/traces` below it. */
  readonly endpoint: string
  readonly serviceName: string
}

export interface Tracing {
  export(span: SpanData): void
  /** Sends the remaining spans, waiting a few seconds at most. */
  close(): Promise<void>
}

const CLOSE_TIMEOUT_MS = 3_000

const kinds = {
  internal: SpanKind.INTERNAL,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const

/**
 * Headers, time limits, batching, sampling and resource attributes follow the SDK's own environment
 * variables. Call once per process.
 */
export function startTracing({ endpoint, serviceName }: TracingOptions): Tracing {
  let next: SpanRef | null = null
  const sdk = new NodeSDK({
    serviceName,
    resource: defaultResource().merge(resourceFromAttributes({ 'service.namespace': 'flotilla' })),
    traceExporter: new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, '')}/v1/traces` }),
    idGenerator: { generateTraceId: () => next?.traceId ?? '', generateSpanId: () => next?.spanId ?? '' },
    metricReaders: [],
    logRecordProcessors: [],
    textMapPropagator: null,
  })
  sdk.start()
  const tracer = trace.getTracer('flotilla')
  return {
    export: (data) => {
      next = data.self
      const parent = data.parent
      const context = parent ? trace.setSpanContext(ROOT_CONTEXT, contextOf(parent)) : ROOT_CONTEXT
      const links = data.links.map((link) => ({ context: contextOf(link), attributes: parentLink }))
      const { name, attributes } = data
      const span = tracer.startSpan(
        name,
        { kind: kinds[data.kind], startTime: hrTime(data.startMs), attributes, links },
        context,
      )
      if (data.error !== null) span.setStatus({ code: SpanStatusCode.ERROR, message: data.error })
      span.end(hrTime(data.endMs))
    },
    close: () =>
      Promise.race([sdk.shutdown().catch(() => {}), sleep(CLOSE_TIMEOUT_MS, undefined, { ref: false })]),
  }
}

const contextOf = ({ traceId, spanId, sampled }: SpanRef): SpanContext => ({
  traceId,
  spanId,
  traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
  isRemote: true,
})

/** A plain number before the start of the process would be taken for time since that start. */
function hrTime(epochMs: number): [number, number] {
  const seconds = Math.floor(epochMs / 1000)
  return [seconds, Math.floor((epochMs - seconds * 1000) * 1e6)]
}
