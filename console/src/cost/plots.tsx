// The plots of the cost page. Their figures stand in the table below.
import { useMemo } from 'preact/hooks'
import { Plot } from '../components/plot.tsx'
import type { Series } from '../components/series.ts'
import { cost, costTicks, count, duration } from '../format.ts'
import { line } from '../text.ts'
import { share } from './figures.tsx'
import { seriesByGroup, valuesOf, type Group, type Range, type Usage, type UsageLine } from './usage.ts'

interface PlotsProps {
  readonly usage: Usage
  readonly timesMs: readonly number[]
  readonly per: Range['per']
  readonly by: Group
}

interface CardProps {
  readonly title: string
  readonly timesMs: readonly number[]
  readonly series: readonly Series[]
  readonly format: (value: number) => string
  readonly ticks?: (values: readonly number[]) => string[]
  readonly per: Range['per']
  readonly top?: number
}

function Card({ title, per, ...plot }: CardProps) {
  const isEmpty = plot.series.every(({ values }) => values.every((value) => value === null))
  return (
    <section class="plot-card">
      <h2>{title}</h2>
      {isEmpty ? (
        <p class="muted">No figures in this time.</p>
      ) : (
        <Plot label={title} {...plot} isOfDays={per === 'day'} height={190} />
      )}
    </section>
  )
}

export function CostPlots({ usage, timesMs, per, by }: PlotsProps) {
  const byGroup = useMemo(() => {
    const of = (valueOf: (each: UsageLine) => number) => named(seriesByGroup(usage, timesMs, valueOf))
    return {
      cost: of((each) => each.cost),
      tokens: of((each) => each.inputTokens + each.outputTokens),
      executions: of((each) => each.executions),
    }
  }, [usage, timesMs])
  const spent = useMemo(
    () => [one('cost', '--accent', usage, timesMs, (each) => each.cost, 0)],
    [usage, timesMs],
  )
  const what = by === 'model' || by === 'tool' ? 'Calls' : 'Tasks'
  return (
    <div class="plots">
      <Card
        title={`Cost per ${per}`}
        per={per}
        timesMs={timesMs}
        series={spent}
        format={cost}
        ticks={costTicks}
      />
      {by === 'tool' ? null : (
        <>
          <Card
            title={`Cost per ${per} by ${by}`}
            per={per}
            timesMs={timesMs}
            series={byGroup.cost}
            format={cost}
            ticks={costTicks}
          />
          <Card
            title={`Tokens per ${per} by ${by}`}
            per={per}
            timesMs={timesMs}
            series={byGroup.tokens}
            format={count}
          />
        </>
      )}
      <Card
        title={`${what} per ${per} by ${by}`}
        per={per}
        timesMs={timesMs}
        series={byGroup.executions}
        format={count}
      />
    </div>
  )
}

export function QualityPlots({ usage, timesMs, per, by }: PlotsProps) {
  const own = useMemo(
    () => ({
      success: [one('success', '--good', usage, timesMs, (each) => each.successRate, null)],
      latency: [
        one('median', '--model', usage, timesMs, (each) => each.p50Ms ?? null, null),
        one('95th percentile', '--trouble', usage, timesMs, (each) => each.p95Ms ?? null, null),
      ],
      scores: [
        one('satisfaction', '--tool', usage, timesMs, (each) => each.satisfaction, null),
        one('quality', '--person', usage, timesMs, (each) => each.quality, null),
      ],
      byGroup: named(seriesByGroup(usage, timesMs, (each) => each.p95Ms ?? null, null)),
    }),
    [usage, timesMs],
  )
  return (
    <div class="plots">
      <Card
        title={`Tasks that succeeded per ${per}`}
        per={per}
        timesMs={timesMs}
        series={own.success}
        format={share}
        top={1}
      />
      <Card
        title={`Duration of tasks per ${per}`}
        per={per}
        timesMs={timesMs}
        series={own.latency}
        format={duration}
      />
      <Card
        title={`Scores per ${per}`}
        per={per}
        timesMs={timesMs}
        series={own.scores}
        format={share}
        top={1}
      />
      <Card
        title={`95th percentile of the duration by ${by}`}
        per={per}
        timesMs={timesMs}
        series={own.byGroup}
        format={duration}
      />
    </div>
  )
}

/** A figure of all tasks. */
const one = (
  name: string,
  colour: string,
  { periods }: Usage,
  timesMs: readonly number[],
  valueOf: (line: UsageLine) => number | null,
  none: number | null,
): Series => ({ name, colour, values: valuesOf(periods, timesMs, valueOf, none) })

/** Names of groups are users' and models': as short text. */
const named = (series: readonly Series[]): Series[] =>
  series.map((each) => ({ ...each, name: line(each.name, 28) }))
