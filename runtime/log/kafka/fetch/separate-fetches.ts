// Fetches cursors one by one whose partitions had an error or a new leader, until that succeeds, and finds out where the
// log has gone that has lost what they read.
import { messageOf } from '../../../errors.ts'
import { errorType, isTransient } from '../errors.ts'
import { give, type CursorState } from './feed.ts'
import { FETCH_LIMITS, FIRST_PAUSE_MS, LONGEST_PAUSE_MS } from './loop.ts'
import { fetchOnce, type FetchLimits } from './request.ts'
import { cutBelow, NO_EPOCH } from './leader-epochs.ts'
import { pause, type Link } from '../connection/link.ts'
import { NO_LEADER, noteOpen } from '../produce/open-transactions.ts'
import { boundsOf } from './partition-reader.ts'
import { committedMessages } from './read-committed.ts'

interface SeparateParts {
  /** It knows the leaders. */
  readonly link: Link
  readonly report: (message: string) => void
  /** How long a partition may have no leader before that is reported. */
  readonly leaderlessAfterMs: number
  readonly remove: (cursor: CursorState) => void
  readonly recover: (error: unknown, link: Link) => Promise<void>
  /** A cursor is no longer fetched separately. */
  readonly look: () => void
}

/** Asks for what there is now. */
const NOW_LIMITS: FetchLimits = { ...FETCH_LIMITS, maxWaitMs: 0 }
/** Asks whether an offset is in range, for one record at most. */
const RANGE_LIMITS: FetchLimits = { maxWaitMs: 0, minBytes: 0, maxBytes: 1, partitionBytes: 1 }
/** A lasting error is reported after this time. */
const STUCK_AFTER_MS = 5_000

export class SeparateFetches {
  readonly #parts: SeparateParts
  readonly #alone = new Set<Promise<void>>()
  #closed = false

  constructor(parts: SeparateParts) {
    this.#parts = parts
  }

  get isUnderWay(): boolean {
    return this.#alone.size > 0
  }

  /** On the connections of this link. */
  begin(cursor: CursorState, link: Link): void {
    if (cursor.apart || cursor.removed || this.#closed) return
    cursor.apart = true
    const alone = this.#fetchAlone(cursor, link).finally(() => {
      this.#alone.delete(alone)
      cursor.apart = false
      this.#parts.look()
    })
    this.#alone.add(alone)
  }

  /** Fetches this cursor separately, until that succeeds. */
  async #fetchAlone(cursor: CursorState, link: Link): Promise<void> {
    const sinceMs = performance.now()
    let reported = false
    for (
      let pauseMs = FIRST_PAUSE_MS;
      !this.#closed && !cursor.removed;
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
    ) {
      try {
        await this.#fetchFor(cursor, link)
        if (reported && !cursor.removed) cursor.stuck?.(null)
        return
      } catch (error) {
        const reason = messageOf(error)
        this.#parts.report(
          `failed to fetch ${cursor.topic}[${cursor.partition}] from offset ${cursor.offset}; retrying: ${reason}`,
        )
        await this.#parts.recover(error, link)
        const isLeaderless = errorType(error) === 'LEADER_NOT_AVAILABLE'
        const afterMs = isLeaderless ? this.#parts.leaderlessAfterMs : STUCK_AFTER_MS
        const lasts = (isLeaderless || !isTransient(error)) && performance.now() - sinceMs > afterMs
        if (!reported && lasts && !cursor.removed) {
          reported = true
          cursor.stuck?.({ offset: cursor.offset, reason: isLeaderless ? NO_LEADER : reason })
        }
        await pause(pauseMs)
      }
    }
  }

  async #fetchFor(cursor: CursorState, link: Link): Promise<void> {
    const { topic, partition, offset } = cursor
    await Promise.all([this.#parts.link.know([topic]), link.connect()])
    const broker = await link.cluster.findBroker({ nodeId: this.#parts.link.leaderOf(topic, partition) })
    try {
      const fetched = await fetchOnce(broker, { topic, partition, offset }, NOW_LIMITS)
      const epoch = fetched.messages.at(-1)?.batchContext.partitionLeaderEpoch ?? NO_EPOCH
      if (epoch > cursor.leaderEpoch) {
        if (!(await this.#isSame(cursor))) return
        cursor.leaderEpoch = epoch
      }
      noteOpen(cursor, fetched)
      if (!cursor.removed && cursor.wanted()) give(cursor, committedMessages(fetched, cursor.offset))
    } catch (error) {
      if (errorType(error) !== 'OFFSET_OUT_OF_RANGE') throw error
      await this.#intoRange(cursor)
    }
  }

  /** False if a new leader has lost records that were read. Checked once per epoch, before delivery. */
  async #isSame(cursor: CursorState): Promise<boolean> {
    const { topic, partition, offset, leaderEpoch } = cursor
    const cut = await cutBelow(this.#parts.link, { topic, partition, offset, epoch: leaderEpoch })
    if (cut === null) return true
    this.#wentBack(cursor, cut)
    return false
  }

  #wentBack(cursor: CursorState, to: number): void {
    // Its owner has replaced it meanwhile.
    if (cursor.removed) return
    const { topic, partition, offset } = cursor
    this.#parts.report(`${topic}[${partition}]: log truncated; offset ${offset} went back to ${to}`)
    if (cursor.wentBack) {
      this.#parts.remove(cursor)
      cursor.wentBack(offset, to)
    } else {
      cursor.offset = to
      cursor.leaderEpoch = NO_EPOCH
    }
  }

  async #intoRange(cursor: CursorState): Promise<void> {
    const { topic, partition, offset, leaderEpoch } = cursor
    const [bounds] = await boundsOf(this.#parts.link, topic, [partition])
    if (bounds === undefined || cursor.removed) return
    if (offset < bounds.earliest) {
      this.#parts.report(
        `${topic}[${partition}]: records lost; offset ${offset} is deleted, going on at ${bounds.earliest}`,
      )
      cursor.offset = bounds.earliest
      cursor.overtaken?.(offset, bounds.earliest)
    } else if (await this.#isPastEnd(cursor)) {
      const cut = await cutBelow(this.#parts.link, { topic, partition, offset, epoch: leaderEpoch })
      this.#wentBack(cursor, Math.max(bounds.earliest, cut ?? Math.min(bounds.next, offset)))
    }
  }

  /** The refusal may be older than the bounds. Written records that are not yet stable are not past the end. */
  async #isPastEnd({ topic, partition, offset }: CursorState): Promise<boolean> {
    const broker = await this.#parts.link.cluster.findBroker({
      nodeId: this.#parts.link.leaderOf(topic, partition),
    })
    try {
      await fetchOnce(broker, { topic, partition, offset }, RANGE_LIMITS)
      return false
    } catch (error) {
      if (errorType(error) !== 'OFFSET_OUT_OF_RANGE') throw error
      return true
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled(this.#alone)
  }
}
