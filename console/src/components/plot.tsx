// A plot over time. uPlot is loaded with the first one.
import { useEffect, useRef, useState } from 'preact/hooks'
import { lookSafely } from '../api/release.ts'
import { themeName } from '../theme.ts'
import type { Series } from './series.ts'

export interface PlotProps {
  /** Says what it shows, to a screen reader: the figures themselves stand in a table beside it. */
  readonly label: string
  readonly timesMs: readonly number[]
  readonly series: readonly Series[]
  readonly format: (value: number) => string
  /** The labels of the values of the axis. Default: each by `format`. */
  readonly ticks?: (values: readonly number[]) => string[]
  readonly height?: number
  /** Times are beginnings of days of UTC, whatever the viewer's zone. */
  readonly isOfDays?: boolean
  /** Highest value of the axis; default: a little above the highest figure. It begins at 0. */
  readonly top?: number
}

const hour = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', timeZone: 'UTC' })

/** Values without a neighbour, which no line shows. */
const alone = (values: Series['values']): number[] =>
  values.flatMap((value, at) =>
    value === null || (values[at - 1] ?? null) !== null || (values[at + 1] ?? null) !== null ? [] : [at],
  )

const tick = (ms: number, isOfDays: boolean): string => (isOfDays ? day : hour).format(ms)

export function Plot(props: PlotProps) {
  const { label, timesMs, series, format, ticks, height = 180, isOfDays = false, top } = props
  const box = useRef<HTMLDivElement>(null)
  const [isLost, setLost] = useState(false)
  const theme = themeName.value
  useEffect(() => {
    const element = box.current
    if (element === null) return
    let end = (): void => {}
    let isLeft = false
    const fail = (): void => {
      setLost(true)
      lookSafely()
    }
    void import('uplot').then(({ default: UPlot }) => {
      if (isLeft) return
      setLost(false)
      const style = getComputedStyle(element)
      const colour = (name: string): string => style.getPropertyValue(name).trim()
      const axis = {
        stroke: colour('--muted'),
        grid: { stroke: colour('--line'), width: 1 },
        ticks: { show: false },
      }
      const plot = new UPlot(
        {
          width: element.clientWidth,
          height,
          cursor: { y: false },
          tzDate: (seconds) =>
            isOfDays ? UPlot.tzDate(new Date(seconds * 1_000), 'Etc/UTC') : new Date(seconds * 1_000),
          scales: { y: { range: (_, __, most) => [0, top ?? (most > 0 ? most * 1.1 : 1)] } },
          axes: [
            {
              ...axis,
              size: 32,
              space: 70,
              values: (_, seconds) => seconds.map((at) => tick(at * 1_000, isOfDays)),
            },
            { ...axis, size: 84, values: (_, values) => ticks?.(values) ?? values.map(format) },
          ],
          series: [
            {},
            ...series.map(({ name, colour: stroke, values }) => ({
              label: name,
              stroke: colour(stroke),
              width: 1.5,
              points: { show: true, size: 5, fill: colour(stroke), filter: () => alone(values) },
              value: (_: unknown, value: number | null) => (value === null ? '–' : format(value)),
            })),
          ],
        },
        [timesMs.map((ms) => ms / 1_000), ...series.map(({ values }) => [...values])],
        element,
      )
      const resize = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height }))
      resize.observe(element)
      end = () => {
        resize.disconnect()
        plot.destroy()
      }
    }, fail)
    return () => {
      isLeft = true
      end()
    }
  }, [timesMs, series, height, theme, isOfDays, top])
  return (
    <>
      <div ref={box} class="plot" role="img" aria-label={label} />
      {isLost && <p class="muted">The plot could not be loaded. The figures stand in the table.</p>}
    </>
  )
}
