// Fetches partitions that one broker leads, again and again, on a connection of its own. A broker looks at every
// partition of a session in each of its fetches, several times, and that is most of what a fetch costs it. So each broker
// has two loops: one for partitions that had records within the last ten seconds, one for the others.
//
// 1. A partition that changes sides stays in the requests of its former loop until one of the other is under way: it is
//    named by both for a moment, never by none.
// 2. A broker that has had nothing for two seconds holds a fetch for longer, after twelve seconds for much longer.
//    Records end it at once all the same. A cursor that is added or wanted again meanwhile, and the end of the fetcher,
//    break a long one off: its connection is closed, as nothing else ends it.
// 3. Cursors behind the others of their partition are fetched in requests between, which do not wait; then the others
//    wait for none either.
// 4. Partitions all of whose readers let records wait are left out for as long once they had some.
import { messageOf } from '../../../errors.ts'
import { breakOffFetch, type Broker } from '../connection/client.ts'
import { isReading, type CursorState, type Feed } from './feed.ts'
import { isTransient } from '../errors.ts'
import { fetchEach, type PartitionFetch, type TopicPartition } from './request.ts'
import { FetchSession } from './session.ts'
import { pause, type Link } from '../connection/link.ts'
import { reportOpen } from '../produce/open-transactions.ts'
import { MAX_FETCH_BYTES, MAX_PARTITION_BYTES } from './partition-reader.ts'

/** A partition in a request. */
interface Ask extends PartitionFetch {
  readonly feed: Feed
  offset: number
  /** Number of the last turn that has asked for it. */
  turn: number
}

export interface LoopParts {
  readonly nodeId: string
  /** Those that had records lately, or the others. */
  readonly isBusy: boolean
  readonly link: Link
  readonly maxWaitMs: number
  readonly openAfterMs: number
  readonly report: (message: string) => void
  /** Feeds that may be this loop's. */
  readonly feeds: () => Iterable<Feed>
  readonly leads: (feed: Feed) => boolean
  /** The other one of this broker. */
  readonly other: () => FetchLoop
  readonly hadRecords: (feeds: Iterable<Feed>) => void
  /** Has this cursor fetched separately: its partition has an error, or a new leader. */
  readonly separate: (cursor: CursorState, link: Link) => void
  /** Cursors that are fetched separately share this connection. */
  readonly isShared: () => boolean
  /** After an error of a whole request on this link: leaders may have moved. */
  readonly recover: (error: unknown, link: Link) => Promise<void>
}

export const FETCH_LIMITS = { minBytes: 1, maxBytes: MAX_FETCH_BYTES, partitionBytes: MAX_PARTITION_BYTES }
/** Between tries, doubled each time. */
export const FIRST_PAUSE_MS = 20
export const LONGEST_PAUSE_MS = 500
/** How many times as long the broker holds a fetch, after so many empty ones in a row. */
const BRIEF = 5
/** Such a fetch is broken off for a cursor that waits. */
const LONG = 50
const HOLDS = [
  { from: 40, factor: LONG },
  { from: 20, factor: BRIEF },
]

interface Taken {
  readonly asks: readonly Ask[]
  readonly behind: readonly (PartitionFetch & { readonly feed: Feed; readonly cursor: CursorState })[]
  /** When the first one that rests is asked for again; Infinity if none does. */
  readonly restUntilMs: number
}

export class FetchLoop {
  readonly #parts: LoopParts
  readonly #session = new FetchSession()
  readonly #asks = new WeakMap<Feed, Ask>()
  readonly #rests = new Map<number, number>()
  #turn = 0
  #isAsking = false
  #isRunning = false
  #isClosed = false
  #running: Promise<void> = Promise.resolve()
  /** Empty fetches in a row. */
  #quiet = 0
  /** Holds a fetch for long. */
  #holding: Broker | null = null
  #isBrokenOff = false
  #wakeUp: () => void = nothing

  constructor(parts: LoopParts) {
    this.#parts = parts
  }

  get isBusy(): boolean {
    return this.#parts.isBusy
  }

  /** Runs until there is nothing to ask for. */
  start(): void {
    this.#wakeUp()
    if (this.#isRunning || this.#isClosed) return
    this.#isRunning = true
    this.#running = this.#run()
  }

  /** More is added soon, as lanes open. */
  expectMore(): void {
    this.#quiet = 0
  }

  /** Whether a request is under way that names this partition, from this offset or before. */
  isAskingFor(feed: Feed, offset = Infinity): boolean {
    if (!this.#isAsking) return false
    const ask = this.#asks.get(feed)
    return ask !== undefined && ask.turn === this.#turn && ask.offset <= offset
  }

  get isHolding(): boolean {
    return this.#holding !== null
  }

  breakOff(): void {
    const broker = this.#holding
    if (broker === null) return
    this.#holding = null
    this.#quiet = 0
    this.#isBrokenOff = true
    breakOffFetch(broker)
  }

  close(): Promise<void> {
    this.#isClosed = true
    this.#wakeUp()
    this.breakOff()
    return this.#running
  }

  async #run(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS
    while (!this.#isClosed) {
      const taken = this.#take()
      if (taken.asks.length === 0) {
        if (taken.restUntilMs === Infinity) break
        await this.#sleepUntil(taken.restUntilMs)
        continue
      }
      try {
        await this.#fetch(taken)
        pauseMs = FIRST_PAUSE_MS
      } catch (error) {
        if (this.#isBrokenOff) {
          this.#isBrokenOff = false
          // kafkajs ends its side of the connection meanwhile, and would end a new one too.
          await pause(0)
          continue
        }
        await this.#recover(error, taken, pauseMs)
        pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
      }
    }
    this.#isRunning = false
  }

  async #recover(error: unknown, { asks }: Taken, pauseMs: number): Promise<void> {
    const { link, nodeId, report, separate, recover } = this.#parts
    report(`failed to fetch from broker ${nodeId}; retrying: ${messageOf(error)}`)
    this.#quiet = 0
    await recover(error, link)
    // One of those in the request is to blame, and the answer does not say which.
    if (!isTransient(error))
      for (const { feed } of asks) for (const cursor of feed.cursors) separate(cursor, link)
    await pause(pauseMs)
  }

  async #sleepUntil(untilMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, Math.max(1, untilMs - performance.now()))
    this.#wakeUp = resolve
    await promise
    clearTimeout(timer)
    this.#wakeUp = nothing
  }

  #take(): Taken {
    const { feeds, leads } = this.#parts
    const nowMs = performance.now()
    const asks: Ask[] = []
    const behind: Taken['behind'][number][] = []
    let restUntilMs = Infinity
    const turn = this.#turn + 1
    for (const feed of feeds()) {
      const lead = feed.lead()
      if (lead < 0 || !leads(feed) || !this.#isOurs(feed, nowMs)) continue
      const restsMs = this.#rests.size === 0 ? 0 : (this.#rests.get(feed.lingerMs()) ?? 0)
      if (restsMs > nowMs) {
        restUntilMs = Math.min(restUntilMs, restsMs)
        continue
      }
      asks.push(this.#ask(feed, lead, turn))
      const cursor = feed.cursors.size === 1 ? null : feed.behind(lead)
      if (cursor === null) continue
      if (cursor.againMs > nowMs) restUntilMs = Math.min(restUntilMs, cursor.againMs)
      else behind.push({ topic: feed.topic, partition: feed.partition, offset: cursor.offset, feed, cursor })
    }
    this.#turn = turn
    return { asks, behind, restUntilMs }
  }

  #ask(feed: Feed, offset: number, turn: number): Ask {
    let ask = this.#asks.get(feed)
    if (ask === undefined) {
      ask = { topic: feed.topic, partition: feed.partition, feed, offset, turn }
      this.#asks.set(feed, ask)
    }
    ask.offset = offset
    ask.turn = turn
    return ask
  }

  #isOurs(feed: Feed, nowMs: number): boolean {
    const { isBusy, other } = this.#parts
    if (feed.isBusy(nowMs) === isBusy) return true
    const ask = this.#asks.get(feed)
    if (ask === undefined || ask.turn !== this.#turn) return false
    const next = other()
    next.start()
    return !next.isAskingFor(feed)
  }

  async #fetch(taken: Taken): Promise<void> {
    const { nodeId, link, maxWaitMs, openAfterMs, hadRecords } = this.#parts
    const begunMs = performance.now()
    const moved = new Set<Feed>()
    let waitMs = 0
    this.#isAsking = true
    try {
      await link.connect()
      const broker = await link.cluster.findBroker({ nodeId })
      if (this.#isClosed) return
      // Behind the wait for the connection, during which a cursor may have been added.
      const restMs = Math.max(1, Math.ceil(taken.restUntilMs - begunMs))
      if (taken.behind.length === 0) waitMs = Math.min(maxWaitMs * this.#holdFactor(), restMs)
      const answer = this.#session.fetch(broker, taken.asks, { ...FETCH_LIMITS, maxWaitMs: waitMs })
      if (waitMs > maxWaitMs * BRIEF) this.#holding = broker
      for (const fetched of await answer) this.#deliver(taken.asks, fetched, begunMs, moved)
      if (taken.behind.length > 0) await this.#fetchBehind(broker, taken.behind, begunMs, moved)
      if (moved.size > 0) hadRecords(moved)
    } finally {
      this.#isAsking = false
      this.#holding = null
    }
    for (const { feed } of taken.asks) for (const cursor of feed.cursors) reportOpen(cursor, openAfterMs)
    if (this.#isBrokenOff) {
      this.#isBrokenOff = false
      return pause(0)
    }
    this.#quiet = moved.size > 0 ? 0 : this.#quiet + 1
    // An answer that comes at once and moves nobody would be asked for without a pause.
    const untilMs = begunMs + Math.min(waitMs, maxWaitMs)
    if (moved.size === 0 && performance.now() - begunMs < waitMs / 2) await this.#sleepUntil(untilMs)
  }

  /** One that is fetched separately shares its connection with the others, and waits for them. */
  #holdFactor(): number {
    const { factor } = HOLDS.find(({ from }) => this.#quiet >= from) ?? { factor: 1 }
    return this.#parts.isShared() ? Math.min(factor, BRIEF) : factor
  }

  /** Adds the partition to `moved` if a cursor of it got something, or an error. */
  #deliver(asks: readonly Ask[], fetched: TopicPartition, begunMs: number, moved: Set<Feed>): void {
    const { separate, link } = this.#parts
    const { error } = fetched
    const ask = askedIn(asks, fetched)
    if (ask === undefined) return
    const { feed, offset } = ask
    if (error !== null) {
      moved.add(feed)
      for (const cursor of feed.cursors)
        if (cursor.offset >= offset && isReading(cursor)) separate(cursor, link)
      return
    }
    const lingerMs = fetched.messages.length > 0 ? feed.lingerMs() : 0
    if (lingerMs > 0 && lingerMs < Infinity) this.#rests.set(lingerMs, begunMs + lingerMs)
    if (feed.deliver(offset, fetched, (cursor) => separate(cursor, link))) moved.add(feed)
  }

  async #fetchBehind(
    broker: Broker,
    behind: Taken['behind'],
    begunMs: number,
    moved: Set<Feed>,
  ): Promise<void> {
    const { separate, link, maxWaitMs } = this.#parts
    for (const fetched of await fetchEach(broker, behind, { ...FETCH_LIMITS, maxWaitMs: 0 })) {
      const { error } = fetched
      const ask = askedIn(behind, fetched)
      if (ask === undefined) continue
      const { feed, cursor, offset } = ask
      cursor.againMs = begunMs
      if (error !== null) separate(cursor, link)
      else if (feed.deliver(offset, fetched, (each) => separate(each, link))) moved.add(feed)
      else cursor.againMs = begunMs + maxWaitMs
    }
  }
}

const askedIn = <A extends PartitionFetch>(
  asks: readonly A[],
  { topic, partition }: TopicPartition,
): A | undefined => asks.find((each) => each.partition === partition && each.topic === topic)

const nothing = (): void => {}
