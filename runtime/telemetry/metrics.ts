// Prometheus metrics of one process: the only importer of prom-client. Their table: metrics-table.ts.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { UsageRecorded } from '../../schemas/generated/events.ts'
import { watchEventLoop, type LoopDelay } from './event-loop.ts'
import type { Instruments } from './instruments.ts'
import { counters, distributions, gauges, histograms } from './metrics-table.ts'
import { genAiMetrics } from './names.ts'

export interface Metrics extends Pick<Instruments, 'count' | 'gauge' | 'gauges' | 'observe' | 'record'> {
  /** A model call, by the GenAI convention. */
  inference(usage: UsageRecorded): void
  /** Prometheus text format. */
  text(): Promise<string>
}

const loopFields: readonly (readonly [keyof LoopDelay, string])[] = [
  ['min', 'The least delay of the event loop.'],
  ['max', 'The greatest delay of the event loop.'],
  ['mean', 'The mean of the delays of the event loop.'],
  ['stddev', 'The standard deviation of the delays of the event loop.'],
  ['p50', 'Half of the delays of the event loop are less.'],
  ['p90', '90 % of the delays of the event loop are less.'],
  ['p99', '99 % of the delays of the event loop are less.'],
]
/** prom-client's own sampling of the event loop can't be turned off. */
const NEVER_MS = 3_600_000
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]
const NUMBERS = [0.1, 0.25, 0.5, 0.75, 1, 2, 3, 5, 8, 10, 15, 20, 50, 100, 250]
const TOKENS = [1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576]

export function createMetrics({ oldNames }: { oldNames: boolean }): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER_MS })
  const measureEventLoop = eventLoopGauges(registry)
  const made = {
    counters: each(
      counters,
      (name, { help, labels: labelNames }) =>
        new Counter({ name: `flotilla_${name}_total`, help, labelNames, registers }),
    ),
    gauges: each(
      gauges,
      (name, { help, labels: labelNames }) =>
        new Gauge({ name: `flotilla_${name}`, help, labelNames, registers }),
    ),
    histograms: each(
      histograms,
      (name, { help, labels: labelNames }) =>
        new Histogram({ name: `flotilla_${name}_seconds`, help, labelNames, registers, buckets: SECONDS }),
    ),
    distributions: each(
      distributions,
      (name, { help, labels: labelNames }) =>
        new Histogram({ name: `flotilla_${name}`, help, labelNames, registers, buckets: NUMBERS }),
    ),
  }
  return {
    // prom-client throws on values that are no number or go backwards; measuring must not.
    count: (name, n = 1, labels = {}) => {
      if (n > 0) made.counters[name].inc(labels, n)
    },
    gauge: (name, value, labels = {}) => {
      if (Number.isFinite(value)) made.gauges[name].set(labels, value)
    },
    gauges: (name, series) => {
      made.gauges[name].reset()
      for (const { labels, value } of series) if (Number.isFinite(value)) made.gauges[name].set(labels, value)
    },
    observe: (name, seconds, labels = {}) => {
      if (Number.isFinite(seconds)) made.histograms[name].observe(labels, seconds)
    },
    record: (name, value, labels = {}) => {
      if (Number.isFinite(value)) made.distributions[name].observe(labels, value)
    },
    inference: inferenceMetrics(registry, oldNames),
    text: () => {
      measureEventLoop()
      return registry.metrics()
    },
  }
}

/** Gauges in place of prom-client's own of these names. Returns what sets them. */
function eventLoopGauges(registry: Registry): () => void {
  const delay = watchEventLoop()
  const made = loopFields.map(([field, help]) => {
    const name = `nodejs_eventloop_lag_${field}_seconds`
    registry.removeSingleMetric(name)
    return [field, new Gauge({ name, help, registers: [registry] })] as const
  })
  return () => {
    const seen = delay()
    for (const [field, gauge] of made) gauge.set(seen[field])
  }
}

interface Row {
  readonly help: string
  readonly labels: readonly string[]
}

function each<N extends string, M>(
  table: Readonly<Record<N, Row>>,
  make: (name: N, row: Row) => M,
): Record<N, M> {
  const entries = (Object.keys(table) as N[]).map((name) => [name, make(name, table[name])] as const)
  return Object.fromEntries(entries) as Record<N, M>
}

const inferenceLabels = ['gen_ai_operation_name', 'gen_ai_provider_name', 'gen_ai_request_model'] as const

function inferenceMetrics(registry: Registry, oldNames: boolean): Metrics['inference'] {
  const registers = [registry]
  const labelNames = [...inferenceLabels, 'error_type']
  const duration = (name: string) =>
    new Histogram({ name, help: 'Time of a model call.', labelNames, registers, buckets: SECONDS })
  const tokens = (name: string, help: string) =>
    new Counter({ name, help, labelNames: inferenceLabels, registers })
  const durations = [genAiMetrics.duration.name, ...(oldNames ? [genAiMetrics.duration.old] : [])].map(
    duration,
  )
  const input = tokens(genAiMetrics.inputTokens.name, 'Tokens sent to models.')
  const output = tokens(genAiMetrics.outputTokens.name, 'Tokens written by models.')
  const usage = oldNames ? tokenHistogram(registry) : null
  return (call) => {
    const labels = {
      gen_ai_operation_name: 'chat',
      gen_ai_provider_name: call.provider ?? 'unknown',
      gen_ai_request_model: call.model ?? 'unknown',
    }
    const failed = call.errorCode === null ? {} : { error_type: call.errorCode }
    for (const histogram of durations) histogram.observe({ ...labels, ...failed }, call.durationMs / 1000)
    input.inc(labels, call.inputTokens)
    output.inc(labels, call.outputTokens)
    usage?.observe({ ...labels, gen_ai_token_type: 'input' }, call.inputTokens)
    usage?.observe({ ...labels, gen_ai_token_type: 'output' }, call.outputTokens)
  }
}

function tokenHistogram(registry: Registry): Histogram {
  return new Histogram({
    name: genAiMetrics.tokens.old,
    help: 'Tokens of a model call.',
    labelNames: [...inferenceLabels, 'gen_ai_token_type'],
    registers: [registry],
    buckets: TOKENS,
  })
}
