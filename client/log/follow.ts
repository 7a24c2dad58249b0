// Follows a stream of the log from a position: first what is there already, then what comes.
//
// 1. The stream is open before the log is read, so nothing falls between the two; what both have is given once.
// 2. The reader may leave at any time: that ends the stream, and with it an item being waited for.
import type { Log, LogRecord, LogTopic } from '../../runtime/log/port.ts'
import type { Positioned, Positions } from '../positions.ts'
import type { Stream } from '../stream.ts'

const READ_AT_ONCE = 500

export interface Followed<T> {
  readonly log: Log
  readonly topic: LogTopic
  readonly live: { readonly stream: Stream<Positioned<T>>; readonly ready: Promise<void> }
  /** Partitions that are absent are read from now on. */
  readonly after: Positions
  /** Null: not shown. */
  readonly translate: (record: LogRecord) => Promise<T | null>
}

export class Following<T> implements AsyncIterableIterator<Positioned<T>>, AsyncDisposable {
  readonly #parts: Followed<T>
  readonly #missed: AsyncGenerator<Positioned<T>>
  /** Up to which offset each partition was read from the log. */
  readonly #read = new Map<number, number>()
  #isCaughtUp = false
  #isLeft = false

  constructor(parts: Followed<T>) {
    this.#parts = parts
    this.#missed = this.#readMissed()
  }

  async next(): Promise<IteratorResult<Positioned<T>>> {
    if (!this.#isCaughtUp) {
      const missed = await this.#missed.next()
      if (missed.done !== true) return missed
      this.#isCaughtUp = true
    }
    for (;;) {
      const next = await this.#parts.live.stream.next()
      if (next.done === true || !this.#wasRead(next.value.position)) return next
    }
  }

  async return(): Promise<IteratorResult<Positioned<T>>> {
    this.#isLeft = true
    return this.#parts.live.stream.return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  #wasRead(position: Positioned<T>['position']): boolean {
    return position !== null && position.offset <= (this.#read.get(position.partition) ?? -1)
  }

  async *#readMissed(): AsyncGenerator<Positioned<T>> {
    const { log, topic, live, after } = this.#parts
    if (after.size === 0) return
    await live.ready
    for (const { partition, earliest, next } of await log.ranges([topic], {
      partitions: [...after.keys()],
    })) {
      const from = after.get(partition)
      if (from === undefined) continue
      // A position beyond the end is one of another log: this one was made again.
      yield* this.#readPartition(partition, Math.max(earliest, Math.min(from + 1, next)))
    }
  }

  async *#readPartition(partition: number, from: number): AsyncGenerator<Positioned<T>> {
    const { log, topic, translate } = this.#parts
    for (let at = from; !this.#isLeft;) {
      const records = await log.read(topic, partition, at, READ_AT_ONCE)
      for (const record of records) {
        this.#read.set(partition, record.offset)
        const item = await translate(record)
        if (item !== null) yield { item, position: { partition, offset: record.offset } }
      }
      const last = records.at(-1)
      if (!last) return
      at = last.offset + 1
    }
  }
}

/** The items alone. Leaving ends the source. */
export class Items<T> implements AsyncIterableIterator<T>, AsyncDisposable {
  readonly #source: AsyncIterableIterator<Positioned<T>>

  constructor(source: AsyncIterableIterator<Positioned<T>>) {
    this.#source = source
  }

  async next(): Promise<IteratorResult<T>> {
    const next = await this.#source.next()
    return next.done === true ? { done: true, value: undefined } : { done: false, value: next.value.item }
  }

  async return(): Promise<IteratorResult<T>> {
    await this.#source.return?.()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }
}

/** Items of other topics have no position in the one that is followed. */
export function positioned<T>(item: T | null, record: LogRecord, topic: LogTopic): Positioned<T> | null {
  if (item === null) return null
  const { partition, offset } = record
  return { item, position: record.topic === topic ? { partition, offset } : null }
}

/** Offset behind which a stream begins. */
export const offsetBefore = (
  { earliest, next }: { earliest: number; next: number },
  where: 'earliest' | 'latest',
): number => (where === 'earliest' ? earliest : next) - 1
