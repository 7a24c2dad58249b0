// Storage of the engine, behind one interface: SQLite for the embedded log, maps for the simulator's.
//
// 1. Everything but `transact` is synchronous. Writing methods are called only inside `transact`.
// 2. Reads outside `transact` see committed data only.
// 3. `work` checks before it writes: a throw after the first write comes only from the storage itself.
import type { LogRecord, LogTopic, OutgoingRecord, StateRow } from '../port.ts'

/** One partition of one topic. */
export interface Slot {
  readonly id: number
  readonly topic: LogTopic
  readonly partition: number
  /** Offset that the next record gets. Gaps are allowed (after a failed transaction), going back is not. */
  next: number
}

export interface StoredPosition {
  readonly slot: Slot
  readonly offset: number
  readonly metadata: string
}

/** Bounds of one read: it ends at the first one reached, but returns at least one record if there is one. */
export interface ReadLimit {
  readonly records: number
  readonly bytes: number
}

export interface LogStorage {
  /** Unique to this log: a data directory that is started over has another. */
  identity(topic: LogTopic): string
  /** Runs all of `work` or nothing; resolves once durable. Rejects with WriteUncertain if that is unknown. */
  transact<T>(work: () => T): Promise<T>
  /** The partitions of a topic by number; undefined until it is created. */
  slots(topic: LogTopic): readonly Slot[] | undefined
  /** Known to `slots` after `topicsCreated`. */
  createTopic(topic: LogTopic, partitions: number): void
  /** The transaction that created topics was committed. */
  topicsCreated(): void
  append(slot: Slot, record: OutgoingRecord, timestampMs: number): number
  /** The same records may be returned to several readers. */
  read(slot: Slot, fromOffset: number, limit: ReadLimit): LogRecord[]
  earliest(slot: Slot): number
  /** Offsets of the records with this key, in a topic that is looked up by key; ascending. */
  offsetsOf(slot: Slot, key: string): number[]
  position(group: string, slot: Slot): { offset: number; metadata: string } | undefined
  setPosition(group: string, slot: Slot, offset: number, metadata: string): void
  positions(group: string): StoredPosition[]
  /** Notes that the group reads this topic, so that retention waits for it. */
  subscribe(group: string, topic: LogTopic, atMs: number): void
  epoch(group: string, lane: number): number
  /** Adds one and returns it. */
  raiseEpoch(group: string, lane: number): number
  /** Other work may run between two rows; for those that it changes, the old or the new value is returned. */
  rows(group: string, lane: number): Iterator<StateRow> & Iterable<StateRow>
  setRow(group: string, lane: number, row: StateRow): void
  /**
   * Deletes at most `limit` records of the slot older than `beforeMs` that every group seen since
   * `groupsSinceMs` has consumed.
   */
  expire(slot: Slot, beforeMs: number, groupsSinceMs: number, limit: number): number
}
