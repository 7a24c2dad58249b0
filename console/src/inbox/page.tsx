// What waits for a person, and what nobody knows the outcome of.
import { useEffect, useMemo, useState } from 'preact/hooks'
import type { TaskView } from '../api/client.ts'
import { now } from '../clock.ts'
import { Badge } from '../components/badge.tsx'
import { Empty, Failed, Loading } from '../components/states.tsx'
import { Table, type Column } from '../components/table.tsx'
import { ago, count, exactTime } from '../format.ts'
import { navigate, place } from '../router.ts'
import { TaskList } from '../tasks/list.ts'
import { taskColumns } from '../tasks/page.tsx'
import { line } from '../text.ts'
import { WaitingTask } from './detail.tsx'
import { notifying, turnNotifications, waiting } from './waiting.ts'

const addressOf = (taskId: string): string => `/inbox?task=${encodeURIComponent(taskId)}`

export function InboxPage() {
  const isDoubt = place.value.query.get('show') === 'doubt'
  return (
    <div class="page inbox-page">
      <header class="page-head">
        <h1>Inbox</h1>
        <ul class="tabs counts" aria-label="Inbox">
          <li>
            <a href="/inbox" aria-current={isDoubt ? undefined : 'true'}>
              Approvals
            </a>
          </li>
          <li>
            <a href="/inbox?show=doubt" aria-current={isDoubt ? 'true' : undefined}>
              Calls in doubt
            </a>
          </li>
        </ul>
        <Notifications />
      </header>
      {isDoubt ? <InDoubt /> : <Approvals />}
    </div>
  )
}

function Notifications() {
  if (notifying.value === 'impossible') return null
  if (notifying.value === 'refused') return <p class="muted">The browser refuses notifications</p>
  const isOn = notifying.value === 'on'
  return (
    <button class="quiet" aria-pressed={isOn} onClick={() => void turnNotifications()}>
      {isOn ? 'Notifications on' : 'Notify me'}
    </button>
  )
}

function useTaskList(filter: 'waiting' | 'doubt'): TaskList {
  const list = useMemo(() => new TaskList({ [filter]: 'true' }), [filter])
  useEffect(() => () => list.close(), [list])
  return list
}

/** A task that was decided about is hidden until it waits again: its row may be a moment late. */
function Approvals() {
  const list = useTaskList('waiting')
  const [done, setDone] = useState<ReadonlyMap<string, number>>(new Map())
  const rows = useMemo(
    () => list.rows.value.filter(({ taskId, sinceMs }) => done.get(taskId) !== sinceMs),
    [list.rows.value, done],
  )
  useEffect(() => void (list.isThere.value && (waiting.value = rows)), [rows])
  const asked = place.value.query.get('task')
  const selected = asked ?? rows[0]?.taskId ?? null
  const columns = useMemo(() => columnsOf(selected), [selected])
  const finish = (taskId: string): void => {
    const row = list.rows.value.find((each) => each.taskId === taskId)
    if (row) setDone(new Map([...done, [taskId, row.sinceMs]]))
    const at = rows.findIndex((each) => each.taskId === taskId)
    const next = rows[at + 1] ?? rows[at - 1]
    navigate(asked === null || next === undefined ? '/inbox' : addressOf(next.taskId), { replace: true })
  }
  if (list.error.value !== null && rows.length === 0)
    return (
      <Failed error={list.error.value} onAgain={() => void list.refresh()} isAsking={list.isAsking.value} />
    )
  if (!list.isThere.value) return <Loading what="what waits" />
  if (rows.length === 0 && asked === null)
    return (
      <Empty title="Nothing waits for a person">
        <p>
          Calls of tools with <code>requiresApproval</code>, questions that agents ask, and calls whose
          outcome is in doubt appear here as they are made.
        </p>
      </Empty>
    )
  return (
    <div class={`inbox${asked === null ? '' : ' has-task'}`}>
      <div class="inbox-list">
        <p class="muted inbox-count">
          {count(rows.length)}
          {list.isMore.value ? '+' : ''} waiting
          {list.error.value !== null && (
            <>
              {' '}
              <Badge tone="bad">Not up to date</Badge>
            </>
          )}
        </p>
        <Table
          label="Waiting for a person"
          kind="inbox-table"
          columns={columns}
          rows={rows}
          keyOf={taskIdOf}
          isCurrent={({ taskId }) => taskId === selected}
          onEnd={list.more}
          isMore={list.isMore.value}
          rowHeight={62}
          narrowHeight={66}
        />
      </div>
      <div class="inbox-detail" tabIndex={0} role="region" aria-label="The selected task">
        {selected !== null && <WaitingTask key={selected} id={selected} onDone={() => finish(selected)} />}
      </div>
    </div>
  )
}

const taskIdOf = ({ taskId }: TaskView): string => taskId

/** The selection follows the focus, which j and k move; Tab goes on to what is selected. */
function columnsOf(selected: string | null): Column<TaskView>[] {
  return [
    {
      name: 'call',
      title: 'Call and task',
      cell: ({ taskId, text, detail, agent, userId, sinceMs }) => (
        <a
          href={addressOf(taskId)}
          aria-current={taskId === selected ? 'true' : undefined}
          tabIndex={taskId === selected ? 0 : -1}
          onFocus={() => taskId !== selected && navigate(addressOf(taskId), { replace: true })}
        >
          <span class="inbox-line">
            <code>
              <bdi>{line(detail ?? 'call', 60)}</bdi>
            </code>
            <Since ms={sinceMs} />
          </span>
          <bdi class="inbox-text">{line(text ?? taskId)}</bdi>
          <span class="inbox-who muted">
            {[agent, userId].flatMap((each) => (each === null ? [] : [line(each, 40)])).join(' · ')}
          </span>
        </a>
      ),
    },
  ]
}

function Since({ ms }: { readonly ms: number }) {
  return (
    <time class="muted" title={exactTime(ms)}>
      {ago(ms, now.value)}
    </time>
  )
}

function InDoubt() {
  const list = useTaskList('doubt')
  const rows = list.rows.value
  if (list.error.value !== null && rows.length === 0)
    return (
      <Failed error={list.error.value} onAgain={() => void list.refresh()} isAsking={list.isAsking.value} />
    )
  if (!list.isThere.value) return <Loading what="calls in doubt" />
  if (rows.length === 0)
    return (
      <Empty title="No call is in doubt">
        <p>
          A call is in doubt if its process ended before the outcome was recorded. It is not made again unless
          the tool is idempotent; the model reads that the outcome is not known.
        </p>
      </Empty>
    )
  return (
    <>
      <p class="notice">
        These tasks made calls whose outcome is not known. Look at the call in the task, and at the system
        that it went to.
      </p>
      <Table
        label="Tasks with calls in doubt"
        kind="tasks-table"
        columns={taskColumns}
        rows={rows}
        keyOf={taskIdOf}
        onEnd={list.more}
        isMore={list.isMore.value}
      />
    </>
  )
}
