// The list of tasks: pages of the API, kept up to date by the feed.
//
// 1. An event changes the row that is shown at once; what it can't say (new tasks, sums) the first page does, which is
//    asked for again at most once each REFRESH_MS.
// 2. A page that is asked for again replaces the rows that it covers, and no others.
import { signal } from '@preact/signals'
import { asApiError, get, mayPass, type ApiError, type Got, type TaskView } from '../api/client.ts'
import { listen } from '../api/feed.ts'
import type { StreamEvent } from '../api/stream-event.ts'
import type { Filters } from './views.ts'

const PAGE = 100
/** A viewer who scrolls has far to go. */
const NEXT_PAGE = 500
/** A list that is left open for a night begins at its first page again, instead of growing with the fleet. */
const MOST_ROWS = 20_000
const REFRESH_MS = 1_500
const RETRY_MS = 5_000
const WAITING_MS = 3_000

type Page = Got<'/v1/tasks'>

export class TaskList {
  readonly rows = signal<readonly TaskView[]>([])
  readonly error = signal<ApiError | null>(null)
  /** The first page has come. */
  readonly isThere = signal(false)
  readonly isMore = signal(false)
  /** The first page is under way. */
  readonly isAsking = signal(false)
  readonly #filters: Filters
  readonly #leaving = new AbortController()
  readonly #leaveFeed: () => void
  #next: string | null = null
  #isPaging = false
  #timer: ReturnType<typeof setTimeout> | null = null
  #dueMs = 0

  constructor(filters: Filters) {
    this.#filters = filters
    this.#leaveFeed = listen((event) => this.#hear(event))
    void this.refresh()
  }

  close(): void {
    this.#leaving.abort()
    this.#leaveFeed()
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  /** Asks for the first page again; later, if it is under way. */
  refresh = async (): Promise<void> => {
    if (this.isAsking.value) return this.#refreshIn(REFRESH_MS)
    this.isAsking.value = true
    const page = await this.#page(undefined)
    this.isAsking.value = false
    if (page !== null) {
      this.#take(page)
      // Who waits for a person is known by the ledger, which may be behind the event that says so.
      if (this.#filters.waiting === 'true') this.#refreshIn(WAITING_MS)
      return
    }
    const { value: error } = this.error
    if (!this.#leaving.signal.aborted && error !== null && mayPass(error)) this.#refreshIn(RETRY_MS)
  }

  #take(page: Page): void {
    const isFirst = !this.isThere.value
    this.isThere.value = true
    const last = page.tasks.at(-1)
    const known = new Set(page.tasks.map(({ taskId }) => taskId))
    const kept = last ? this.rows.value.filter((row) => isBehind(row, last) && !known.has(row.taskId)) : []
    const rest = page.next === null || kept.length > MOST_ROWS ? [] : kept
    this.rows.value = [...page.tasks, ...rest]
    if (isFirst || rest.length === 0) this.#setNext(page.next)
  }

  more = (): void => {
    if (this.#isPaging || this.#next === null) return
    this.#isPaging = true
    void this.#page(this.#next).then((page) => {
      this.#isPaging = false
      if (page === null) return
      const known = new Set(this.rows.value.map(({ taskId }) => taskId))
      this.rows.value = [...this.rows.value, ...page.tasks.filter(({ taskId }) => !known.has(taskId))]
      this.#setNext(page.next)
    })
  }

  #setNext(next: string | null): void {
    this.#next = next
    this.isMore.value = next !== null
  }

  async #page(after: string | undefined) {
    try {
      const query = { ...this.#filters, limit: after === undefined ? PAGE : NEXT_PAGE, after }
      const page = await get('/v1/tasks', { query, signal: this.#leaving.signal })
      this.error.value = null
      return page
    } catch (cause) {
      if (!this.#leaving.signal.aborted) this.error.value = asApiError(cause)
      return null
    }
  }

  #hear(event: StreamEvent): void {
    const taskId = 'taskId' in event ? event.taskId : null
    if (event.type === 'feed.position') return
    const at = this.rows.value.findIndex((row) => row.taskId === taskId)
    const row = this.rows.value[at]
    const changed = row && changedBy(row, event)
    if (changed)
      this.rows.value = isShown(changed, this.#filters)
        ? this.rows.value.with(at, changed)
        : this.rows.value.toSpliced(at, 1)
    this.#refreshIn(REFRESH_MS)
  }

  /** The earliest time that was asked for counts. */
  #refreshIn(ms: number): void {
    if (this.#leaving.signal.aborted) return
    const dueMs = performance.now() + ms
    if (this.#timer !== null && this.#dueMs <= dueMs) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#dueMs = dueMs
    this.#timer = setTimeout(() => {
      this.#timer = null
      void this.refresh()
    }, ms)
  }
}

const isBehind = (row: TaskView, last: TaskView): boolean =>
  row.submittedAtMs < last.submittedAtMs ||
  (row.submittedAtMs === last.submittedAtMs && row.taskId < last.taskId)

const openStates = ['queued', 'running', 'waiting']

/** Whether it may still be in the list, by what the row says. */
function isShown({ status, phase }: TaskView, filters: Filters): boolean {
  if (filters.waiting === 'true' && phase !== 'approval') return false
  if (filters.status === undefined) return true
  return filters.status === 'open' ? openStates.includes(status) : filters.status === status
}

/** The row after the event; null if that says nothing about it. */
function changedBy(row: TaskView, event: StreamEvent): TaskView | null {
  const run = (more: Partial<TaskView>): TaskView => ({ ...row, status: 'running', detail: null, ...more })
  switch (event.type) {
    case 'task.queued':
      return { ...row, status: 'queued', phase: 'queued', sinceMs: event.atMs }
    case 'task.admitted':
      return run({ phase: 'model', agent: event.agent, model: event.model, sinceMs: event.atMs })
    case 'step.started':
      return run({ phase: 'model', step: event.step, sinceMs: event.atMs })
    case 'model.answered':
    case 'tool.completed':
      return run({ phase: 'work', sinceMs: event.atMs })
    case 'approval.requested':
      return { ...row, status: 'waiting', phase: 'approval', detail: event.tool, sinceMs: event.atMs }
    case 'approval.decided':
      return event.final ? run({ phase: 'work', sinceMs: event.atMs }) : null
    case 'retry':
      return run({ phase: 'retry', detail: event.code, sinceMs: event.atMs })
    case 'waiting':
      if (event.for === 'slot') return null
      return {
        ...row,
        status: 'waiting',
        phase: event.for === 'limit' ? 'limit' : 'breaker',
        detail: event.code,
        sinceMs: event.atMs,
      }
    case 'task.completed':
      return {
        ...row,
        status: event.status as TaskView['status'],
        phase: null,
        errorCode: event.code,
        cost: event.cost ?? row.cost,
        completedAtMs: event.atMs,
        sinceMs: event.atMs,
      }
    default:
      return null
  }
}
