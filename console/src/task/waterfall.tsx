// The steps of a task, each with a bar of where its time went. Only the steps in view are in the page.
import { useSignal } from '@preact/signals'
import { memo } from 'preact/compat'
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { RefObject } from 'preact'
import { now } from '../clock.ts'
import { Empty } from '../components/states.tsx'
import { isNarrow } from '../components/narrow.ts'
import { useVirtualRows } from '../components/virtual.ts'
import { cost, count, duration } from '../format.ts'
import { onKeys } from '../keys.ts'
import { navigate, place, withQuery } from '../router.ts'
import { line, withoutCode } from '../text.ts'
import { StepDetail } from './step-detail.tsx'
import type { Span, SpanKind, Step } from './steps.ts'
import type { Timeline } from './timeline.ts'

const ROW_PX = 38
const NARROW_PX = 54
/** With more steps, a bar on the scale of the whole task is too thin to be read. */
const WHOLE_STEPS = 40

interface WaterfallProps {
  readonly timeline: Timeline
  readonly version: number
  readonly scroller: RefObject<HTMLElement | null>
}

interface Scale {
  readonly isWhole: boolean
  readonly fromMs: number
  readonly lengthMs: number
}

export function Waterfall({ timeline, version, scroller }: WaterfallProps) {
  const { steps } = timeline
  const linked = Number(place.value.query.get('step') ?? '')
  const open = useSignal<ReadonlySet<number>>(new Set(linked > 0 ? [linked] : []))
  const [isWhole, setWhole] = useState<boolean | null>(null)
  const box = useRef<HTMLDivElement>(null)
  const margin = useMargin(box, scroller, version)
  const rowPx = isNarrow.value ? NARROW_PX : ROW_PX
  // The steps are one list that grows.
  const keyAt = useCallback(
    (index: number) => String(steps[index]?.number ?? index),
    [steps, steps.length, rowPx],
  )
  const virtual = useVirtualRows({
    count: steps.length,
    rowHeight: () => rowPx,
    keyOf: keyAt,
    scroller,
    margin,
  })
  useLinkedStep(linked, steps, virtual.show)
  useEffect(
    () =>
      onKeys({
        e: () => (open.value = open.value.size > 0 ? new Set() : new Set(steps.map(({ number }) => number))),
      }),
    [steps],
  )
  const whole = isWhole ?? steps.length <= WHOLE_STEPS
  const longest = useMemo(() => usualMs(steps), [steps.length, version])
  const fromMs = timeline.firstMs ?? steps[0]?.startedMs ?? 0
  const endMs = timeline.result === null ? now.value : (timeline.lastMs ?? now.value)
  const lengthMs = whole ? Math.max(1, endMs - fromMs) : longest
  // The same objects as long as they say the same: a line that scrolls by is not drawn again.
  const scale = useMemo(() => ({ isWhole: whole, fromMs, lengthMs }), [whole, fromMs, lengthMs])
  // Steps that were never open have one height: reading it would cost a layout for each that scrolls into view.
  const sized = useRef(new Set<number>()).current
  for (const number of open.value) sized.add(number)
  const toggle = useCallback((number: number): void => {
    const next = new Set(open.peek())
    if (!next.delete(number)) next.add(number)
    open.value = next
    navigate(withQuery({ step: next.has(number) ? String(number) : null }), { replace: true })
  }, [])
  if (steps.length === 0)
    return (
      <Empty
        title={timeline.status === 'queued' ? 'It waits for a free slot of its lane' : 'No step has begun'}
      />
    )
  return (
    <section class="waterfall" aria-label="Steps">
      <Legend scale={scale} onScale={() => setWhole(!whole)} />
      <div class="steps-head" aria-hidden="true">
        <span>#</span>
        <span>Step</span>
        <span>{whole ? `0 – ${duration(scale.lengthMs)}` : `each of ${duration(longest)}`}</span>
        <span>Duration</span>
        <span>Tokens</span>
        <span>Cost</span>
      </div>
      <div class="table-space" ref={box} style={{ height: `${virtual.total}px` }}>
        {virtual.items.map(({ index, start }) => {
          const step = steps[index]
          return (
            step && (
              <div
                key={step.number}
                class={sized.has(step.number) ? 'step' : 'step closed'}
                data-index={index}
                ref={sized.has(step.number) ? virtual.measure : null}
                style={{ top: `${start - virtual.margin}px` }}
              >
                <StepLine
                  step={step}
                  version={step.version}
                  scale={scale}
                  isOpen={open.value.has(step.number)}
                  onToggle={toggle}
                  nowMs={step.endedMs === null ? now.value : 0}
                />
                {open.value.has(step.number) && <StepDetail step={step} version={step.version} />}
              </div>
            )
          )
        })}
      </div>
    </section>
  )
}

/** Where the list begins in its scroller; what stands above it may grow. Not read while it scrolls: that costs a layout. */
function useMargin(
  box: RefObject<HTMLElement | null>,
  scroller: RefObject<HTMLElement | null>,
  version: number,
): number {
  const [margin, setMargin] = useState(0)
  useLayoutEffect(() => {
    const measure = (): void => setMargin(box.current?.offsetTop ?? 0)
    measure()
    const observer = new ResizeObserver(measure)
    for (const child of scroller.current?.children ?? []) observer.observe(child)
    return () => observer.disconnect()
  }, [version])
  return margin
}

/** As long as nearly all steps: a few that waited for hours must not shrink the others to nothing. */
function usualMs(steps: readonly Step[]): number {
  const ended = steps
    .flatMap(({ startedMs, endedMs }) => (endedMs === null ? [] : [endedMs - startedMs]))
    .toSorted((a, b) => a - b)
  return Math.max(
    1,
    ended[Math.floor(ended.length * 0.97)] ?? ended.at(-1) ?? now.peek() - (steps[0]?.startedMs ?? 0),
  )
}

/** A link to a step shows it, once its events have come. */
function useLinkedStep(linked: number, steps: readonly Step[], show: (index: number) => void): void {
  const isShown = useRef(false)
  useEffect(() => {
    if (isShown.current || !(linked > 0)) return
    const index = steps.findIndex(({ number }) => number === linked)
    if (index < 0) return
    isShown.current = true
    if (index > 0) requestAnimationFrame(() => show(index))
  })
}

interface StepLineProps {
  readonly step: Step
  readonly version: number
  readonly scale: Scale
  readonly isOpen: boolean
  readonly onToggle: (number: number) => void
  readonly nowMs: number
}

const StepLine = memo(function StepLine({ step, scale, isOpen, onToggle, nowMs }: StepLineProps) {
  const { number, startedMs, endedMs, inputTokens, outputTokens, error, marks } = step
  const isRunning = endedMs === null
  const others = marks.filter(({ kind }) => kind !== 'resumed')
  const resumed = marks.find(({ kind }) => kind === 'resumed')
  return (
    <button
      class={`step-line${isRunning ? ' running' : ''}`}
      aria-expanded={isOpen}
      onClick={() => onToggle(number)}
    >
      <span class="step-number">{number}</span>
      <span class="step-title">
        {error !== null && <code class="bad">{line(error, 40)}</code>}
        {resumed && (
          <span class="step-mark" title={line(resumed.text)}>
            resumed
          </span>
        )}
        {others.length > 0 && (
          <span class="step-mark" title={others.map(({ text }) => line(text)).join('\n')}>
            {others.length} ⟳
          </span>
        )}
        <bdi>{titleOf(step)}</bdi>
      </span>
      <Bar step={step} scale={scale} nowMs={nowMs} />
      <span class="number">{duration((endedMs ?? nowMs) - startedMs)}</span>
      <span class="number step-tokens">
        {inputTokens + outputTokens === 0 ? '–' : count(inputTokens + outputTokens)}
      </span>
      <span class="number step-cost">{step.cost === 0 ? '–' : cost(step.cost)}</span>
    </button>
  )
})

function titleOf({ text, code, calls, isAnswered }: Step): string {
  const said = code === null ? text : withoutCode(text)
  const tools = [...new Set(calls.map(({ tool }) => tool))]
  if (tools.length > 0)
    return `${line(tools.slice(0, 4).join(', '), 80)}${tools.length > 4 ? ' …' : ''}${said === '' ? '' : ` · ${line(said, 120)}`}`
  if (code !== null) return `Python · ${line(code.text, 120)}`
  if (text !== '') return line(text, 160)
  return isAnswered ? 'No text' : 'The model is asked'
}

function Bar({ step, scale, nowMs }: { readonly step: Step; readonly scale: Scale; readonly nowMs: number }) {
  const origin = scale.isWhole ? scale.fromMs : step.startedMs
  const left = (ms: number): number => Math.max(0, Math.min(100, ((ms - origin) / scale.lengthMs) * 100))
  const endMs = step.endedMs ?? nowMs
  const begin = left(step.startedMs)
  return (
    <span class="bar" aria-hidden="true">
      <span class="bar-step" style={{ left: `${begin}%`, width: `${Math.max(0.3, left(endMs) - begin)}%` }} />
      {step.spans.map((span, index) => (
        <BarSpan key={index} span={span} left={left} endMs={endMs} />
      ))}
      {!step.isAnswered && step.endedMs === null && step.spans.every(({ toMs }) => toMs !== null) && (
        <BarSpan
          span={{
            kind: 'model',
            fromMs: step.spans.at(-1)?.toMs ?? step.startedMs,
            toMs: null,
            label: 'model',
          }}
          left={left}
          endMs={endMs}
        />
      )}
    </span>
  )
}

function BarSpan({
  span,
  left,
  endMs,
}: {
  readonly span: Span
  readonly left: (ms: number) => number
  readonly endMs: number
}) {
  const from = left(span.fromMs)
  const width = Math.max(0.3, left(span.toMs ?? endMs) - from)
  return (
    <span
      class={`span s-${span.kind}`}
      title={`${line(span.label, 120)} ${duration((span.toMs ?? endMs) - span.fromMs)}`}
      style={{ left: `${Math.min(from, 99.7)}%`, width: `${width}%` }}
    />
  )
}

const kinds: readonly (readonly [SpanKind, string])[] = [
  ['model', 'model'],
  ['tool', 'tool'],
  ['python', 'Python'],
  ['queue', 'queue'],
  ['person', 'person'],
  ['retry', 'retry'],
  ['breaker', 'breaker or limit'],
  ['away', 'crash or restart'],
]

function Legend({ scale, onScale }: { readonly scale: Scale; readonly onScale: () => void }) {
  return (
    <div class="legend">
      {kinds.map(([kind, name]) => (
        <span key={kind}>
          <i class={`swatch s-${kind}`} />
          {name}
        </span>
      ))}
      <button class="link" onClick={onScale}>
        {scale.isWhole ? 'Scale to each step' : 'Scale to the task'}
      </button>
    </div>
  )
}
