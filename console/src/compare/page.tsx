// Two ended tasks side by side: what they used, their answers, and each step of both.
import type { ComponentChildren } from 'preact'
import { get, type Got } from '../api/client.ts'
import { Badge, TaskState } from '../components/badge.tsx'
import { LongText, Python } from '../components/long-text.tsx'
import { Part } from '../components/part.tsx'
import { Sheet, type SheetColumn } from '../components/sheet.tsx'
import { cost, count, duration } from '../format.ts'
import { useLoaded } from '../load.ts'
import type { PageProps } from '../pages.ts'
import { line, shown, withoutCode } from '../text.ts'

type Comparison = Got<'/v1/tasks/:id/compare/:other'>
type Side = Comparison['a']
type Pair = Comparison['steps'][number]
type StepView = NonNullable<Pair['a']>

export function ComparePage({ params: { id = '', other = '' } }: PageProps) {
  const loaded = useLoaded(`${id} ${other}`, (signal) =>
    get('/v1/tasks/:id/compare/:other', { params: { id, other }, signal }),
  )
  return (
    <div class="page compare-page">
      <header class="page-head">
        <h1>Compare tasks</h1>
      </header>
      <div class="scroll" tabIndex={0} role="region" aria-label="Both tasks">
        <Part loaded={loaded} what="both tasks">
          {(compared) => <Compared compared={compared} />}
        </Part>
      </div>
    </div>
  )
}

function Compared({ compared }: { readonly compared: Comparison }) {
  const { a, b, steps, firstDifference, sameOutput } = compared
  return (
    <>
      <p class="verdict">
        <Badge tone={sameOutput ? 'good' : 'wait'}>{sameOutput ? 'same answer' : 'answers differ'}</Badge>{' '}
        {firstDifference === null ? (
          'No step differs.'
        ) : (
          <>
            The first difference is in{' '}
            <a href={`#step-${firstDifference.step}`}>
              step {firstDifference.step}: {named(firstDifference.in)}
            </a>
            .
          </>
        )}
      </p>
      <Sheet label="What they used" rows={rowsOf(a, b)} keyOf={({ name }) => name} columns={columns} />
      <div class="sides">
        <Output side={a} name="Before" />
        <Output side={b} name="After" />
      </div>
      {steps.map((pair) => (
        <StepPair key={pair.step} pair={pair} />
      ))}
    </>
  )
}

/** Parts of a step in words. */
const named = (names: readonly string[]): string =>
  names.map((name) => (name === 'toolCalls' ? 'tool calls' : name)).join(', ')

interface Row {
  readonly name: string
  readonly a: ComponentChildren
  readonly b: ComponentChildren
}

const columns: readonly SheetColumn<Row>[] = [
  { title: 'Figure', cell: ({ name }) => name },
  { title: 'Before', cell: ({ a }) => a, isWide: true },
  { title: 'After', cell: ({ b }) => b, isWide: true },
]

function rowsOf(a: Side, b: Side): Row[] {
  const row = (name: string, of: (side: Side) => ComponentChildren): Row => ({ name, a: of(a), b: of(b) })
  return [
    row('Task', ({ taskId }) => (
      <a href={`/tasks/${encodeURIComponent(taskId)}`}>
        <bdi>{line(taskId, 80)}</bdi>
      </a>
    )),
    row('Status', ({ status, errorCode }) => (
      <>
        <TaskState status={status} phase={null} /> {errorCode !== null && <code>{line(errorCode, 60)}</code>}
      </>
    )),
    row('Model', ({ model }) => line(model ?? '–', 60)),
    row('Fork of', ({ forkedFrom, forkedFromStep }) =>
      forkedFrom === null ? '–' : `${line(forkedFrom, 60)}, from step ${forkedFromStep ?? 1}`,
    ),
    row('Steps', ({ steps }) => count(steps)),
    row('Refused calls', ({ refusedCalls }) => count(refusedCalls)),
    row('Tokens', (side) => `${count(side.inputTokens)} in · ${count(side.outputTokens)} out`),
    row('Cost', (side) => cost(side.cost)),
    row('Time', ({ executionTime }) => duration(executionTime)),
  ]
}

function Output({ side, name }: { readonly side: Side; readonly name: string }) {
  return (
    <section class="block">
      <h2>{name}: answer</h2>
      <LongText
        text={side.output === null ? '–' : shown(side.output)}
        label={`${name}: answer`}
        isProse={typeof side.output === 'string'}
      />
    </section>
  )
}

function StepPair({ pair: { step, a, b, differs } }: { readonly pair: Pair }) {
  return (
    <section class={`pair${differs.length === 0 ? '' : ' differs'}`} id={`step-${step}`}>
      <h2>
        Step {step}{' '}
        {differs.length === 0 ? (
          <span class="muted">same</span>
        ) : (
          <Badge tone="wait">{`differs: ${named(differs)}`}</Badge>
        )}
      </h2>
      <div class="sides">
        <StepSide view={a} label={`Before, step ${step}`} />
        <StepSide view={b} label={`After, step ${step}`} />
      </div>
    </section>
  )
}

function StepSide({ view, label }: { readonly view: StepView | null; readonly label: string }) {
  if (view === null)
    return (
      <div class="side">
        <p class="muted">No such step.</p>
      </div>
    )
  const { code, text, toolCalls, observation, error, recorded, model } = view
  const said = text === null ? '' : code === null ? text : withoutCode(text)
  return (
    <div class="side">
      <p class="muted">
        {line(model ?? '–', 60)} · {count(view.inputTokens)} in, {count(view.outputTokens)} out ·{' '}
        {cost(view.cost)} · {duration(view.durationMs)}
        {recorded && ' · recorded'}
      </p>
      {said !== '' && <LongText text={said} label={`${label}: text`} isProse />}
      {code !== null && <Python code={code} label={`${label}: Python`} />}
      {toolCalls.map((call, index) => (
        <p key={index} class="call-line">
          <code>{line(call.tool, 60)}</code> {line(JSON.stringify(call.arguments), 160)}{' '}
          <span class="muted">{line(call.status, 40)}</span>
        </p>
      ))}
      {observation !== null && observation !== '' && (
        <LongText text={observation} label={`${label}: what the model was told`} />
      )}
      {error !== null && <p class="failure-text">{line(error, 300)}</p>}
    </div>
  )
}
