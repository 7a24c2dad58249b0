// Prometheus metrics of one process: the only importer of prom-client. Their table: metrics-table.ts.
//
// 1. What is measured is added up in plain numbers (series.ts); prom-client gets them when it is scraped.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { UsageRecorded } from '../../schemas/generated/events.ts'
import { watchEventLoop, type LoopDelay } from './event-loop.ts'
import type { Instruments } from './instruments.ts'
import { counters, distributions, gauges, histograms } from './metrics-table.ts'
import { genAiMetrics } from './names.ts'
import { Distribution, SeriesByLabels, Value, type LabelValues } from './series.ts'

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
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER_MS })
  const measureEventLoop = eventLoopGauges(registry)
  const made = {
    counters: each(counters, (name, row) => countsOf(`flotilla_${name}_total`, row, registry)),
    gauges: each(gauges, (name, row) => valuesOf(`flotilla_${name}`, row, registry)),
    histograms: each(histograms, (name, row) =>
      distributionsOf(`flotilla_${name}_seconds`, row, SECONDS, registry),
    ),
    distributions: each(distributions, (name, row) =>
      distributionsOf(`flotilla_${name}`, row, NUMBERS, registry),
    ),
  }
  return {
    // prom-client throws on values that are no number or go backwards; measuring must not.
    count: (name, n = 1, labels) => {
      if (n > 0) made.counters[name].of(labels ?? {}).number += n
    },
    gauge: (name, value, labels) => {
      if (Number.isFinite(value)) made.gauges[name].of(labels ?? {}).number = value
    },
    gauges: (name, series) => {
      made.gauges[name].clear()
      for (const { labels, value } of series)
        if (Number.isFinite(value)) made.gauges[name].of(labels).number = value
    },
    observe: (name, seconds, labels) => {
      if (Number.isFinite(seconds)) made.histograms[name].of(labels ?? {}).add(seconds)
    },
    record: (name, value, labels) => {
      if (Number.isFinite(value)) made.distributions[name].of(labels ?? {}).add(value)
    },
    inference: inferenceMetrics(registry, oldNames),
    text: () => {
      measureEventLoop()
      return registry.metrics()
    },
  }
}

function countsOf(
  name: string,
  { help, labels: labelNames }: Row,
  registry: Registry,
): SeriesByLabels<Value> {
  const counts = new SeriesByLabels(labelNames, () => new Value())
  const collect = (): void => {
    for (const { labels, series } of counts.all()) {
      counter.inc(labels as Record<string, string>, series.number)
      series.number = 0
    }
  }
  const counter = new Counter({ name, help, labelNames, registers: [registry], collect })
  return counts
}

function valuesOf(
  name: string,
  { help, labels: labelNames }: Row,
  registry: Registry,
): SeriesByLabels<Value> {
  const values = new SeriesByLabels(labelNames, () => new Value())
  const collect = (): void => {
    gauge.reset()
    for (const { labels, series } of values.all()) gauge.set(labels as Record<string, string>, series.number)
  }
  const gauge = new Gauge({ name, help, labelNames, registers: [registry], collect })
  return values
}

function distributionsOf(
  name: string,
  { help, labels: labelNames }: Row,
  buckets: readonly number[],
  registry: Registry,
): SeriesByLabels<Distribution> {
  const found = new SeriesByLabels(labelNames, () => new Distribution(buckets))
  const empty = new Histogram({ name, help, labelNames, registers: [], buckets: [...buckets] })
  const get = async () => ({
    ...(await empty.get()),
    values: [...found.all()].flatMap(({ labels, series }) => linesOf(name, labels, series)),
  })
  registry.registerMetric({ name, get, reset: () => found.clear() } as unknown as Histogram)
  return found
}

function linesOf(name: string, labels: LabelValues, series: Distribution) {
  const line = (suffix: string, value: number, le: Record<string, string | number> = {}) => ({
    metricName: `${name}_${suffix}`,
    labels: { ...le, ...labels } as Record<string, string | number>,
    value,
    exemplar: null,
  })
  return [
    ...series.cumulative().map(({ bound, count }) => line('bucket', count, { le: bound })),
    line('bucket', series.count, { le: '+Inf' }),
    line('sum', series.sum),
    line('count', series.count),
  ]
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
  const labels = [...inferenceLabels, 'error_type']
  const duration = (name: string) =>
    distributionsOf(name, { help: 'Time of a model call.', labels }, SECONDS, registry)
  const tokens = (name: string, help: string) => countsOf(name, { help, labels: inferenceLabels }, registry)
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
    for (const histogram of durations) histogram.of({ ...labels, ...failed }).add(call.durationMs / 1000)
    input.of(labels).number += call.inputTokens
    output.of(labels).number += call.outputTokens
    usage?.of({ ...labels, gen_ai_token_type: 'input' }).add(call.inputTokens)
    usage?.of({ ...labels, gen_ai_token_type: 'output' }).add(call.outputTokens)
  }
}

function tokenHistogram(registry: Registry): SeriesByLabels<Distribution> {
  const labels = [...inferenceLabels, 'gen_ai_token_type']
  return distributionsOf(
    genAiMetrics.tokens.old,
    { help: 'Tokens of a model call.', labels },
    TOKENS,
    registry,
  )
}
