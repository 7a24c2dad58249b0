// Fetches many partitions continuously, without a group: one loop per leading broker, on its own link.
//
// 1. A cursor is in at most one request at a time, and its records come in order, each once.
// 2. A cursor that is not `wanted` gets nothing: records under way for it are dropped and fetched again
//    later. The same holds for a removed one.
// 3. `deliver` returns at once. It never throws.
// 4. An offset of records that retention deleted moves to the earliest record, and is reported as
//    `overtaken`.
// 5. An offset that the log no longer has, or has written again, is `wentBack`: the cursor delivers nothing
//    more; without a listener it goes on where the log was truncated. Truncation shows in the broker's
//    refusal or, if the log has grown again meanwhile, in the new leader's epoch.
// 6. A cursor whose records can't be read (an unknown codec, too large uncompressed, no right to read) delays
//    none that shares its broker: it is fetched separately, and reported as `stuck` if that lasts.
// 7. A broker that has had nothing for two seconds holds a fetch for longer, after twelve seconds for much longer.
//    Records end it at once all the same. A cursor that is added or wanted again meanwhile, and the end of the fetcher,
//    break a long one off: its connection is closed, as nothing else ends it.
// 8. Nothing behind an open transaction may be read. One that stays open, because another program has left it, is
//    reported as `stuck` too.
import { messageOf } from '../../errors.ts'
import { breakOffFetch, type Broker, type FetchedPartition, type RawMessage } from './client.ts'
import { fetchOnce, type FetchLimits } from './fetch-request.ts'
import { FetchSession } from './fetch-session.ts'
import { committedMessages } from './read-committed.ts'
import { errorType, isTransient } from './errors.ts'
import { cutBelow, NO_EPOCH } from './leader-epochs.ts'
import { noteOpen, OPEN_AFTER_MS, reportOpen, type AtTransaction, type Stuck } from './open-transactions.ts'
import { pause, type Link } from './link.ts'
import { boundsOf, MAX_FETCH_BYTES, MAX_PARTITION_BYTES } from './partition-reader.ts'

export interface CursorOptions {
  /** Name on the broker. */
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Epoch of the leader that wrote the record before `offset`, or NO_EPOCH. */
  readonly leaderEpoch?: number
  readonly wanted: () => boolean
  readonly deliver: (messages: readonly RawMessage[]) => void
  /** Records from `from` to `to` were deleted unread. */
  readonly overtaken?: (from: number, to: number) => void
  /** The log ends before the offset, or has other records there: `to` is the end of those that were read. */
  readonly wentBack?: (from: number, to: number) => void
  /** Reading has been stuck for a while; null: it goes on. */
  readonly stuck?: (at: Stuck | null) => void
}

export interface Cursor {
  /** Offset of the record that is delivered next. */
  readonly offset: number
  /** Epoch of the leader that wrote the last record read. */
  readonly leaderEpoch: number
  remove(): void
}

interface State extends CursorOptions, AtTransaction {
  offset: number
  leaderEpoch: number
  busy: boolean
  removed: boolean
  /** Fetched in separate requests, because of a lasting error. */
  apart: boolean
}

const FETCH_LIMITS = { minBytes: 1, maxBytes: MAX_FETCH_BYTES, partitionBytes: MAX_PARTITION_BYTES }
/** Asks whether an offset is in range, for one record at most. */
const RANGE_LIMITS: FetchLimits = { maxWaitMs: 0, minBytes: 0, maxBytes: 1, partitionBytes: 1 }
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 500
/** How many times as long the broker holds a fetch, after so many empty ones in a row. */
const BRIEF = 5
/** Such a fetch is broken off for a cursor that waits. */
const LONG = 50
const HOLDS = [
  { from: 40, factor: LONG },
  { from: 20, factor: BRIEF },
]
/** A lasting error is reported after this time. */
const STUCK_AFTER_MS = 5_000

export class Fetcher {
  readonly #link: Link
  readonly #maxWaitMs: number
  readonly #lingerMs: number
  readonly #openAfterMs: number
  readonly #report: (message: string) => void
  readonly #cursors = new Set<State>()
  readonly #loops = new Map<string, Promise<void>>()
  /** Cursors that are fetched separately. */
  readonly #alone = new Set<Promise<void>>()
  readonly #sessions = new Map<string, FetchSession>()
  /** Empty fetches in a row, by broker. */
  readonly #quiet = new Map<string, number>()
  /** Brokers that hold a fetch for long. */
  readonly #holding = new Map<string, Broker>()
  /** Brokers whose fetch was broken off. */
  readonly #brokenOff = new Set<string>()
  #looking: Promise<void> | null = null
  #closed = false

  /** `lingerMs`: how long records may wait so that one fetch returns many. */
  constructor(
    link: Link,
    maxWaitMs: number,
    report: (message: string) => void,
    lingerMs = 0,
    openAfterMs = OPEN_AFTER_MS,
  ) {
    this.#openAfterMs = openAfterMs
    this.#link = link
    this.#maxWaitMs = maxWaitMs
    this.#lingerMs = lingerMs
    this.#report = report
  }

  add(options: CursorOptions): Cursor {
    const { leaderEpoch = NO_EPOCH } = options
    const state: State = { ...options, leaderEpoch, busy: false, removed: false, apart: false, open: null }
    this.#cursors.add(state)
    // Others are added soon, as lanes open.
    this.#quiet.clear()
    this.wake()
    return {
      get offset() {
        return state.offset
      },
      get leaderEpoch() {
        return state.leaderEpoch
      },
      remove: () => this.#remove(state),
    }
  }

  #remove(state: State): void {
    state.removed = true
    this.#cursors.delete(state)
  }

  /** Call when a cursor has become wanted again. */
  wake(): void {
    for (const nodeId of this.#holding.keys()) if (this.#led(nodeId).length > 0) this.#breakOff(nodeId)
    this.#look()
  }

  #breakOff(nodeId: string): void {
    const broker = this.#holding.get(nodeId)
    if (broker === undefined) return
    this.#holding.delete(nodeId)
    this.#quiet.delete(nodeId)
    this.#brokenOff.add(nodeId)
    breakOffFetch(broker)
  }

  #look(): void {
    if (this.#closed || this.#looking !== null) return
    this.#looking = this.#startLoops()
  }

  async #startLoops(): Promise<void> {
    await this.#lookForLeaders()
    this.#looking = null
  }

  async #lookForLeaders(): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; !this.#closed; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        await this.#link.know(new Set([...this.#cursors].map(({ topic }) => topic)))
        for (const cursor of this.#cursors) {
          if (cursor.busy || cursor.apart || !cursor.wanted()) continue
          const nodeId = this.#link.leaderOf(cursor.topic, cursor.partition)
          if (!this.#loops.has(nodeId)) this.#loops.set(nodeId, this.#loop(nodeId))
        }
        return
      } catch (error) {
        this.#report(`failed to find partition leaders; retrying: ${messageOf(error)}`)
        await this.#link.recover(error)
        await pause(pauseMs)
      }
    }
  }

  /** Ends when this broker leads no wanted partition; a later `wake` restarts it. */
  async #loop(nodeId: string): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS
    const session = this.#sessionWith(nodeId)
    const fetch: typeof fetchOnce = (...request) => session.fetch(...request)
    while (!this.#closed) {
      const cursors = this.#led(nodeId)
      if (cursors.length === 0) break
      try {
        await this.#fetch(nodeId, cursors, fetch)
        pauseMs = FIRST_PAUSE_MS
      } catch (error) {
        if (this.#brokenOff.delete(nodeId)) {
          // kafkajs ends its side of the connection meanwhile, and would end a new one too.
          await pause(0)
          continue
        }
        this.#report(`failed to fetch from broker ${nodeId}; retrying: ${messageOf(error)}`)
        this.#quiet.delete(nodeId)
        await this.#link.recover(error)
        if (!isTransient(error)) for (const cursor of cursors) this.#setApart(cursor)
        await pause(pauseMs)
        pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
        // Leaders may have moved: another broker's loop may have to take over this one's partitions.
        this.#loops.delete(nodeId)
        this.#look()
        return
      }
    }
    this.#loops.delete(nodeId)
  }

  /** Kept over errors of partitions: each new one takes the place of another at the broker. */
  #sessionWith(nodeId: string): FetchSession {
    const session = this.#sessions.get(nodeId) ?? new FetchSession()
    this.#sessions.set(nodeId, session)
    return session
  }

  /** One of several in a request is to blame, and the answer does not say which. */
  #setApart(cursor: State): void {
    cursor.apart = true
    const apart = this.#apart(cursor).finally(() => {
      this.#alone.delete(apart)
      cursor.apart = false
      this.#look()
    })
    this.#alone.add(apart)
  }

  /** Fetches this cursor alone, until that succeeds. */
  async #apart(cursor: State): Promise<void> {
    const sinceMs = performance.now()
    let reported = false
    for (
      let pauseMs = FIRST_PAUSE_MS;
      !this.#closed && !cursor.removed;
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
    ) {
      try {
        await this.#fetch(this.#link.leaderOf(cursor.topic, cursor.partition), [cursor], fetchOnce)
        if (reported && !cursor.removed) cursor.stuck?.(null)
        return
      } catch (error) {
        const reason = messageOf(error)
        this.#report(
          `failed to fetch ${cursor.topic}[${cursor.partition}] from offset ${cursor.offset}; retrying: ${reason}`,
        )
        await this.#link.recover(error)
        const lasts = !isTransient(error) && performance.now() - sinceMs > STUCK_AFTER_MS
        if (!reported && lasts && !cursor.removed) {
          reported = true
          cursor.stuck?.({ offset: cursor.offset, reason })
        }
        await pause(pauseMs)
      }
    }
  }

  #led(nodeId: string): State[] {
    const idle = [...this.#cursors].filter((cursor) => !cursor.busy && !cursor.apart && cursor.wanted())
    const leaders = idle.map((cursor) => this.#leaderOf(cursor))
    // Leaders may have moved since the loops were started, to a broker without a loop.
    if (leaders.some((leader) => leader === null || !this.#loops.has(leader))) this.#look()
    return idle.filter((_, index) => leaders[index] === nodeId)
  }

  #leaderOf({ topic, partition }: State): string | null {
    try {
      return this.#link.leaderOf(topic, partition)
    } catch {
      return null
    }
  }

  async #fetch(nodeId: string, cursors: readonly State[], fetch: typeof fetchOnce): Promise<void> {
    const begunMs = performance.now()
    const factor = this.#holdFactor(nodeId, fetch)
    const waitMs = this.#maxWaitMs * factor
    for (const cursor of cursors) cursor.busy = true
    let moved = false
    try {
      const broker = await this.#link.cluster.findBroker({ nodeId })
      const limits = { ...FETCH_LIMITS, maxWaitMs: waitMs }
      const answer = fetch(broker, cursors, limits)
      if (factor === LONG) this.#holding.set(nodeId, broker)
      for (const fetched of await answer) {
        const { topic, partition } = fetched
        const cursor = cursors.find((each) => each.partition === partition && each.topic === topic)
        if (cursor === undefined || !(await this.#isSame(cursor, fetched))) continue
        noteOpen(cursor, fetched)
        if (deliver(cursor, committedMessages(fetched, cursor.offset))) moved = true
      }
    } catch (error) {
      if (errorType(error) !== 'OFFSET_OUT_OF_RANGE') throw error
      await this.#intoRange(cursors)
    } finally {
      this.#holding.delete(nodeId)
      for (const cursor of cursors) cursor.busy = false
    }
    for (const cursor of cursors) reportOpen(cursor, this.#openAfterMs)
    if (this.#brokenOff.delete(nodeId)) return pause(0)
    this.#quiet.set(nodeId, moved ? 0 : (this.#quiet.get(nodeId) ?? 0) + 1)
    // A batch that compaction emptied is returned at once, forever, without moving us.
    const elapsedMs = performance.now() - begunMs
    if (elapsedMs < this.#lingerMs) return pause(this.#lingerMs - elapsedMs)
    if (!moved && elapsedMs < waitMs / 2) await pause(waitMs - elapsedMs)
  }

  /** One that is fetched separately shares its connection with the others, and waits for them. */
  #holdFactor(nodeId: string, fetch: typeof fetchOnce): number {
    if (fetch === fetchOnce) return 1
    const quiet = this.#quiet.get(nodeId) ?? 0
    const { factor } = HOLDS.find(({ from }) => quiet >= from) ?? { factor: 1 }
    return this.#alone.size === 0 ? factor : Math.min(factor, BRIEF)
  }

  /** False if a new leader has lost records that were read. Checked once per epoch, before delivery. */
  async #isSame(cursor: State, { messages }: FetchedPartition): Promise<boolean> {
    const epoch = messages.at(-1)?.batchContext.partitionLeaderEpoch ?? cursor.leaderEpoch
    if (epoch > cursor.leaderEpoch) {
      const { topic, partition, offset, leaderEpoch } = cursor
      const cut = await cutBelow(this.#link, { topic, partition, offset, epoch: leaderEpoch })
      if (cut !== null) return this.#wentBack(cursor, cut)
      cursor.leaderEpoch = epoch
    }
    return true
  }

  #wentBack(cursor: State, to: number): false {
    // Its owner has replaced it meanwhile.
    if (cursor.removed) return false
    const { topic, partition, offset } = cursor
    this.#report(`${topic}[${partition}]: log truncated; offset ${offset} went back to ${to}`)
    if (cursor.wentBack) {
      this.#remove(cursor)
      cursor.wentBack(offset, to)
    } else {
      cursor.offset = to
      cursor.leaderEpoch = NO_EPOCH
    }
    return false
  }

  async #intoRange(cursors: readonly State[]): Promise<void> {
    for (const cursor of cursors) {
      const { topic, partition, offset, leaderEpoch } = cursor
      const [bounds] = await boundsOf(this.#link, topic, [partition])
      if (bounds === undefined || cursor.removed) continue
      if (offset < bounds.earliest) {
        this.#report(
          `${topic}[${partition}]: records lost; offset ${offset} is deleted, going on at ${bounds.earliest}`,
        )
        cursor.offset = bounds.earliest
        cursor.overtaken?.(offset, bounds.earliest)
      } else if (await this.#isPastEnd(cursor)) {
        const cut = await cutBelow(this.#link, { topic, partition, offset, epoch: leaderEpoch })
        this.#wentBack(cursor, Math.max(bounds.earliest, cut ?? Math.min(bounds.next, offset)))
      }
    }
  }

  /**
   * Several partitions share a request, and one of them refuses it. Written records that are not yet stable
   * are not past the end.
   */
  async #isPastEnd({ topic, partition, offset }: State): Promise<boolean> {
    const broker = await this.#link.cluster.findBroker({ nodeId: this.#link.leaderOf(topic, partition) })
    try {
      await fetchOnce(broker, [{ topic, partition, offset }], RANGE_LIMITS)
      return false
    } catch (error) {
      if (errorType(error) !== 'OFFSET_OUT_OF_RANGE') throw error
      return true
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cursors.clear()
    for (const nodeId of this.#holding.keys()) this.#breakOff(nodeId)
    await Promise.allSettled([...this.#loops.values(), ...this.#alone])
  }
}

/** True when the cursor moved. */
function deliver(cursor: State, readable: { messages: readonly RawMessage[]; nextOffset: number }): boolean {
  if (cursor.removed || !cursor.wanted()) return true
  const moved = readable.nextOffset > cursor.offset
  cursor.offset = readable.nextOffset
  if (readable.messages.length > 0) cursor.deliver(readable.messages)
  return moved
}
