// Fetches the partitions that a process reads, for all its stages and tails, without a group.
//
// 1. A cursor's records come in order, each once. `deliver` returns at once, and never throws.
// 2. A cursor that is not `wanted` gets nothing: records under way for it are dropped and fetched again later. The same
//    holds for a removed one. It delays no other: those that have fallen behind are fetched in requests of their own.
// 3. An offset of records that retention deleted moves to the earliest record, and is reported as `overtaken`.
// 4. An offset that the log no longer has, or has written again, is `wentBack`: the cursor delivers nothing
//    more; without a listener it goes on where the log was truncated. Truncation shows in the broker's
//    refusal or, if the log has grown again meanwhile, in the new leader's epoch.
// 5. A cursor whose partition has an error (no leader, an unknown codec, no right to read) delays none that shares its
//    broker: it is fetched separately until that succeeds, and reported as `stuck` if that lasts. So is one whose
//    partition has a new leader, until that is known to have what was read.
// 6. Nothing behind an open transaction may be read. One that stays open, because another program has left it, is
//    reported as `stuck` too.
import { messageOf } from '../../../errors.ts'
import { Feed, isReading, type CursorOptions, type CursorState } from './feed.ts'
import { FetchLoop, FIRST_PAUSE_MS, LONGEST_PAUSE_MS, type LoopParts } from './loop.ts'
import { NO_EPOCH } from './leader-epochs.ts'
import { pause, type Link } from '../connection/link.ts'
import { OPEN_AFTER_MS } from '../produce/open-transactions.ts'
import { SeparateFetches } from './separate-fetches.ts'

export type { CursorOptions } from './feed.ts'

export interface Cursor {
  /** Offset of the record that is delivered next. */
  readonly offset: number
  /** Epoch of the leader that wrote the last record read. */
  readonly leaderEpoch: number
  remove(): void
}

export interface FetcherOptions {
  /** One for partitions that had records lately, one for the others. Closed with the fetcher. */
  readonly links: { readonly busy: Link; readonly calm: Link }
  /** How long the broker holds an empty fetch. */
  readonly maxWaitMs: number
  readonly report: (message: string) => void
  /** An open transaction, or a missing leader, is reported after this time. Default 30,000. */
  readonly openAfterMs?: number
}

interface Loops {
  readonly busy: FetchLoop
  readonly calm: FetchLoop
}

export class Fetcher {
  readonly #options: FetcherOptions
  /** It knows the leaders. */
  readonly #link: Link
  readonly #report: (message: string) => void
  /** By topic and partition. */
  readonly #feeds = new Map<string, Map<number, Feed>>()
  /** Those that had records lately. */
  readonly #busy = new Set<Feed>()
  /** By broker. */
  readonly #loops = new Map<string, Loops>()
  readonly #separate: SeparateFetches
  #looking: Promise<void> | null = null
  #closed = false

  constructor(options: FetcherOptions) {
    this.#options = options
    this.#link = options.links.calm
    this.#report = options.report
    this.#separate = new SeparateFetches({
      link: this.#link,
      report: options.report,
      leaderlessAfterMs: options.openAfterMs ?? OPEN_AFTER_MS,
      remove: (cursor) => this.#remove(cursor),
      recover: (error, link) => this.#recover(error, link),
      look: () => this.#look(),
    })
  }

  add(options: CursorOptions): Cursor {
    const { leaderEpoch = NO_EPOCH, lingerMs = 0 } = options
    const marks = { removed: false, apart: false, againMs: 0, open: null }
    const state: CursorState = { ...options, leaderEpoch, lingerMs, ...marks }
    const feed = this.#feedOf(options)
    feed.cursors.add(state)
    for (const { busy, calm } of this.#loops.values()) for (const loop of [busy, calm]) loop.expectMore()
    this.#breakOff()
    const leader = this.#leaderOf(feed)
    if (leader === null) this.#look()
    else this.#fetchFrom(leader, feed, performance.now())
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

  #feedOf({ topic, partition }: CursorOptions): Feed {
    let feeds = this.#feeds.get(topic)
    if (feeds === undefined) this.#feeds.set(topic, (feeds = new Map()))
    let feed = feeds.get(partition)
    if (feed === undefined) feeds.set(partition, (feed = new Feed(topic, partition)))
    return feed
  }

  #remove(state: CursorState): void {
    state.removed = true
    const { topic, partition } = state
    const feeds = this.#feeds.get(topic)
    const feed = feeds?.get(partition)
    if (feeds === undefined || feed === undefined || !feed.cursors.delete(state) || feed.cursors.size > 0)
      return
    feeds.delete(partition)
    this.#busy.delete(feed)
    if (feeds.size === 0) this.#feeds.delete(topic)
  }

  *#all(): Generator<Feed> {
    for (const feeds of this.#feeds.values()) yield* feeds.values()
  }

  /** Call when a cursor has become wanted again. */
  wake(): void {
    this.#breakOff()
    this.#look()
  }

  /** Ends the long fetches that a cursor waits for. */
  #breakOff(): void {
    for (const [nodeId, { busy, calm }] of this.#loops)
      for (const loop of [busy, calm]) if (loop.isHolding && this.#isAwaited(nodeId, loop)) loop.breakOff()
  }

  /** Whether a cursor of this loop is wanted and in no request. */
  #isAwaited(nodeId: string, loop: FetchLoop): boolean {
    const nowMs = performance.now()
    const { busy, calm } = this.#loopsOf(nodeId)
    for (const feed of this.#all()) {
      if (feed.isBusy(nowMs) !== loop.isBusy || this.#leaderOf(feed) !== nodeId) continue
      for (const cursor of feed.cursors) {
        const isAsked = [busy, calm].some((each) => each.isAskingFor(feed, cursor.offset))
        if (!isAsked && isReading(cursor)) return true
      }
    }
    return false
  }

  #look(): void {
    if (this.#closed || this.#startLoops() || this.#looking !== null) return
    this.#looking = this.#lookForLeaders().finally(() => (this.#looking = null))
  }

  /** False if the leader of a partition is not known. */
  #startLoops(): boolean {
    const nowMs = performance.now()
    const { openAfterMs = OPEN_AFTER_MS } = this.#options
    let isKnown = true
    for (const feed of this.#all()) {
      if (feed.lead() < 0) continue
      const leader = this.#leaderOf(feed)
      feed.noteLeader(leader !== null, nowMs, openAfterMs)
      if (leader === null) isKnown = false
      else this.#fetchFrom(leader, feed, nowMs)
    }
    return isKnown
  }

  async #lookForLeaders(): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; !this.#closed; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      const error = await this.#know()
      if (this.#closed || this.#startLoops()) return
      this.#report(`failed to find partition leaders; retrying: ${messageOf(error)}`)
      await this.#link.recover(error)
      await pause(pauseMs)
    }
  }

  /** Asks for the leaders. A topic that is missing hides no other. */
  async #know(): Promise<unknown> {
    const topics = [...this.#feeds.keys()]
    try {
      await this.#link.know(topics)
      return Object.assign(new Error('a partition has no leader'), {
        type: 'LEADER_NOT_AVAILABLE',
        retriable: true,
      })
    } catch (error) {
      for (const topic of topics) await this.#link.know([topic]).catch(() => {})
      return error
    }
  }

  #leaderOf({ topic, partition }: Feed): string | null {
    return this.#link.knownLeader(topic, partition)
  }

  #loopsOf(nodeId: string): Loops {
    const known = this.#loops.get(nodeId)
    if (known !== undefined) return known
    const { links, maxWaitMs, openAfterMs = OPEN_AFTER_MS, report } = this.#options
    const shared = {
      nodeId,
      maxWaitMs,
      openAfterMs,
      report,
      leads: (feed: Feed) => this.#leads(nodeId, feed),
      hadRecords: (feeds: Iterable<Feed>) => this.#hadRecords(nodeId, feeds),
      separate: (cursor: CursorState, link: Link) => this.#separate.begin(cursor, link),
      isShared: () => this.#separate.isUnderWay,
      recover: (error: unknown, link: Link) => this.#recover(error, link),
    }
    const loop = (own: Pick<LoopParts, 'isBusy' | 'link' | 'feeds' | 'other'>) =>
      new FetchLoop({ ...shared, ...own })
    const [all, busyOnes] = [() => this.#all(), () => this.#busyOnes(nodeId)]
    const busy: FetchLoop = loop({ isBusy: true, link: links.busy, feeds: busyOnes, other: () => calm })
    const calm: FetchLoop = loop({ isBusy: false, link: links.calm, feeds: all, other: () => busy })
    const loops = { busy, calm }
    this.#loops.set(nodeId, loops)
    return loops
  }

  #leads(nodeId: string, feed: Feed): boolean {
    const leader = this.#leaderOf(feed)
    // Leaders may have moved since the loops were started, to a broker without a loop.
    if (leader === null) {
      if (this.#looking === null) this.#look()
    } else if (leader !== nodeId) this.#fetchFrom(leader, feed, performance.now())
    return leader === nodeId
  }

  /** At once, also if the leader holds a fetch for long that does not name the partition yet: it has just got it. */
  #fetchFrom(leader: string, feed: Feed, nowMs: number): void {
    const loops = this.#loopsOf(leader)
    const loop = this.#loopFor(loops, feed, nowMs)
    loop.start()
    if (loop.isHolding && !loops.busy.isAskingFor(feed) && !loops.calm.isAskingFor(feed)) loop.breakOff()
  }

  #loopFor({ busy, calm }: Loops, feed: Feed, nowMs: number): FetchLoop {
    return feed.isBusy(nowMs) ? busy : calm
  }

  *#busyOnes(nodeId: string): Generator<Feed> {
    const nowMs = performance.now()
    const { calm } = this.#loopsOf(nodeId)
    for (const feed of this.#busy) {
      if (feed.isBusy(nowMs) || !calm.isAskingFor(feed)) yield feed
      else this.#busy.delete(feed)
    }
  }

  #hadRecords(nodeId: string, feeds: Iterable<Feed>): void {
    const nowMs = performance.now()
    for (const feed of feeds) {
      if (feed.cursors.size === 0) continue
      feed.hadRecords(nowMs)
      this.#busy.add(feed)
    }
    this.#loopsOf(nodeId).busy.start()
  }

  /** One link knows the leaders, whichever has met the error. */
  async #recover(error: unknown, link: Link): Promise<void> {
    await link.recover(error)
    if (link !== this.#link) await this.#link.refresh()
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const feed of this.#all()) for (const cursor of feed.cursors) cursor.removed = true
    this.#feeds.clear()
    this.#busy.clear()
    const loops = [...this.#loops.values()].flatMap(({ busy, calm }) => [busy, calm])
    await Promise.allSettled([...loops.map((loop) => loop.close()), this.#separate.close()])
    const { busy, calm } = this.#options.links
    await Promise.all([busy, calm].map((link) => link.close()))
  }
}
