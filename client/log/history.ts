// The history of tasks, as streams of events read it: from any offset on, first what is there, then what comes.
//
// 1. However many streams are open, two tails of the log are: one for those that follow a task, which get what
//    is streamed too, and one for those that follow all tasks.
// 2. Each record of the history comes once, and those of a partition in order. The tail is open before the log
//    is read to its end, so nothing falls between the two.
// 3. On Kafka, a transaction that a dead process left open hides what is behind it, also from a read, and a tail
//    begins beyond it. So what was read to the end is read again once something newer shows, and now and then
//    until then.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Codec } from '../../runtime/codec/port.ts'
import { resolve } from '../../runtime/codec/claim-check.ts'
import { readable } from '../../runtime/codec/skip.ts'
import { homeOf } from '../../runtime/log/home.ts'
import type { Log, LogRecord, PartitionRange } from '../../runtime/log/port.ts'
import type { BlobStore } from '../../runtime/store/port.ts'
import type { TaskProgressed, TokensStreamed } from '../../schemas/generated/events.ts'
import { headers as names } from '../../schemas/topics.ts'
import { FanOut } from '../fan-out.ts'
import type { Stream } from '../stream.ts'
import { Coalesced } from './coalesced.ts'
import { PAGE, Pages } from './pages.ts'

/** What is kept for one reader; beyond, it is dropped. */
const MAX_WAITING = { items: 1_000, bytes: 262_144 }
/** Longer than Kafka lets a dead process's transaction be open, by default. */
export const HIDDEN_MS = 60_000
const FIRST_LOOK_MS = 1_000
/** Records in which the text that a model writes now is looked for. */
const RECENT_TEXT = 2 * PAGE

export type Seen =
  | { readonly place: LogPlace; readonly type: 'TaskProgressed'; readonly data: TaskProgressed }
  | { readonly place: LogPlace; readonly type: 'TokensStreamed'; readonly data: TokensStreamed }

export interface LogPlace {
  readonly topic: 'tasks.history' | 'tasks.streaming'
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  /** Epoch of the lane's owner that finished what another one had begun; null: nothing was taken over. */
  readonly resumedEpoch: number | null
}

export interface HistoryParts {
  readonly log: Log
  readonly codec: Codec
  readonly blobs?: BlobStore
}

export interface Following {
  /** Null: all tasks, without what is streamed. */
  readonly taskId: string | null
  /** Next offset of each partition that is followed. */
  readonly from: ReadonlyMap<number, number>
  /** What was written later is not searched. Epoch milliseconds. */
  readonly untilMs?: number
  /** Runs when the reader took so little that its stream had to end. */
  readonly onTooSlow?: (() => void) | undefined
}

export class History {
  readonly #parts: HistoryParts
  readonly #pages: Pages
  readonly #ofTask: FanOut<Seen>
  readonly #ofAll: FanOut<Seen>
  readonly #allRanges = new Coalesced(() => this.#parts.log.ranges(['tasks.history']))
  /** By topic and partition: one that no broker leads fails no reader of another. */
  readonly #ranges = new Map<string, Coalesced<PartitionRange[]>>()

  constructor(parts: HistoryParts) {
    const { log } = parts
    this.#parts = parts
    this.#pages = new Pages(log)
    const fan = {
      translate: (record: LogRecord) => this.#decode(record),
      isLast: () => false,
      isBestEffort: ({ place }: Seen) => place.topic === 'tasks.streaming',
      waiting: MAX_WAITING,
    }
    this.#ofTask = new FanOut({
      ...fan,
      tail: (handler) => log.tail({ topics: ['tasks.history', 'tasks.streaming'], from: 'latest' }, handler),
      nameOf: ({ key }) => key ?? '',
    })
    this.#ofAll = new FanOut({
      ...fan,
      tail: (handler) => log.tail({ topics: ['tasks.history'], from: 'latest' }, handler),
      nameOf: () => '',
    })
  }

  homeOf(taskId: string): number {
    return homeOf(taskId, this.#parts.log.partitions)
  }

  ranges(): Promise<PartitionRange[]> {
    return this.#allRanges.run()
  }

  async rangeOf(topic: 'tasks.history' | 'tasks.streaming', partition: number): Promise<PartitionRange> {
    const name = `${topic} ${partition}`
    const ask = () => this.#parts.log.ranges([topic], { partitions: [partition] })
    const asked = this.#ranges.get(name) ?? new Coalesced(ask)
    this.#ranges.set(name, asked)
    const [found] = await asked.run()
    return found ?? { topic, partition, earliest: 0, next: 0 }
  }

  /** Offset of a record that was written before this time, as late as a few reads can say; else the earliest. */
  async offsetBefore(partition: number, atMs: number): Promise<number> {
    const { earliest, next } = await this.rangeOf('tasks.history', partition)
    const isBefore = async (offset: number) => {
      const record = await this.recordAt(partition, offset)
      return record !== null && record.timestampMs < atMs
    }
    let high = next
    let low = Math.max(earliest, next - (next % PAGE))
    for (let size = PAGE; low > earliest && !(await isBefore(low)); size *= 2) {
      high = low
      low = Math.max(earliest, low - size)
    }
    while (high - low > PAGE) {
      const middle = low + Math.ceil((high - low) / 2 / PAGE) * PAGE
      if (middle >= high) break
      if (await isBefore(middle)) low = middle
      else high = middle
    }
    return low
  }

  /** The first record at or after the offset. */
  async recordAt(partition: number, offset: number): Promise<LogRecord | null> {
    for await (const [first] of this.#pages.read('tasks.history', partition, offset)) return first ?? null
    return null
  }

  /** What the record says; null if it is not of the history. */
  async read(record: LogRecord): Promise<TaskProgressed | null> {
    const seen = await this.#decode(record)
    return seen?.type === 'TaskProgressed' ? seen.data : null
  }

  /** Calling `return` of it while it waits for something to happen takes effect at once: see Followed. */
  follow(following: Following): Followed {
    const leaving = new AbortController()
    const { signal } = leaving
    let stream: Stream<Seen> | null = null
    const open = () => {
      const { taskId, onTooSlow = () => {} } = following
      const fan = taskId === null ? this.#ofAll : this.#ofTask
      const opened = fan.follow(taskId ?? '', onTooSlow)
      stream = opened.stream
      if (signal.aborted) opened.stream.end()
      return opened
    }
    const items = this.#follow(following, open, signal)
    const leave = async () => {
      leaving.abort()
      await stream?.return()
    }
    return { items, leave, signal }
  }

  async close(): Promise<void> {
    await Promise.all([this.#ofTask.close(), this.#ofAll.close()])
  }

  async *#follow(
    { taskId, from, untilMs = Infinity }: Following,
    open: () => { readonly stream: Stream<Seen>; readonly ready: Promise<void> },
    signal: AbortSignal,
  ): AsyncGenerator<Seen | 'caught up'> {
    const next = new Map(from)
    const readOn = (partition: number) => this.#readOn(partition, next, { taskId, untilMs }, signal)
    // However far behind it is: nothing is kept for it meanwhile.
    for (const partition of next.keys()) yield* readOn(partition)
    if (signal.aborted) return
    const live = open()
    await Promise.race([live.ready, aborted(signal)])
    for (const partition of next.keys()) yield* readOn(partition)
    const text = taskId === null ? [] : await this.#recentText(taskId)
    yield 'caught up'
    yield* text
    const textFrom = (text.at(-1)?.place.offset ?? -1) + 1
    const hidden = new Set(this.#parts.log.kind === 'kafka' ? next.keys() : [])
    const shownMs = Date.now() + HIDDEN_MS
    let waitMs = FIRST_LOOK_MS
    let look = hidden.size > 0 ? sleep(waitMs, null, { ref: false }) : null
    let pending = live.stream.next()
    while (!signal.aborted) {
      const came = look === null ? await pending : await Promise.race([pending, look])
      if (came === null) {
        for (const partition of hidden) yield* readOn(partition)
        if (Date.now() > shownMs) hidden.clear()
        waitMs *= 2
        look = hidden.size > 0 ? sleep(waitMs, null, { ref: false }) : null
        continue
      }
      if (came.done === true) return
      const seen = came.value
      const { topic, partition, offset } = seen.place
      if (topic === 'tasks.streaming' && offset >= textFrom) yield seen
      if (topic === 'tasks.history') {
        if (hidden.delete(partition)) yield* readOn(partition)
        if (offset >= (next.get(partition) ?? 0)) {
          next.set(partition, offset + 1)
          yield seen
        }
      }
      pending = live.stream.next()
    }
  }

  async *#readOn(
    partition: number,
    next: Map<number, number>,
    { taskId, untilMs }: { taskId: string | null; untilMs: number },
    signal: AbortSignal,
  ): AsyncGenerator<Seen> {
    for await (const records of this.#pages.read('tasks.history', partition, next.get(partition) ?? 0))
      for (const record of records) {
        if (signal.aborted || record.timestampMs > untilMs) return
        next.set(partition, record.offset + 1)
        const seen = taskId === null || record.key === taskId ? await this.#decode(record) : null
        if (seen) yield seen
      }
  }

  /** Pieces of the attempt that wrote last, if they are near the end of the log. */
  async #recentText(taskId: string): Promise<Seen[]> {
    const home = this.homeOf(taskId)
    const { earliest, next } = await this.rangeOf('tasks.streaming', home)
    const pieces: (Seen & { type: 'TokensStreamed' })[] = []
    for await (const records of this.#pages.read(
      'tasks.streaming',
      home,
      Math.max(earliest, next - RECENT_TEXT),
    ))
      for (const record of records) {
        const seen = record.key === taskId ? await this.#decode(record) : null
        if (seen?.type === 'TokensStreamed') pieces.push(seen)
      }
    const last = pieces.at(-1)?.data
    const isOfLast = ({ data }: { data: TokensStreamed }) =>
      data.step === last?.step && data.attempt === last.attempt
    const ofLast = pieces.filter(isOfLast)
    return ofLast.slice(
      Math.max(
        0,
        ofLast.findLastIndex(({ data }) => data.sequence === 0),
      ),
    )
  }

  /** Null for what others wrote there by mistake. */
  async #decode(record: LogRecord): Promise<Seen | null> {
    const { codec, blobs } = this.#parts
    const { topic, partition, offset, timestampMs, headers } = record
    if (topic !== 'tasks.history' && topic !== 'tasks.streaming') return null
    const decoded = await readable(codec, record)
    const place = { topic, partition, offset, timestampMs, resumedEpoch: epochIn(headers) }
    if (decoded?.type === 'TokensStreamed') return { place, type: decoded.type, data: decoded.data }
    if (decoded?.type !== 'TaskProgressed') return null
    const data = blobs ? await resolve(decoded.type, decoded.data, blobs, 'null') : decoded.data
    return { place, type: decoded.type, data }
  }
}

/** Null for a header that is absent or no number. */
function epochIn(headers: LogRecord['headers']): number | null {
  const text = headers[names.resumedEpoch] ?? ''
  return /^\d{1,15}$/.test(text) ? Number(text) : null
}

export interface Followed {
  /** `caught up` comes once: all that is there was read. */
  readonly items: AsyncGenerator<Seen | 'caught up'>
  /** Ends it, also while something is waited for. */
  readonly leave: () => Promise<void>
  /** Aborted by `leave`. */
  readonly signal: AbortSignal
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolved) => {
    if (signal.aborted) resolved()
    else signal.addEventListener('abort', () => resolved(), { once: true })
  })
