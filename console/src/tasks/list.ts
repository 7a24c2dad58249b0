// The list of tasks: pages of the API, kept up to date by the feed.
//
// 1. An event changes the row that is shown, together with those that come within HEARD_MS: a busy fleet writes
//    hundreds a second. What it can't say (new tasks, sums) the first page does, which is asked for again at most once
//    each REFRESH_MS.
// 2. A page that is asked for again replaces the rows that it covers, and no others.
// 3. Between two rows that are shown lies no task that is not: where more came in at once than a page holds, the pages
//    down to a row that was there are asked for, too.
// 4. A list that was left and is opened again has the rows that it had.
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
const HEARD_MS = 150
/** A tab in the background runs its timers once a minute. */
const MOST_HEARD = 2_000
const RETRY_MS = 5_000
const WAITING_MS = 3_000
/** Pages of news at once; behind more of them the list begins again. */
const MOST_NEWS = 4

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
  #leaving = new AbortController()
  #leaveFeed: () => void = () => {}
  #next: string | null = null
  #isPaging = false
  #timer: ReturnType<typeof setTimeout> | null = null
  #dueMs = 0
  #heard: StreamEvent[] = []
  #hearing: ReturnType<typeof setTimeout> | null = null

  constructor(filters: Filters) {
    this.#filters = filters
    this.open()
  }

  /** Follows the fleet, from the start or after `close`. */
  open(): void {
    this.#leaving = new AbortController()
    this.#leaveFeed = listen((event) => this.#hear(event))
    void this.refresh()
  }

  close(): void {
    this.#leaving.abort()
    this.#leaveFeed()
    for (const timer of [this.#timer, this.#hearing]) if (timer !== null) clearTimeout(timer)
    this.#timer = this.#hearing = null
    this.#heard = []
  }

  /** Asks for the first page again; later, if it is under way. */
  refresh = async (): Promise<void> => {
    if (this.isAsking.value) return this.#refreshIn(REFRESH_MS)
    this.isAsking.value = true
    const page = await this.#news()
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

  /** The first page; and the next ones, as long as there may be tasks between them and the rows that are shown. */
  async #news(): Promise<Page | null> {
    let page = await this.#page(undefined)
    for (let more = 0; page !== null && this.#isApart(page) && more < MOST_NEWS; more++) {
      const { tasks } = page
      const next = await this.#page(page.next ?? undefined)
      page = next === null ? null : { ...next, tasks: [...tasks, ...next.tasks] }
    }
    return page
  }

  #isApart({ tasks, next }: Page): boolean {
    if (next === null || this.rows.value.length === 0) return false
    const known = new Set(this.rows.value.map(({ taskId }) => taskId))
    return !tasks.some(({ taskId }) => known.has(taskId))
  }

  #take(page: Page): void {
    const isFirst = !this.isThere.value
    this.isThere.value = true
    const last = page.tasks.at(-1)
    const known = new Set(page.tasks.map(({ taskId }) => taskId))
    const kept = last ? this.rows.value.filter((row) => isBehind(row, last) && !known.has(row.taskId)) : []
    const rest = page.next === null || kept.length > MOST_ROWS || this.#isApart(page) ? [] : kept
    this.rows.value = [...page.tasks, ...rest]
    if (isFirst || rest.length === 0) this.#setNext(page.next)
  }

  more = (): void => {
    if (this.#isPaging || this.#next === null) return
    this.#isPaging = true
    const from = this.#next
    void this.#page(from).then((page) => {
      this.#isPaging = false
      // The list may have begun again meanwhile.
      if (page === null || this.#next !== from) return
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
    const { signal: leaving } = this.#leaving
    try {
      const query = { ...this.#filters, limit: after === undefined ? PAGE : NEXT_PAGE, after }
      const page = await get('/v1/tasks', { query, signal: leaving })
      this.error.value = null
      return page
    } catch (cause) {
      if (!leaving.aborted) this.error.value = asApiError(cause)
      return null
    }
  }

  #hear(event: StreamEvent): void {
    if (event.type === 'feed.position') return
    this.#heard.push(event)
    if (this.#heard.length >= MOST_HEARD) this.#apply()
    else this.#hearing ??= setTimeout(() => this.#apply(), HEARD_MS)
    this.#refreshIn(REFRESH_MS)
  }

  #apply(): void {
    if (this.#hearing !== null) clearTimeout(this.#hearing)
    this.#hearing = null
    const places = new Map(this.rows.value.map(({ taskId }, index) => [taskId, index]))
    const changes = new Map<number, TaskView>()
    for (const event of this.#heard.splice(0)) {
      const at = 'taskId' in event ? places.get(event.taskId ?? '') : undefined
      const row = at === undefined ? undefined : (changes.get(at) ?? this.rows.value[at])
      const changed = row && changedBy(row, event)
      if (at !== undefined && changed) changes.set(at, changed)
    }
    if (changes.size === 0) return
    this.rows.value = this.rows.value.flatMap((row, at) => {
      const changed = changes.get(at)
      return changed === undefined ? row : isShown(changed, this.#filters) ? changed : []
    })
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
