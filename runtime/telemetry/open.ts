// The telemetry of a process, as its environment asks for it.
import type { Decoded } from '../codec/port.ts'
import type { Environment } from '../config/environment.ts'
import type { Fleet } from '../config/fleet.ts'
import { defaultTelemetry } from '../config/recording.ts'
import type { TracingSettings } from '../config/environment/tracing.ts'
import type { ContentLimits } from './content.ts'
import { untracedHandling, type CommittedContext, type Instruments, type Log } from './instruments.ts'
import { createLoggers, type Loggers } from './logging.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { wantsOldNames, withOldNames } from './names.ts'
import { allNames, knownNames } from './known-names.ts'
import { agentExecution, measure, toolExecution, type KnownNames } from './records.ts'
import { redacted, redactedJson } from '../text/redaction.ts'
import {
  startHandling,
  startSend,
  taskSpan,
  type EmitSpan,
  type SpanData,
  type SpanOptions,
} from './spans.ts'
import type { Tracing } from './tracing.ts'

export interface Telemetry {
  readonly instruments: Instruments
  /** Prometheus text format. */
  metrics(): Promise<string>
  /** Sends the last spans. */
  close(): Promise<void>
}

export interface TelemetryOptions {
  /** False: no agent_execution and tool_execution records. Default true. */
  readonly records?: boolean
  /** Only names that it configures become labels. A process that runs stages has one. */
  readonly fleet?: Fleet
}

type Settings = Pick<Environment, 'tracing' | 'logLevel' | 'raw'> & Partial<Pick<Environment, 'logFormat'>>

/** `name` is the service or the process: `flotilla-<name>` in Jaeger. */
export function openTelemetry(
  environment: Settings,
  name: string,
  options: TelemetryOptions = {},
): Telemetry {
  const service = `flotilla-${name}`
  const oldNames = wantsOldNames(environment.raw)
  const loggers = createLoggers({
    service,
    level: environment.logLevel,
    format: environment.logFormat ?? (process.stderr.isTTY ? 'text' : 'json'),
    records: options.records ?? true,
  })
  const metrics = createMetrics({ oldNames })
  const { tracing } = environment
  const exporter = tracing && openExporter(tracing, service, loggers.log)
  const emit = exporter && withoutSecrets(oldNames ? renaming(exporter.export) : exporter.export)
  const known = options.fleet ? knownNames(options.fleet) : allNames
  return {
    instruments: instrumentsOf(loggers, metrics, emit, known, spanOptions(tracing, known, options.fleet)),
    metrics: () => metrics.text(),
    close: async () => exporter?.close(),
  }
}

function spanOptions(
  tracing: TracingSettings | null,
  known: KnownNames,
  fleet: Fleet | undefined,
): SpanOptions {
  const names = {
    isModel: known.model,
    isAgent: known.agent,
    agentVersion: (agent: string) =>
      fleet && Object.hasOwn(fleet.agents, agent) ? fleet.agents[agent]?.version : undefined,
  }
  if (!tracing) return names
  return { ...names, sampling: tracing.sampling, content: contentLimits(tracing, fleet) }
}

/** The environment wins. An attribute that the SDK would cut is no JSON any more. */
function contentLimits(tracing: TracingSettings, fleet: Fleet | undefined): ContentLimits | null {
  const { captureContent, maxContentChars } = { ...defaultTelemetry, ...fleet?.telemetry }
  if (!(tracing.capturesContent ?? captureContent)) return null
  return { maxChars: Math.min(maxContentChars, tracing.maxValueChars ?? Infinity) }
}

function instrumentsOf(
  loggers: Loggers,
  metrics: Metrics,
  emit: EmitSpan | null,
  known: KnownNames,
  spans: SpanOptions,
): Instruments {
  return {
    count: metrics.count,
    gauge: metrics.gauge,
    gauges: metrics.gauges,
    observe: metrics.observe,
    record: metrics.record,
    handling: (input) => (emit ? startHandling(input, emit, spans) : untracedHandling(input.traceparent)),
    sending: (input) =>
      emit ? startSend(input, emit, spans.sampling) : { traceparent: input.traceparent, end: () => {} },
    committed: (event, context) => {
      record(event, context, loggers)
      measure(event, metrics, known)
      const span = emit && event.type === 'TaskCompleted' ? taskSpan(event.data, context, spans) : null
      if (span) emit?.(span)
    },
    log: loggers.log,
  }
}

function record({ type, data }: Decoded, context: CommittedContext, { records }: Loggers): void {
  if (!records) return
  if (type === 'TaskCompleted') records.info(agentExecution(data, context), 'agent_execution')
  else if (type === 'ToolCompleted') records.info(toolExecution(data, context), 'tool_execution')
}

const renaming =
  (emit: EmitSpan): EmitSpan =>
  (span) =>
    emit({ ...span, attributes: withOldNames(span.attributes) })

/** Spans contain answers of providers and tools too. */
const withoutSecrets =
  (emit: EmitSpan): EmitSpan =>
  ({ name, error, attributes, events, ...span }) =>
    emit({
      ...span,
      name: redacted(name),
      error: error === null ? null : redacted(error),
      attributes: redactedJson(attributes),
      ...(events && { events: redactedJson(events) }),
    })

/** Spans kept until the exporter is loaded. */
const MAX_EARLY_SPANS = 10_000

/** OpenTelemetry is slow to load: only a process that traces loads it, without waiting for it. */
function openExporter(settings: TracingSettings, serviceName: string, log: Log): Tracing {
  const early: SpanData[] = []
  let tracing: Tracing | null = null
  const loaded = import('./tracing.ts')
    .then(({ startTracing }) => startTracing({ settings, serviceName, log }))
    .then((started) => {
      tracing = started
      early.splice(0).forEach(started.export)
    })
    .catch((error: unknown) =>
      log.error({ err: error }, 'failed to start the trace exporter; spans are lost'),
    )
  return {
    export: (span) => {
      if (tracing) tracing.export(span)
      else if (early.length < MAX_EARLY_SPANS) early.push(span)
    },
    close: () => loaded.then(() => tracing?.close()),
  }
}
