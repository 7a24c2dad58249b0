// One task: what it was asked, what it answered, and everything that happened in between.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { get, type TaskDetail } from '../api/client.ts'
import { me } from '../api/session.ts'
import { now } from '../clock.ts'
import { TaskState } from '../components/badge.tsx'
import { Copy, LongText } from '../components/long-text.tsx'
import { Failed, Loading } from '../components/states.tsx'
import { cost, count, duration, exactTime, moment } from '../format.ts'
import { useLoaded, type Loaded } from '../load.ts'
import type { PageProps } from '../pages.ts'
import { place, withQuery } from '../router.ts'
import { line, shown, visible } from '../text.ts'
import { Actions } from './actions.tsx'
import { Children } from './children.tsx'
import { compareAddress, originOf } from './compare.tsx'
import { RawEvents } from './raw-events.tsx'
import { TaskStore } from './store.ts'
import type { Timeline } from './timeline.ts'
import { Tree } from './tree.tsx'
import { Waterfall } from './waterfall.tsx'

export function TaskPage({ params: { id = '' } }: PageProps) {
  const [attempt, setAttempt] = useState(0)
  const store = useMemo(() => new TaskStore(id), [id, attempt])
  useEffect(() => () => store.leave(), [store])
  const { timeline } = store
  // Reading it draws the page again with each change.
  void store.version.value
  const isOver = timeline.status !== null && timeline.result !== null
  const detail = useLoaded(id, (signal) => get('/v1/tasks/:id', { params: { id }, signal }))
  useEffect(() => {
    if (isOver) detail.again()
  }, [isOver])
  const scroller = useRef<HTMLDivElement>(null)
  const tab = place.value.query.get('tab') ?? 'timeline'
  if (detail.error !== null && detail.value === null && timeline.events.length === 0)
    return <Failed error={detail.error} onAgain={detail.again} isAsking={detail.isAsking} />
  if (detail.value === null && timeline.events.length === 0) return <Loading what="the task" />
  return (
    <div class="page task-page" ref={scroller} tabIndex={-1}>
      <Head id={id} detail={detail} timeline={timeline} />
      <Figures id={id} detail={detail.value} timeline={timeline} />
      <Asked id={id} detail={detail.value} />
      <Answer timeline={timeline} />
      {store.error.value !== null && (
        <Failed error={store.error.value} onAgain={() => setAttempt(attempt + 1)} />
      )}
      {timeline.lost !== null && (
        <p class="notice">
          Earlier events are no longer in the log: what follows is what is left, and the result.
        </p>
      )}
      <ul class="tabs" aria-label="Parts of the task">
        {(['timeline', 'events', 'children'] as const).map((name) => (
          <li key={name}>
            <a
              href={withQuery({ tab: name === 'timeline' ? null : name, step: null })}
              aria-current={tab === name ? 'true' : undefined}
            >
              {
                {
                  timeline: `Timeline ${count(timeline.steps.length)}`,
                  events: `Events ${count(timeline.events.length)}`,
                  children: 'Children',
                }[name]
              }
            </a>
          </li>
        ))}
      </ul>
      {tab === 'events' && <RawEvents events={timeline.events} version={store.version.value} />}
      {tab === 'children' && (
        <>
          <Tree id={id} />
          <Children id={id} />
        </>
      )}
      {tab === 'timeline' && (
        <Waterfall timeline={timeline} version={store.version.value} scroller={scroller} />
      )}
    </div>
  )
}

interface Parts {
  readonly detail: TaskDetail | null
  readonly timeline: Timeline
}

function Head({
  id,
  detail,
  timeline,
}: {
  readonly id: string
  readonly detail: Loaded<TaskDetail>
  readonly timeline: Timeline
}) {
  const { value } = detail
  const status = timeline.status ?? value?.status ?? 'queued'
  const isPerson = timeline.steps.at(-1)?.calls.some((call) => call.status === 'person') === true
  const isOver = timeline.result !== null || (value?.completedAtMs ?? null) !== null
  const phase = isOver ? null : isPerson ? 'approval' : status === value?.status ? value.phase : null
  return (
    <header class="page-head task-head">
      <div class="task-name">
        <a class="back" href="/tasks" aria-label="All tasks">
          ←
        </a>
        <h1>
          <bdi>{line(id, 130)}</bdi>
        </h1>
        <Copy text={id} what="task id" />
        <TaskState status={status} phase={phase} />
      </div>
      <Actions id={id} isOver={isOver} origin={originOf(timeline)?.taskId ?? null} timeline={timeline} />
    </header>
  )
}

function Figures({ id, detail, timeline }: Parts & { readonly id: string }) {
  const { admission, totals, result } = timeline
  const endMs = detail?.completedAtMs ?? (timeline.result === null ? null : timeline.lastMs)
  const beginMs = detail?.submittedAtMs ?? timeline.firstMs ?? now.value
  const usage = result?.usage
  const own = usage?.cost ?? Math.max(totals.cost, detail?.cost ?? 0)
  const childrenCost = result?.['childrenCost']
  const agent = admission?.agent ?? detail?.agent ?? null
  const user = admission?.userId ?? detail?.userId ?? null
  const model = admission?.model ?? detail?.model ?? null
  const steps = Math.max(timeline.steps.length, detail?.steps ?? 0)
  return (
    <dl class="figures">
      <Figure
        name="Duration"
        value={endMs === null ? <Running sinceMs={beginMs} /> : duration(endMs - beginMs)}
      />
      <Figure
        name="Steps"
        value={`${count(steps)}${admission?.maxSteps == null ? '' : ` of ${count(admission.maxSteps)}`}`}
      />
      <Figure name="Cost" value={cost(own)} />
      {typeof childrenCost === 'number' && (
        <Figure
          name="With delegated"
          value={<a href={withQuery({ tab: 'children', step: null })}>{cost(own + childrenCost)}</a>}
        />
      )}
      <Figure
        name="Tokens"
        value={`${count(usage?.inputTokens ?? totals.inputTokens)} in · ${count(usage?.outputTokens ?? totals.outputTokens)} out`}
      />
      <Figure
        name="Calls"
        value={`${count(totals.calls)}${totals.cached > 0 ? ` · ${count(totals.cached)} cached` : ''}`}
      />
      {totals.retries > 0 && <Figure name="Retries" value={count(totals.retries)} tone="wait" />}
      {admission?.queuedMs != null && <Figure name="Queued" value={duration(admission.queuedMs)} />}
      <Figure
        name="Agent"
        value={
          agent === null ? '–' : <a href={`/tasks?agent=${encodeURIComponent(agent)}`}>{line(agent, 60)}</a>
        }
      />
      <Figure
        name="User"
        value={user === null ? '–' : <a href={`/tasks?user=${encodeURIComponent(user)}`}>{line(user, 60)}</a>}
      />
      <Figure name="Model" value={line(model ?? '–', 60)} title={admission?.modelReason ?? undefined} />
      <Figure name="Submitted" value={<time title={exactTime(beginMs)}>{moment(beginMs)}</time>} />
      <Relatives id={id} detail={detail} timeline={timeline} />
      <TraceLink traceId={(result as { traceId?: string | null } | null)?.traceId ?? null} />
    </dl>
  )
}

/** The tasks and the session that it belongs to. */
function Relatives({ id, detail, timeline }: Parts & { readonly id: string }) {
  const origin = originOf(timeline)
  return (
    <>
      {detail?.sessionId != null && (
        <Figure
          name="Session"
          value={<a href={`/chat/${encodeURIComponent(detail.sessionId)}`}>{line(detail.sessionId, 60)}</a>}
        />
      )}
      {detail?.parent != null && (
        <Figure
          name="Parent"
          value={<a href={`/tasks/${encodeURIComponent(detail.parent)}`}>{line(detail.parent, 60)}</a>}
        />
      )}
      {origin !== null && (
        <Figure
          name="Fork of"
          value={
            <>
              <a href={`/tasks/${encodeURIComponent(origin.taskId)}`}>{line(origin.taskId, 60)}</a>, step{' '}
              {origin.step} · <a href={compareAddress(origin.taskId, id)}>compare</a>
            </>
          }
        />
      )}
    </>
  )
}

function Running({ sinceMs }: { readonly sinceMs: number }) {
  return <>{duration(Math.max(0, now.value - sinceMs))}</>
}

function Figure({
  name,
  value,
  title,
  tone,
}: {
  name: string
  value: preact.ComponentChildren
  title?: string | undefined
  tone?: string
}) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class={tone} title={title}>
        <bdi>{value}</bdi>
      </dd>
    </div>
  )
}

/** Only what is configured to be an address of the web leads there. */
function TraceLink({ traceId }: { readonly traceId: string | null }) {
  const pattern = me.value?.traceUrl ?? null
  if (traceId === null || pattern === null || !/^https?:\/\//.test(pattern)) return null
  const href = pattern.replace('{traceId}', encodeURIComponent(traceId))
  return (
    <Figure
      name="Trace"
      value={
        <a href={href} target="_blank" rel="noreferrer noopener">
          {traceId.slice(0, 8)} ↗
        </a>
      }
    />
  )
}

/** All of what was asked, as far as the log has it. */
function Asked({ id, detail }: { readonly id: string; readonly detail: TaskDetail | null }) {
  const submission = useLoaded(id, (signal) => get('/v1/tasks/:id/submission', { params: { id }, signal }))
  const text = submission.value?.text ?? detail?.text ?? ''
  if (text === '') return null
  return (
    <section class="block">
      <h2>Prompt</h2>
      <LongText text={text} label="Prompt" isProse />
    </section>
  )
}

function Answer({ timeline }: { readonly timeline: Timeline }) {
  const { result, error } = timeline
  if (result === null && error === null) return null
  const output = result === null || result.output === null ? '' : shown(result.output)
  return (
    <section class={`block ${error === null ? 'answer' : 'failure'}`}>
      <h2>{error === null ? 'Answer' : 'How it ended'}</h2>
      {error !== null && (
        <p class="failure-text">
          <code>{line(error.code ?? '', 60)}</code> <bdi>{visible(error.message ?? '')}</bdi>
        </p>
      )}
      {output !== '' && (
        <LongText text={output} label="Answer" isProse={typeof result?.output === 'string'} />
      )}
    </section>
  )
}
