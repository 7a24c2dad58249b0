// Streams of events over the log: those of one task, and the feed of all tasks.
//
// 1. Each durable event comes once, in the order of the log, with an id that resumes the stream behind it; other
//    events have none.
// 2. A stream of a task begins with the task, and ends with its result. What retention has deleted of it is
//    reported by an event, never left out in silence.
import type { TaskEvent } from '../../api/task-events.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { answeredBy } from '../drafts.ts'
import { formatCursor, parseCursor, type Cursor, type Place } from '../positions.ts'
import { progressEvents } from '../progress-events.ts'
import type { StreamedEvent, TaskResult } from '../types.ts'
import { namedAtMs } from './result-search.ts'
import { begin, eventsLost, firstUnread, readOf, TaskReading } from './task-reading.ts'
import { HIDDEN_MS, History, type Followed, type HistoryParts } from './history.ts'

/** Clocks of the fleet's machines may differ by this much. */
const SKEW_MS = 60_000
/** Where a running task whose id has no time may have begun, before now. */
const SEARCHED_MS = 2 * 86_400_000
/** Records without an event for a feed's reader, after which its id moves. */
const SILENT_RECORDS = 1_000

/** When a task was submitted and ended, as far as is known. */
export interface Lifetime {
  readonly submittedAtMs: number
  /** Null: it runs, or that is not known. */
  readonly endedAtMs: number | null
}

export interface TaskEventsOptions {
  /** Default: as far as the log says. */
  readonly lifetime?: Lifetime
  /** The id of the last event that was read. Undefined: from the beginning of the task. */
  readonly after: string | undefined
  /** Runs before the first event; a rejection ends the stream. */
  readonly check?: () => Promise<void>
  readonly onTooSlow?: (() => void) | undefined
}

export interface FeedOptions {
  /** The id of the last event that was read. Undefined: from now on. */
  readonly after: string | undefined
  /** Whether the reader gets the event. */
  readonly wanted: (event: TaskEvent & { taskId: string }) => boolean | Promise<boolean>
  readonly onTooSlow?: (() => void) | undefined
}

export interface ResultSource {
  /** Rejects with the signal's reason when it aborts, or after the time. */
  result(taskId: string, options: { timeoutMs: number; signal: AbortSignal }): Promise<TaskResult>
  find(taskId: string): Promise<TaskResult | null>
}

/** A result is committed together with the end of its task. */
const RESULT_MS = 30_000

export class TaskEvents {
  readonly #history: History
  readonly #results: ResultSource

  constructor(parts: HistoryParts, results: ResultSource) {
    this.#history = new History(parts)
    this.#results = results
  }

  /** True: nothing comes after this id. Throws REQUEST_INVALID if the task can't have it. */
  async isOver(taskId: string, after: string): Promise<boolean> {
    return this.#isEnd(taskId, this.#placeOf(taskId, after))
  }

  async #isEnd(taskId: string, { offset, events }: Place): Promise<boolean> {
    if (events !== null) return false
    const record = await this.#history.recordAt(this.#history.homeOf(taskId), offset)
    if (record?.offset !== offset || record.key !== taskId) return false
    return (await this.#history.read(record))?.kind === 'completed'
  }

  /** True: retention has deleted every record of the time in which it ran. */
  async isGone(taskId: string, { submittedAtMs, endedAtMs }: Lifetime): Promise<boolean> {
    if (endedAtMs === null) return false
    const home = this.#history.homeOf(taskId)
    const from = await this.#history.offsetBefore(home, submittedAtMs - SKEW_MS)
    const first = await this.#history.recordAt(home, from)
    return first === null || first.timestampMs > endedAtMs + SKEW_MS
  }

  /** Throws REQUEST_INVALID if `after` is no id of this task. */
  ofTask(taskId: string, options: TaskEventsOptions): EventStream {
    const place = options.after === undefined ? null : this.#placeOf(taskId, options.after)
    const leaving = new Leaving()
    return new EventStream(this.#taskEvents(taskId, place, options, leaving), leaving)
  }

  /** Throws REQUEST_INVALID if `after` is no id of a feed. */
  ofAll(options: FeedOptions): EventStream {
    const { after } = options
    const cursor = after === undefined ? null : parseCursor(after)
    if (after !== undefined && cursor === null) throw noCursor(after)
    const leaving = new Leaving()
    return new EventStream(this.#feed(cursor, options, leaving), leaving)
  }

  close(): Promise<void> {
    return this.#history.close()
  }

  #placeOf(taskId: string, after: string): Place {
    const place = parseCursor(after)?.get(this.#history.homeOf(taskId))
    if (place === undefined) throw noCursor(after)
    return place
  }

  async *#taskEvents(
    taskId: string,
    place: Place | null,
    { lifetime, check, onTooSlow }: TaskEventsOptions,
    leaving: Leaving,
  ): AsyncGenerator<StreamedEvent> {
    if (place !== null && (await this.#isEnd(taskId, place))) return
    const { submittedAtMs, endedAtMs } = lifetime ?? (await this.#lifetimeOf(taskId))
    const home = this.#history.homeOf(taskId)
    const { start, lost } = begin(place, await this.#history.rangeOf('tasks.history', home))
    const reading = new TaskReading(taskId, start, place ? await this.#answered(home, place.offset) : 0)
    if (place !== null) yield { id: null, type: 'text.retracted', taskId, step: null, reason: 'resumed' }
    if (lost !== null) yield eventsLost(taskId, lost)
    const from = start ? firstUnread(start) : await this.#history.offsetBefore(home, submittedAtMs - SKEW_MS)
    const isLongOver = endedAtMs !== null && endedAtMs < Date.now() - HIDDEN_MS
    const untilMs = isLongOver ? endedAtMs + 2 * SKEW_MS : Infinity
    const followed = this.#history.follow({ taskId, from: new Map([[home, from]]), untilMs, onTooSlow })
    leaving.from(followed)
    let isChecked = check === undefined
    for await (const seen of followed.items) {
      if (seen !== 'caught up') {
        if (!isChecked) await check?.()
        isChecked = true
        yield* reading.take(seen)
        const id = reading.endedAt
        if (id === null) continue
        const wait = { timeoutMs: RESULT_MS, signal: followed.signal }
        yield { id, type: 'result', taskId, result: await this.#results.result(taskId, wait) }
        return
      }
      if (!isLongOver) continue
      // Its end was not among what the log still has.
      yield eventsLost(taskId, 'retention')
      const result = await this.#results.find(taskId)
      if (result === null) throw gone(taskId)
      yield { id: null, type: 'result', taskId, result }
      return
    }
  }

  async #lifetimeOf(taskId: string): Promise<Lifetime> {
    const result = await this.#results.find(taskId)
    if (result) return { submittedAtMs: result.submittedAtMs, endedAtMs: result.completedAtMs }
    const earliestMs = Date.now() - SEARCHED_MS
    return { submittedAtMs: Math.max(namedAtMs(taskId), earliestMs), endedAtMs: null }
  }

  /** The last step whose answer a reader at this place has. */
  async #answered(partition: number, offset: number): Promise<number> {
    const record = await this.#history.recordAt(partition, offset)
    const progress = record?.offset === offset ? await this.#history.read(record) : null
    return progress ? answeredBy(progress) : 0
  }

  async *#feed(
    cursor: Cursor | null,
    { wanted, onTooSlow }: FeedOptions,
    leaving: Leaving,
  ): AsyncGenerator<StreamedEvent> {
    const places = new Map<number, Place>()
    for (const range of await this.#history.ranges()) {
      const now = { offset: range.next - 1, events: null }
      const { start, lost } = begin(cursor?.get(range.partition) ?? now, range)
      if (lost !== null) yield eventsLost(null, lost)
      places.set(range.partition, start ?? now)
    }
    const position = () => ({ id: formatCursor(places), type: 'feed.position', atMs: Date.now() }) as const
    yield position()
    const from = new Map([...places].map(([partition, place]) => [partition, firstUnread(place)]))
    const followed = this.#history.follow({ taskId: null, from, onTooSlow })
    leaving.from(followed)
    let silent = 0
    for await (const seen of followed.items) {
      if (seen === 'caught up' || seen.type !== 'TaskProgressed') continue
      const { partition, offset, resumedEpoch } = seen.place
      const read = readOf(places.get(partition) ?? null, offset)
      const events = progressEvents(seen.data, resumedEpoch)
      silent++
      for (const [index, event] of events.entries()) {
        places.set(partition, { offset, events: index + 1 === events.length ? null : index + 1 })
        if (index < read || !(await wanted(event as TaskEvent & { taskId: string }))) continue
        silent = 0
        yield { id: formatCursor(places), ...event } as StreamedEvent
      }
      places.set(partition, { offset, events: null })
      if (silent < SILENT_RECORDS) continue
      silent = 0
      yield position()
    }
  }
}

function noCursor(after: string): FlotillaError {
  return new FlotillaError(
    'REQUEST_INVALID',
    `Last-Event-ID, or after, must be the id of an event of this stream, such as 3:120, not "${after.slice(0, 80)}"`,
  )
}

export const gone = (taskId: string): FlotillaError =>
  new FlotillaError('EVENTS_GONE', `the log no longer has the events and the result of task ${taskId}`)

/** What ends a stream that waits for something. */
class Leaving {
  #followed: Followed | null = null
  #isOver = false

  from(followed: Followed): void {
    this.#followed = followed
    if (this.#isOver) void followed.leave()
  }

  async leave(): Promise<void> {
    this.#isOver = true
    await this.#followed?.leave()
  }
}

export class EventStream implements AsyncIterableIterator<StreamedEvent>, AsyncDisposable {
  readonly #events: AsyncGenerator<StreamedEvent>
  readonly #leaving: Leaving

  constructor(events: AsyncGenerator<StreamedEvent>, leaving: Leaving) {
    this.#events = events
    this.#leaving = leaving
  }

  async next(): Promise<IteratorResult<StreamedEvent>> {
    const next = await this.#events.next()
    if (next.done === true) await this.#leaving.leave()
    return next
  }

  async return(): Promise<IteratorResult<StreamedEvent>> {
    await this.#leaving.leave()
    await this.#events.return(undefined)
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }
}
