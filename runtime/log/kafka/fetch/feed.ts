// A partition that is read, and its cursors. Readers of one process share what is fetched of it.
//
// 1. Records go to every cursor that is at or behind them and at or past the offset that was asked for: a cursor's
//    records come in order, each once, however many requests name its partition at a time.
// 2. A cursor that is not `wanted` gets nothing, and keeps its offset: what it missed is fetched again for it, apart
//    from what the others are waiting for.
import type { RawMessage } from '../connection/client.ts'
import type { TopicPartition } from './request.ts'
import { NO_EPOCH } from './leader-epochs.ts'
import { NO_LEADER, noteOpen, type AtTransaction, type Stuck } from '../produce/open-transactions.ts'
import { committedMessages, type Readable } from './read-committed.ts'

export interface CursorOptions {
  /** Name on the broker. */
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Epoch of the leader that wrote the record before `offset`, or NO_EPOCH. */
  readonly leaderEpoch?: number
  /** How long records may wait so that one fetch returns many. Milliseconds; default 0. */
  readonly lingerMs?: number
  readonly wanted: () => boolean
  readonly deliver: (messages: readonly RawMessage[]) => void
  /** What was read holds no record for the reader: aborted transactions, or the end of one. */
  readonly passed?: () => void
  /** Records from `from` to `to` were deleted unread. */
  readonly overtaken?: (from: number, to: number) => void
  /** The log ends before the offset, or has other records there: `to` is the end of those that were read. */
  readonly wentBack?: (from: number, to: number) => void
  /** Reading has been stuck for a while; null: it goes on. */
  readonly stuck?: (at: Stuck | null) => void
}

export interface CursorState extends CursorOptions, AtTransaction {
  readonly lingerMs: number
  offset: number
  leaderEpoch: number
  removed: boolean
  /** Fetched in separate requests, because of an error or a new leader. */
  apart: boolean
  /** When it was last fetched because it is behind the others of its partition; later, if it got nothing. */
  againMs: number
}

/** A feed had records lately if that is not longer ago. */
const BUSY_MS = 10_000

export class Feed {
  readonly topic: string
  readonly partition: number
  readonly cursors = new Set<CursorState>()
  #busyUntilMs = 0
  /** When its leader was not known for the first time since it was; null: it is. */
  #leaderlessMs: number | null = null
  #isReported = false

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  isBusy(nowMs: number): boolean {
    return nowMs < this.#busyUntilMs
  }

  hadRecords(nowMs: number): void {
    this.#busyUntilMs = nowMs + BUSY_MS
  }

  /** Reports its cursors as stuck once its leader has not been known for `afterMs`, and when it is again. */
  noteLeader(isKnown: boolean, nowMs: number, afterMs: number): void {
    if (!isKnown) this.#leaderlessMs ??= nowMs
    else this.#leaderlessMs = null
    const isLate = this.#leaderlessMs !== null && nowMs - this.#leaderlessMs >= afterMs
    if (isLate === this.#isReported) return
    this.#isReported = isLate
    for (const { stuck, offset } of this.cursors) stuck?.(isLate ? { offset, reason: NO_LEADER } : null)
  }

  /** The furthest offset at which records are wanted; -1 if none are. */
  lead(): number {
    let lead = -1
    for (const cursor of this.cursors) if (cursor.offset > lead && isReading(cursor)) lead = cursor.offset
    return lead
  }

  /** The shortest time that records may wait. */
  lingerMs(): number {
    let shortest = Infinity
    for (const cursor of this.cursors)
      if (cursor.lingerMs < shortest && isReading(cursor)) shortest = cursor.lingerMs
    return shortest
  }

  /** The cursor behind this offset that has waited the longest; null if there is none. */
  behind(lead: number): CursorState | null {
    let found: CursorState | null = null
    for (const cursor of this.cursors)
      if (cursor.offset < lead && isReading(cursor) && cursor.againMs < (found?.againMs ?? Infinity))
        found = cursor
    return found
  }

  /**
   * Delivers what was fetched from this offset on. `unsure`: a new leader wrote it, and it is not known whether that one
   * has what this cursor has read; it gets nothing. Returns whether a cursor moved, had become unwanted or was unsure.
   */
  deliver(from: number, fetched: TopicPartition, unsure: (cursor: CursorState) => void): boolean {
    const epoch = fetched.messages.at(-1)?.batchContext.partitionLeaderEpoch ?? NO_EPOCH
    let moved = false
    let readable: Readable = { messages: [], nextOffset: -1 }
    let readFrom = -1
    for (const cursor of this.cursors) {
      if (cursor.apart || cursor.offset < from) continue
      if (epoch > cursor.leaderEpoch && cursor.leaderEpoch !== NO_EPOCH) {
        moved = true
        unsure(cursor)
        continue
      }
      cursor.leaderEpoch = Math.max(cursor.leaderEpoch, epoch)
      noteOpen(cursor, fetched)
      if (!isReading(cursor)) {
        moved ||= fetched.messages.length > 0
        continue
      }
      if (cursor.offset !== readFrom) readable = committedMessages(fetched, (readFrom = cursor.offset))
      if (give(cursor, readable)) moved = true
    }
    return moved
  }
}

export function isReading(cursor: CursorState): boolean {
  return !cursor.apart && !cursor.removed && cursor.wanted()
}

/** True when the cursor moved. */
export function give(cursor: CursorState, { messages, nextOffset }: Readable): boolean {
  const moved = nextOffset > cursor.offset
  cursor.offset = nextOffset
  if (messages.length > 0) cursor.deliver(messages)
  else if (moved) cursor.passed?.()
  return moved
}
