// The live list of tasks.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { TaskView } from '../api/client.ts'
import { may, me } from '../api/session.ts'
import { now } from '../clock.ts'
import { TaskState } from '../components/badge.tsx'
import { Stale } from '../components/part.tsx'
import { Empty, Failed, Loading } from '../components/states.tsx'
import { atTop, Table, type Column, type TablePlace } from '../components/table.tsx'
import { cost, count, duration, exactTime, moment } from '../format.ts'
import { navigate, place, withQuery } from '../router.ts'
import { line } from '../text.ts'
import { BulkCancel } from './bulk-cancel.tsx'
import { FilterBar } from './filter-bar.tsx'
import { leave, reopened, type ShownList } from './last-list.ts'
import { TaskList } from './list.ts'
import { NoTasks } from './none.tsx'
import { filtersIn, queryOf, type Filters } from './views.ts'

export const taskPath = (taskId: string): string => `/tasks/${encodeURIComponent(taskId)}`

export const taskColumns: readonly Column<TaskView>[] = [
  {
    name: 'status',
    title: 'Status',
    // Called, not made a component of: it has no state, and there are many.
    cell: ({ status, phase }) => TaskState({ status, phase }),
  },
  {
    name: 'task',
    title: 'Task',
    cell: ({ taskId, text }) => (
      <a href={taskPath(taskId)} title={line(text ?? taskId, 300)}>
        <bdi class="task-text">{text === null || text === '' ? line(taskId) : line(text)}</bdi>
        <bdi class="task-id">{line(taskId, 60)}</bdi>
      </a>
    ),
  },
  { name: 'agent', title: 'Agent', needs: 'table', cell: ({ agent }) => <bdi>{line(agent ?? '–', 40)}</bdi> },
  { name: 'user', title: 'User', needs: 'table', cell: ({ userId }) => <bdi>{line(userId ?? '–', 40)}</bdi> },
  {
    name: 'model',
    title: 'Model',
    cell: ({ model, detail, errorCode, status }) =>
      errorCode !== null ? (
        <code class={status === 'cancelled' ? 'muted' : 'bad'}>{line(errorCode, 40)}</code>
      ) : (
        <bdi title={detail === null ? undefined : line(detail)}>
          {line((model ?? '–').replace(/^[^/]+\//, ''), 40)}
        </bdi>
      ),
  },
  {
    name: 'steps',
    title: 'Steps',
    needs: 'wide',
    isNumber: true,
    cell: ({ steps, step }) => (steps === null && step === null ? '–' : count(steps ?? step ?? 0)),
  },
  {
    name: 'tokens',
    title: 'Tokens',
    needs: 'wide',
    isNumber: true,
    cell: ({ inputTokens, outputTokens }) => count(inputTokens + outputTokens),
  },
  { name: 'cost', title: 'Cost', isNumber: true, cell: (row) => cost(row.cost) },
  { name: 'took', title: 'Duration', isNumber: true, cell: tookOf },
  {
    name: 'when',
    title: 'Submitted',
    isNumber: true,
    cell: ({ submittedAtMs }) => <time title={exactTime(submittedAtMs)}>{moment(submittedAtMs)}</time>,
  },
]

function tookOf(row: TaskView) {
  const { completedAtMs, submittedAtMs } = row
  return completedAtMs === null ? <Took row={row} /> : duration(completedAtMs - submittedAtMs)
}

/** Ticks by itself, so that the rest of the row does not. */
function Took({ row }: { readonly row: TaskView }) {
  return <>{duration(now.value - row.submittedAtMs)}</>
}

function useList(filters: Filters): ShownList {
  const key = queryOf(filters)
  const shown = useMemo((): ShownList => {
    const returned = place.peek().isReturn ? reopened(key) : null
    return returned ?? { key, viewer: me.peek(), list: new TaskList(filters), at: atTop() }
  }, [key])
  useEffect(() => () => leave(shown), [shown])
  return shown
}

export function TasksPage() {
  const filters = filtersIn(place.value.query)
  const key = queryOf(filters)
  const { list, at } = useList(filters)
  const [isCancelling, setCancelling] = useState(false)
  const rows = list.rows.value
  const open = useMemo(() => rows.filter(({ completedAtMs }) => completedAtMs === null).length, [rows])
  return (
    <div class="page list-page">
      <header class="page-head">
        <h1>Tasks</h1>
        <p class="muted counts">
          {count(rows.length)}
          {list.isMore.value ? '+' : ''} shown
          {open > 0 && <> · {count(open)} open</>}
        </p>
        <Search />
        {may('tasks:cancel') && (
          <button onClick={() => setCancelling(true)} disabled={rows.length === 0}>
            Cancel many…
          </button>
        )}
        {may('tasks:submit') && (
          <a class="button primary" href="/new">
            New task
          </a>
        )}
      </header>
      <FilterBar filters={filters} />
      <Rows list={list} at={at} isFiltered={key !== ''} />
      {isCancelling && <BulkCancel filters={filters} onClose={() => setCancelling(false)} />}
    </div>
  )
}

interface RowsProps {
  readonly list: TaskList
  readonly at: TablePlace
  readonly isFiltered: boolean
}

function Rows({ list, at, isFiltered }: RowsProps) {
  const rows = list.rows.value
  if (list.error.value !== null && rows.length === 0)
    return (
      <Failed error={list.error.value} onAgain={() => void list.refresh()} isAsking={list.isAsking.value} />
    )
  if (!list.isThere.value) return <Loading what="tasks" />
  if (rows.length === 0)
    return isFiltered ? (
      <Empty title="No task matches">
        <a href="/tasks">Show all tasks</a>
      </Empty>
    ) : (
      <NoTasks />
    )
  return (
    <>
      {list.error.value !== null && (
        <Stale error={list.error.value} onAgain={() => void list.refresh()} isAsking={list.isAsking.value} />
      )}
      <Table
        label="Tasks"
        kind="tasks-table"
        columns={taskColumns}
        rows={rows}
        keyOf={taskId}
        onEnd={list.more}
        isMore={list.isMore.value}
        at={at}
      />
    </>
  )
}

const taskId = (row: TaskView): string => row.taskId
const SEARCH_MS = 250

function Search() {
  const input = useRef<HTMLInputElement>(null)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  const value = place.value.query.get('search') ?? ''
  const asked = useRef(value)
  // Back, forward and views change what is searched for, too: the field shows it, unless it was typed here.
  useEffect(() => {
    if (input.current !== null && value !== asked.current) input.current.value = value
    asked.current = value
  }, [value])
  useEffect(() => () => clearTimeout(timer.current), [])
  useEffect(() => {
    if (place.value.query.get('focus') !== 'search') return
    input.current?.focus()
    navigate(withQuery({ focus: null }), { replace: true })
  }, [])
  const search = (text: string): void => {
    clearTimeout(timer.current)
    timer.current = setTimeout(() => {
      asked.current = text.trim()
      navigate(withQuery({ search: asked.current }), { replace: true })
    }, SEARCH_MS)
  }
  return (
    <input
      ref={input}
      type="search"
      class="search"
      aria-label="Search tasks by id or text"
      placeholder="Search id or text  /"
      defaultValue={value}
      onInput={(event) => search(event.currentTarget.value)}
    />
  )
}
