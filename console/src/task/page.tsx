// One task: what it was asked, what it answered, and everything that happened in between.
import type { RefObject } from 'preact'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { get, type TaskDetail } from '../api/client.ts'
import { me } from '../api/session.ts'
import { now } from '../clock.ts'
import { TaskState } from '../components/badge.tsx'
import { Copy } from '../components/copy.tsx'
import { DetailHead } from '../components/detail-head.tsx'
import { isFocusFree } from '../components/focus.ts'
import { LongText } from '../components/long-text.tsx'
import { Failed, Loading } from '../components/states.tsx'
import { cost, count, duration, exactTime, moment } from '../format.ts'
import { onKeys } from '../keys.ts'
import { useLoaded, type Loaded } from '../load.ts'
import type { PageProps } from '../pages.ts'
import { navigate, place, withQuery } from '../router.ts'
import { listAddress, neighbour } from '../tasks/last-list.ts'
import { taskPath } from '../tasks/page.tsx'
import { line, shown, visible } from '../text.ts'
import { Actions } from './actions.tsx'
import { Children } from './children.tsx'
import { compareAddress, originOf } from './compare.tsx'
import { RawEvents } from './raw-events.tsx'
import { TaskStore } from './store.ts'
import type { Timeline } from './timeline.ts'
import { Tree } from './tree.tsx'
import { Waterfall } from './waterfall.tsx'

const backToList = () => ({ href: listAddress(), label: 'Back to the list' })

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
  useNeighbours(id)
  const scroller = useRef<HTMLDivElement>(null)
  useScrollKeys(scroller, detail.value !== null || timeline.events.length > 0)
  const tab = place.value.query.get('tab') ?? 'timeline'
  const isGone = store.error.value?.code === 'EVENTS_GONE'
  if (detail.error !== null && detail.value === null && timeline.events.length === 0)
    return (
      <div class="page task-page">
        <DetailHead back={backToList()} name={id} what="task id" />
        <Failed error={detail.error} onAgain={detail.again} isAsking={detail.isAsking} />
      </div>
    )
  if (detail.value === null && timeline.events.length === 0) return <Loading what="the task" />
  return (
    <div class="page task-page" ref={scroller} tabIndex={-1}>
      <Head id={id} detail={detail} timeline={timeline} />
      <Figures id={id} detail={detail.value} timeline={timeline} />
      <Asked id={id} detail={detail.value} />
      <Answer timeline={timeline} />
      {isGone && (
        <p class="notice">
          The log no longer has the events and the result of this task: what you see is what the ledger keeps.
        </p>
      )}
      {store.error.value !== null && !isGone && (
        <Failed error={store.error.value} onAgain={() => setAttempt(attempt + 1)} />
      )}
      {timeline.lost !== null && !isGone && (
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
      {tab === 'timeline' && !isGone && (
        <Waterfall timeline={timeline} version={store.version.value} scroller={scroller} />
      )}
    </div>
  )
}

/** Arrows and page keys scroll the page as soon as it is there. */
function useScrollKeys(scroller: RefObject<HTMLElement | null>, isThere: boolean): void {
  useEffect(() => {
    if (isThere && isFocusFree()) scroller.current?.focus({ preventScroll: true })
  }, [isThere])
}

/** j and k lead through the list that the task was opened from. */
function useNeighbours(id: string): void {
  useEffect(() => {
    const go = (by: -1 | 1) => (): void => {
      const found = neighbour(id, by)
      if (found !== null) navigate(taskPath(found), { replace: true })
    }
    return onKeys({ j: go(1), k: go(-1) })
  }, [id])
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
    <DetailHead
      back={backToList()}
      name={id}
      what="task id"
      state={<TaskState status={status} phase={phase} />}
    >
      <Actions id={id} isOver={isOver} origin={originOf(timeline)?.taskId ?? null} timeline={timeline} />
    </DetailHead>
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
  const inputTokens = usage?.inputTokens ?? Math.max(totals.inputTokens, detail?.inputTokens ?? 0)
  const outputTokens = usage?.outputTokens ?? Math.max(totals.outputTokens, detail?.outputTokens ?? 0)
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
      <Figure name="Tokens" value={`${count(inputTokens)} in · ${count(outputTokens)} out`} />
      {detail?.errorCode != null && timeline.error === null && (
        <Figure name="Error" value={<code class="bad">{line(detail.errorCode, 60)}</code>} />
      )}
      <Figure
        name="Calls"
        value={
          timeline.events.length === 0
            ? '–'
            : `${count(totals.calls)}${totals.cached > 0 ? ` · ${count(totals.cached)} cached` : ''}`
        }
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

/** Only what is configured to be an address of the web leads there; without one its id can be copied. */
function TraceLink({ traceId }: { readonly traceId: string | null }) {
  const pattern = me.value?.traceUrl ?? null
  if (traceId === null) return null
  if (pattern === null || !/^https?:\/\//.test(pattern))
    return (
      <Figure
        name="Trace"
        value={
          <>
            {line(traceId.slice(0, 8))} <Copy text={traceId} what="trace id" />
          </>
        }
      />
    )
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
