// Exports spans by OTLP over HTTP: the only importer of OpenTelemetry.
//
// 1. Spans arrive finished, sampled and with their ids. The SDK asks an id generator instead of taking ids, so
//    ours returns the pair that was set right before `startSpan`, in the same tick.
// 2. If the collector is down, slow or refuses, spans are lost and that is reported; nothing else suffers.
// 3. What waits is bounded: the SDK's queue by spans, and here by their characters.
import { setTimeout as sleep } from 'node:timers/promises'
import {
  context,
  diag,
  DiagLogLevel,
  logs,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type SpanContext,
} from '@opentelemetry/api'
import {
  defaultResource,
  envDetector,
  hostDetector,
  osDetector,
  resourceFromAttributes,
  serviceInstanceIdDetector,
} from '@opentelemetry/resources'
import { NodeSDK, type NodeSDKConfiguration } from '@opentelemetry/sdk-node'
import type { TracingSettings } from '../config/environment/tracing.ts'
import { shownUrl } from '../text/redaction.ts'
import { ExportReport, exportFailure, isPage, QUEUE_FULL } from './export-report.ts'
import type { Log } from './logging.ts'
import { parentLink } from './names.ts'
import type { SpanData } from './spans.ts'
import type { SpanRef } from './trace-context.ts'

export interface TracingOptions {
  readonly settings: TracingSettings
  /** Unless the settings name the service. */
  readonly serviceName: string
  readonly log: Pick<Log, 'warn' | 'info' | 'debug'>
}

export interface Tracing {
  export(span: SpanData): void
  /** Sends the remaining spans, waiting a few seconds at most. */
  close(): Promise<void>
}

const CLOSE_TIMEOUT_MS = 3_000
/** Characters of all spans that wait: with captured content, spans of a queue could hold gigabytes. */
const MAX_WAITING_CHARS = 32_000_000
/** Characters of one request: collectors refuse bodies of a few megabytes. */
const MAX_REQUEST_CHARS = 1_000_000

const kinds = {
  internal: SpanKind.INTERNAL,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const

type Exporter = NodeSDKConfiguration['traceExporter']
type Spans = Parameters<Exporter['export']>[0]
type ExportResult = Parameters<Parameters<Exporter['export']>[1]>[0]

const SUCCEEDED: ExportResult = { code: 0 }

/** The protocol that is not used is not loaded. */
async function createExporter({ protocol, url, headers, ...settings }: TracingSettings): Promise<Exporter> {
  const { OTLPTraceExporter } =
    protocol === 'http/json'
      ? await import('@opentelemetry/exporter-trace-otlp-http')
      : await import('@opentelemetry/exporter-trace-otlp-proto')
  type Options = NonNullable<ConstructorParameters<typeof OTLPTraceExporter>[0]>
  const compression = settings.compression as NonNullable<Options['compression']>
  return new OTLPTraceExporter({
    url,
    headers: { ...headers },
    compression,
    timeoutMillis: settings.timeoutMs,
  })
}

/** Characters of the values that can be long. */
function charsOf(...all: readonly Readonly<Record<string, unknown>>[]): number {
  const values = all.flatMap((attributes) => Object.values(attributes))
  return values.reduce<number>((sum, value) => sum + (typeof value === 'string' ? value.length : 0), 0)
}

/** What an answer that the SDK took for a success says of the spans of its request. */
interface Complaint {
  readonly lost: number
  readonly reason: string
}

/** Between the SDK's queue and its exporter: requests of a bounded size, and a report of what is lost. */
class ReportingExporter implements Exporter {
  readonly #exporter: Exporter
  readonly #report: ExportReport
  readonly #settings: Pick<TracingSettings, 'url' | 'maxQueue'>
  /** Characters of each span that waits, in the order in which they leave the SDK's queue. */
  readonly #waiting: number[] = []
  #chars = 0
  #complaint: Complaint | null = null

  constructor(exporter: Exporter, report: ExportReport, settings: Pick<TracingSettings, 'url' | 'maxQueue'>) {
    this.#exporter = exporter
    this.#report = report
    this.#settings = settings
  }

  /** False: there is no room for a further span, which is counted as lost. */
  hasRoomFor(chars: number): boolean {
    if (this.#waiting.length < this.#settings.maxQueue && this.#chars + chars <= MAX_WAITING_CHARS) {
      this.#waiting.push(chars)
      this.#chars += chars
      return true
    }
    this.#report.lost(1, QUEUE_FULL)
    return false
  }

  export(spans: Spans, done: (result: ExportResult) => void): void {
    const chars = this.#waiting.splice(0, spans.length).reduce((sum, more) => sum + more, 0)
    void this.#exportAll(spans).then(() => {
      this.#chars -= chars
      done(SUCCEEDED)
    })
  }

  async #exportAll(spans: Spans): Promise<void> {
    for (const request of requestsOf(spans)) {
      const complaint = await this.#send(request)
      if (complaint) this.#report.lost(complaint.lost, complaint.reason)
      else this.#report.exported()
    }
  }

  #send(request: Spans): Promise<Complaint | null> {
    return new Promise((settle) => {
      this.#exporter.export(request, ({ code, error }) => {
        // The SDK complains of an answer right before it calls back, in the same tick.
        const complaint = this.#complaint
        this.#complaint = null
        if (code === SUCCEEDED.code)
          settle(complaint && { ...complaint, lost: Math.min(request.length, complaint.lost) })
        else settle({ lost: request.length, reason: exportFailure(error, this.#settings.url) })
      })
    })
  }

  complain(complaint: Complaint): void {
    this.#complaint = complaint
  }

  async shutdown(): Promise<void> {
    await this.#exporter.shutdown()
  }

  /** No more can be sent: what still waits is lost. */
  close(): void {
    if (this.#waiting.length > 0)
      this.#report.lost(this.#waiting.length, 'the process ended before they were sent')
    this.#report.close()
  }
}

function requestsOf(spans: Spans): Spans[] {
  const requests: Spans[] = []
  let request: Spans = []
  let chars = 0
  for (const span of spans) {
    const more = charsOf(span.attributes)
    if (request.length > 0 && chars + more > MAX_REQUEST_CHARS) {
      requests.push(request)
      request = []
      chars = 0
    }
    request.push(span)
    chars += more
  }
  return request.length > 0 ? [...requests, request] : requests
}

/**
 * What the SDK would print of answers that it takes for a success. An answer that it can't read is no loss,
 * unless it is a page: then nothing at that address knows of spans.
 */
function listenToSdk(exporter: ReportingExporter, log: TracingOptions['log']): void {
  const warn = (message: string, ...details: unknown[]): void => {
    const body = details.find((detail) => detail instanceof Uint8Array)
    const reason = 'it answered with a page of HTML; check OTEL_EXPORTER_OTLP_ENDPOINT'
    if (body && isPage(Buffer.from(body).toString())) exporter.complain({ lost: Infinity, reason })
    else if (message.includes('Partial Success')) exporter.complain(rejected(details))
    else log.debug({ details }, `OpenTelemetry: ${message}`)
  }
  const ignore = (): void => {}
  const logger = { error: warn, warn, info: ignore, debug: ignore, verbose: ignore }
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true })
}

function rejected(details: readonly unknown[]): Complaint {
  const json = details.find((detail) => typeof detail === 'string') ?? '{}'
  const { rejectedSpans = 0, errorMessage = '' } = JSON.parse(json) as {
    rejectedSpans?: number | string
    errorMessage?: string
  }
  return { lost: Number(rejectedSpans), reason: `it rejected some of them (${errorMessage.slice(0, 200)})` }
}

/** Not the SDK's own list: a command's arguments, which its detector of processes sends, hold task texts. */
const detectors = [serviceInstanceIdDetector, hostDetector, osDetector, envDetector]

const ofProcess = {
  'service.namespace': 'flotilla',
  'process.pid': process.pid,
  'process.runtime.name': 'nodejs',
  'process.runtime.version': process.versions.node,
}

/** Batching, limits of spans and resource attributes follow the SDK's environment variables. One at a time. */
export async function startTracing({ settings, serviceName, log }: TracingOptions): Promise<Tracing> {
  let next: SpanRef | null = null
  const report = new ExportReport(log, shownUrl(settings.url))
  const exporter = new ReportingExporter(await createExporter(settings), report, settings)
  const sdk = new NodeSDK({
    serviceName: settings.serviceName ?? serviceName,
    resource: defaultResource().merge(resourceFromAttributes(ofProcess)),
    resourceDetectors: detectors,
    traceExporter: exporter,
    // The decision was made where the trace began (trace-context.ts): only spans to be kept arrive.
    sampler: { shouldSample: () => ({ decision: 2 }), toString: () => 'sampled before' },
    idGenerator: { generateTraceId: () => next?.traceId ?? '', generateSpanId: () => next?.spanId ?? '' },
    metricReaders: [],
    logRecordProcessors: [],
    textMapPropagator: null,
  })
  listenToSdk(exporter, log)
  sdk.start()
  const tracer = trace.getTracer('flotilla')
  return {
    export: (data) => {
      const { events = [] } = data
      if (!exporter.hasRoomFor(charsOf(data.attributes, ...events.map((event) => event.attributes)))) return
      next = data.self
      const parent = data.parent
      const above = parent ? trace.setSpanContext(ROOT_CONTEXT, contextOf(parent)) : ROOT_CONTEXT
      const links = data.links.map((link) => ({ context: contextOf(link), attributes: parentLink }))
      const { name, attributes } = data
      const span = tracer.startSpan(
        name,
        { kind: kinds[data.kind], startTime: hrTime(data.startMs), attributes, links },
        above,
      )
      for (const event of events) span.addEvent(event.name, event.attributes, hrTime(event.atMs))
      if (data.error !== null) span.setStatus({ code: SpanStatusCode.ERROR, message: data.error })
      span.end(hrTime(data.endMs))
    },
    close: async () => {
      const sent = sdk.shutdown().catch(() => {})
      await Promise.race([sent, sleep(CLOSE_TIMEOUT_MS, undefined, { ref: false })])
      exporter.close()
      for (const api of [trace, context, logs, diag]) api.disable()
    },
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
