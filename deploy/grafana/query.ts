// PromQL on the fleet's metrics, by the names and labels of the metrics table: a name or label that is not in it
// does not compile. Every selector keeps to the jobs and instances that the dashboard shows.
import type {
  CounterLabels,
  CounterName,
  DistributionLabels,
  DistributionName,
  GaugeLabels,
  GaugeName,
  HistogramLabels,
  HistogramName,
} from '../../runtime/telemetry/metrics-table.ts'

const SHOWN = 'job=~"$job", instance=~"$instance"'

/** Label → the regular expression that it must match. */
type Where<L> = { readonly [K in keyof L]?: string }

const selector = (series: string, where: Readonly<Record<string, string | undefined>>): string =>
  `${series}{${[SHOWN, ...Object.entries(where).map(([label, value]) => `${label}=~"${value ?? ''}"`)].join(', ')}}`

const summed = (by: readonly string[], expr: string): string =>
  by.length === 0 ? `sum(${expr})` : `sum by (${by.join(', ')}) (${expr})`

/** Per second. */
export const rate = <N extends CounterName>(
  name: N,
  by: readonly (keyof CounterLabels<N> & string)[] = [],
  where: Where<CounterLabels<N>> = {},
): string => summed(by, `rate(${selector(`flotilla_${name}_total`, where)}[$__rate_interval])`)

/** Over the time that the dashboard shows. */
export const increase = <N extends CounterName>(
  name: N,
  by: readonly (keyof CounterLabels<N> & string)[] = [],
  where: Where<CounterLabels<N>> = {},
): string => summed(by, `increase(${selector(`flotilla_${name}_total`, where)}[$__range])`)

/** Since the processes began. For what is rare: increase() does not see the event that makes a series. */
export const total = <N extends CounterName>(
  name: N,
  by: readonly (keyof CounterLabels<N> & string)[] = [],
): string => summed(by, selector(`flotilla_${name}_total`, {}))

export const gauge = <N extends GaugeName>(
  name: N,
  by: readonly (keyof GaugeLabels<N> & string)[] = [],
  aggregate: 'sum' | 'max' = 'sum',
): string => {
  const series = selector(`flotilla_${name}`, {})
  return by.length === 0 ? `${aggregate}(${series})` : `${aggregate} by (${by.join(', ')}) (${series})`
}

const quantileOf = (quantile: number, series: string, by: readonly string[], where: object): string =>
  `histogram_quantile(${quantile}, sum by (${['le', ...by].join(', ')}) (rate(${selector(`${series}_bucket`, where as Record<string, string>)}[$__rate_interval])))`

/** Seconds. */
export const quantile = <N extends HistogramName>(
  q: number,
  name: N,
  by: readonly (keyof HistogramLabels<N> & string)[] = [],
  where: Where<HistogramLabels<N>> = {},
): string => quantileOf(q, `flotilla_${name}_seconds`, by, where)

/** Seconds, over all since the processes began: of what is too rare for a rate. */
export const average = <N extends HistogramName>(
  name: N,
  by: readonly (keyof HistogramLabels<N> & string)[] = [],
): string => {
  const part = (suffix: string): string => summed(by, selector(`flotilla_${name}_seconds_${suffix}`, {}))
  return `${part('sum')} / ${part('count')}`
}

/** The mean of a distribution. */
export const mean = <N extends DistributionName>(
  name: N,
  by: readonly (keyof DistributionLabels<N> & string)[] = [],
): string => {
  const part = (suffix: string): string =>
    summed(by, `rate(${selector(`flotilla_${name}_${suffix}`, {})}[$__rate_interval])`)
  return `${part('sum')} / ${part('count')}`
}

/** Of the process itself, as prom-client names it. */
export const processRate = (series: string): string => `rate(${selector(series, {})}[$__rate_interval])`
export const processGauge = (series: string): string => selector(series, {})
