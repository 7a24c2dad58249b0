// Finds one record by its key, which a broker can't: an index of the newest part of each partition, in
// memory, filled as far as searches need it.
//
// 1. One partition is read by one search at a time; those that arrive meanwhile share the next one.
// 2. A search reads a bounded number of offsets. Records that it has read stay in the index, so that the next
//    goes on there.
// 3. A topic that was deleted and re-created is read from scratch.
// 4. "None" is answered only for the range that has been read: back to where the record can't be older, or as
//    far as the index reaches.
import { hash } from 'node:crypto'
import { FlotillaError } from '../../../errors.ts'
import type { KeySearch, LogRecord, LogTopic } from '../../port.ts'
import type { RawMessage } from '../connection/client.ts'
import type { Context } from '../context.ts'
import type { Link } from '../connection/link.ts'
import { toLogRecord } from '../names.ts'
import { watchIds } from '../admin/topic-watch.ts'
import { boundsOf, offsetAtTime, readRange, type Bounds } from './partition-reader.ts'

export interface SearchLimits {
  /** Offsets of one segment, and of one step of a search. */
  readonly segment: number
  /** Segments of a partition: older records are not indexed. */
  readonly segments: number
  /** Offsets that are read from the earliest time at which the record can have been written. */
  readonly probed: number
}

export const defaultSearchLimits: SearchLimits = { segment: 10_000, segments: 10, probed: 2_000 }

/** How far ahead the clocks of programs that put the time into their keys may be. */
const SKEW_MS = 3_600_000
const AGAIN_MS = 200

/** Offsets in [low, high), by hash of the key. */
interface Segment {
  readonly low: number
  high: number
  /** Time of its oldest record; Infinity while it has none. */
  sinceMs: number
  readonly offsets: Map<number, number[]>
}

type Search = Omit<KeySearch, 'key' | 'partition'>

export class KeyIndex {
  readonly #context: Context
  readonly #link: Link
  readonly #partitions = new Map<string, PartitionIndex>()
  readonly #watched = new Map<LogTopic, Promise<unknown>>()

  constructor(context: Context, link: Link) {
    this.#context = context
    this.#link = link
  }

  async find({ partition, key, ...search }: KeySearch): Promise<LogRecord | null> {
    await this.#watch(search.topic)
    const name = `${search.topic} ${partition}`
    const found = this.#partitions.get(name) ?? new PartitionIndex(this.#context, this.#link, partition)
    this.#partitions.set(name, found)
    return found.find(key, search)
  }

  /** Starts before the first record is read. */
  #watch(topic: LogTopic): Promise<unknown> {
    const { names } = this.#context
    const restart = (): void => {
      for (const name of this.#partitions.keys())
        if (name.startsWith(`${topic} `)) this.#partitions.delete(name)
    }
    const watching = this.#watched.get(topic) ?? watchIds(this.#context, [names.topic(topic)], restart)
    this.#watched.set(topic, watching)
    return watching.catch((error: unknown) => {
      this.#watched.delete(topic)
      throw error
    })
  }
}

class PartitionIndex {
  readonly #context: Context
  readonly #link: Link
  readonly #partition: number
  readonly #limits: SearchLimits
  /** Oldest first, without gaps. */
  #segments: Segment[] = []
  #isWhole = false
  #atWork: Promise<void> = Promise.resolve()
  #next: { sinceMs: number; step: Promise<void> } | null = null

  constructor(context: Context, link: Link, partition: number) {
    this.#context = context
    this.#link = link
    this.#partition = partition
    this.#limits = context.settings.search
  }

  async find(key: string, search: Search): Promise<LogRecord | null> {
    const sinceMs = search.sinceMs > Date.now() ? 0 : search.sinceMs - SKEW_MS
    await this.#step(sinceMs, search)
    const found = await this.#indexed(key, search)
    if (found || this.#reaches(sinceMs)) return found
    const probed = search.sinceMs > 0 ? await this.#probe(key, search) : null
    if (probed || this.#isFull()) return probed
    const message = `the results of lane ${this.#partition} are being searched`
    throw new FlotillaError('SEARCH_UNFINISHED', message, { retryAfterMs: AGAIN_MS })
  }

  /** Whether the index reaches back to this time. */
  #reaches(sinceMs: number): boolean {
    const oldest = this.#segments.find((segment) => segment.sinceMs < Infinity)
    return this.#isWhole || (oldest !== undefined && oldest.sinceMs <= sinceMs)
  }

  #isFull(): boolean {
    return this.#segments.length >= this.#limits.segments
  }

  /** See 1. */
  #step(sinceMs: number, search: Search): Promise<void> {
    if (this.#next) {
      this.#next.sinceMs = Math.min(this.#next.sinceMs, sinceMs)
      return this.#next.step
    }
    const next = { sinceMs, step: Promise.resolve() }
    next.step = this.#atWork
      .catch(() => undefined)
      .then(() => {
        this.#next = null
        return this.#extend(next.sinceMs, search)
      })
    this.#next = next
    this.#atWork = next.step
    return next.step
  }

  async #extend(sinceMs: number, search: Search): Promise<void> {
    const ask = (): Promise<Bounds[]> => boundsOf(this.#link, this.#topic(search), [this.#partition])
    const [bounds] = await this.#link.attempt(ask, { withinMs: this.#context.settings.deliveryTimeoutMs })
    const { earliest, next } = bounds ?? { earliest: 0, next: 0 }
    const newest = this.#segments.at(-1)
    // The partition was emptied past the index, or re-created.
    if (!newest || newest.high < earliest || newest.high > next) this.#restart(next)
    await this.#forward(next, search)
    const oldest = this.#segments[0]?.low ?? next
    this.#isWhole = oldest <= earliest
    if (this.#isWhole || this.#reaches(sinceMs) || this.#isFull()) return
    await this.#backward(Math.max(earliest, oldest - this.#limits.segment), oldest, search)
    this.#isWhole = (this.#segments[0]?.low ?? next) <= earliest
  }

  #restart(at: number): void {
    this.#segments = [emptyAt(at)]
  }

  /** Indexes records written since the step before; more than a segment of them takes several searches. */
  async #forward(next: number, search: Search): Promise<void> {
    let segment = this.#segments.at(-1) ?? emptyAt(next)
    const until = Math.min(next, segment.high + this.#limits.segment)
    if (segment.high - segment.low >= this.#limits.segment) {
      this.#segments.push((segment = emptyAt(segment.high)))
      if (this.#segments.length > this.#limits.segments) this.#segments.shift()
    }
    await this.#read(segment, segment.high, until, search)
    segment.high = until
    if (until < next)
      throw new FlotillaError('SEARCH_UNFINISHED', `lane ${this.#partition} is being read up to its end`, {
        retryAfterMs: AGAIN_MS,
      })
  }

  async #backward(low: number, high: number, search: Search): Promise<void> {
    const segment = { ...emptyAt(low), high }
    await this.#read(segment, low, high, search)
    this.#segments.unshift(segment)
  }

  async #read(segment: Segment, from: number, until: number, search: Search): Promise<void> {
    await this.#records(search, from, until, (record) => {
      segment.sinceMs = Math.min(segment.sinceMs, record.timestampMs)
      if (record.key !== null && search.wanted(record)) {
        const at = hashOf(record.key)
        segment.offsets.set(at, [...(segment.offsets.get(at) ?? []), record.offset])
      }
      return true
    })
  }

  async #indexed(key: string, search: Search): Promise<LogRecord | null> {
    const at = hashOf(key)
    for (const { offsets } of this.#segments.toReversed())
      for (const offset of offsets.get(at)?.toReversed() ?? []) {
        const found = await this.#first(search, offset, offset + 1, (record) => record.key === key)
        if (found) return found
      }
    return null
  }

  /** Reads around the earliest time: most results come soon after their tasks. */
  async #probe(key: string, search: Search): Promise<LogRecord | null> {
    const ask = (): Promise<number | null> =>
      offsetAtTime(this.#link, this.#topic(search), this.#partition, search.sinceMs)
    const from = await this.#link.attempt(ask, { withinMs: this.#context.settings.deliveryTimeoutMs })
    const oldest = this.#segments[0]?.low ?? 0
    if (from === null || from >= oldest) return null
    const until = Math.min(oldest, from + this.#limits.probed)
    return this.#first(search, from, until, (record) => record.key === key && search.wanted(record))
  }

  async #first(
    search: Search,
    from: number,
    until: number,
    isIt: (record: LogRecord) => boolean,
  ): Promise<LogRecord | null> {
    let found: LogRecord | null = null
    await this.#records(search, from, until, (record) => {
      if (isIt(record)) found = record
      return found === null
    })
    return found
  }

  /** Reads until `take` returns false. */
  async #records(
    search: Search,
    from: number,
    until: number,
    take: (record: LogRecord) => boolean,
  ): Promise<void> {
    if (from >= until) return
    const withinMs = this.#context.settings.startTimeoutMs
    const range = { topic: this.#topic(search), partition: this.#partition, from, until, withinMs }
    await readRange(this.#link, range, (message: RawMessage) =>
      take(toLogRecord(search.topic, this.#partition, message)),
    )
  }

  #topic({ topic }: Search): string {
    return this.#context.names.topic(topic)
  }
}

const emptyAt = (at: number): Segment => ({ low: at, high: at, sinceMs: Infinity, offsets: new Map() })

/** 48 bits, so that an entry is two numbers; the key of a record is compared before it is returned. */
function hashOf(key: string): number {
  return hash('sha1', key, 'buffer').readUIntBE(0, 6)
}
