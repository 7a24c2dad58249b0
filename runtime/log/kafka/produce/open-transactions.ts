// Transactions that another program has left open: a reader gets nothing behind one until the broker ends it.
import type { TopicPartition } from '../fetch/request.ts'

/** An open transaction is reported after this time: the fleet's own end sooner (FLOTILLA_TRANSACTION_TIMEOUT_MS). */
export const OPEN_AFTER_MS = 30_000

/** Where reading has been stuck for a while. */
export interface Stuck {
  readonly offset: number
  /** Null: a transaction that begins there is open. */
  readonly reason: string | null
}

/** Reason of a partition none of whose replicas may lead it. */
export const NO_LEADER = 'it has no leader'

export interface AtTransaction {
  /** The open transaction at which it waits. */
  open: { readonly offset: number; readonly sinceMs: number; isReported: boolean } | null
  readonly removed: boolean
  readonly stuck?: (at: Stuck | null) => void
}

/** Notes at which transaction a reader of this partition waits, and reports the end of one that was reported. */
export function noteOpen(cursor: AtTransaction, { lastStableOffset, highWatermark }: TopicPartition): void {
  const offset = Number(lastStableOffset)
  const { open } = cursor
  if (offset === open?.offset) return
  cursor.open =
    offset < Number(highWatermark) ? { offset, sinceMs: performance.now(), isReported: false } : null
  if (open?.isReported && !cursor.removed) cursor.stuck?.(null)
}

/** To be asked of every cursor: the answers of a fetch session leave out those with nothing new. */
export function reportOpen({ open, removed, stuck }: AtTransaction, afterMs: number): void {
  if (open === null || open.isReported || removed) return
  if (performance.now() - open.sinceMs < afterMs) return
  open.isReported = true
  stuck?.({ offset: open.offset, reason: null })
}
