// The log as the host sees it: two adapters (embedded, kafka) and the simulator's, held to one conformance
// suite.
//
// 1. Topic names here are logical; the adapter adds the fleet's prefix. Offsets fit a double (2^53).
// 2. Lane i of a group = partition i of every topic it consumes + its state rows. A lane has one live owner:
//    `open` fences every former owner, whose later commits reject with LaneFenced.
// 3. `commit` is atomic: records, rows and positions together, or nothing. After CommitUncertain the outcome
//    is unknown: the owner drops the lane and reopens it, which shows the outcome.
// 4. Records of a partition are delivered in offset order. After a rebalance, records at or past the
//    committed position may be delivered again to the same lane: the host skips what it has already taken.
// 5. Readers see only committed records (read_committed), never part of a transaction.
// 6. A record is taken up to `LOG_RECORD_BYTES`, a position's metadata up to `LOG_METADATA_BYTES`
//    (limits.ts), or the broker's own limits. Anything larger is refused every time: CommitRefused. A lane
//    whose commit was refused is dropped and reopened, as after any commit that was not written.
// 7. Groups of readers and groups of stages have namespaces of their own (groups.ts): equal names never meet.
import type { TopicName } from '../../schemas/topics.ts'
import type { GroupKind } from './groups.ts'

/** A topic of the contract, or a stage's state topic. */
export type LogTopic = TopicName

export interface LogRecord {
  readonly topic: LogTopic
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  readonly value: Uint8Array | null
  readonly headers: Readonly<Record<string, string>>
  /**
   * Epoch milliseconds: when the log took it, on topics that anyone may write; never the producer's claim. If
   * the log is not configured to set it, it is the time at which the record was read.
   */
  readonly timestampMs: number
  /**
   * Epoch of the leader that wrote it. A log that has lost records reuses their offsets, in a later epoch:
   * offset and epoch identify a record for good. Absent if offsets never go back.
   */
  readonly leaderEpoch?: number
}

export interface OutgoingRecord {
  readonly topic: LogTopic
  /** Always computed by us: murmur2(key) mod partitions (`homeOf`). */
  readonly partition: number
  readonly key: string | null
  readonly value: Uint8Array | null
  readonly headers: Readonly<Record<string, string>>
}

/**
 * `offset` is the lowest unfinished one; `metadata` holds what is finished beyond it (position-metadata.ts;
 * at most 3,000 bytes).
 */
export interface Position {
  readonly topic: LogTopic
  readonly offset: number
  readonly metadata: string
}

/** A state row, keyed within its lane. Null value deletes. */
export interface StateRow {
  readonly key: string
  readonly value: Uint8Array | null
}

/** Input of a lane that was lost or replaced. Reported in every case. */
export interface InputLoss {
  readonly topic: LogTopic
  /**
   * `retention`: records were deleted before the lane had read them. `truncated`: the log has lost records
   * that it had acknowledged. `recreated`: another topic has the name of the one that was read.
   */
  readonly cause: 'retention' | 'truncated' | 'recreated'
  /** The position before and after: reading goes on at `to`. */
  readonly from: number
  readonly to: number
}

export interface LaneCommit {
  readonly records: readonly OutgoingRecord[]
  readonly rows: readonly StateRow[]
  readonly positions: readonly Position[]
}

export interface OpenLane {
  readonly lane: number
  /** Grows with each opening of this lane by anyone. */
  readonly epoch: number
  /**
   * State as of the opening: every live row, each key once. To be read before the lane's first commit, in
   * turns if need be: there may be millions. Empty after `releaseRows`.
   */
  readonly rows: Iterable<StateRow>
  /** Committed positions; a topic without one starts at offset 0 (its earliest record). */
  readonly positions: readonly Position[]
  /**
   * Begins delivery from the committed positions. Call once. `onRecords` must not throw; it returns at once
   * (work runs off the loop). `onEnded`: this opening can deliver and commit nothing more, because a position
   * went back; open it again.
   */
  start(onRecords: (records: readonly LogRecord[]) => void, onEnded?: (reason: Error) => void): void
  /** Stops fetching these topics of the lane (those already handed over or in flight may still arrive). */
  pause(topics: readonly LogTopic[]): void
  resume(topics: readonly LogTopic[]): void
  /**
   * One at a time per lane. Rejects with CommitFailed (nothing was written; may be tried again), or with one
   * of those that end the lane: LaneFenced, LaneSpent, CommitUncertain, CommitRefused (nothing was written;
   * would be refused again).
   */
  commit(commit: LaneCommit): Promise<void>
  /** The rows were read: frees their memory. */
  releaseRows(): void
  /** Releases local resources. Idempotent. Does not move positions. */
  close(): Promise<void>
}

/**
 * How a lane lost state: another topic has the name of the one that held it, rows of it were deleted, or the newest ones are
 * gone, and the positions among them, so that the lane goes on from an older state.
 */
export type StateLoss = 'recreated' | 'deleted' | 'truncated'

export interface LaneListener {
  /** This member owns the lane now. Open it with `membership.open(lane)`. */
  onAssigned(lane: number): void
  /** The lane went to another member: stop, abort, drop. `isForgotten`: because this one was silent. */
  onRevoked(lane: number, isForgotten?: boolean): void
  /** The member can't go on without its owner's help (it keeps trying to rejoin by itself). */
  onError(error: Error): void
  /** The error reported by `onError` has cleared. */
  onRecovered?(): void
  /** What the opening of the lane waits for now, as a noun. */
  onOpening?(lane: number, waitsFor: string): void
  /** Records of this lane's input are gone or replaced. */
  onLoss?(lane: number, loss: InputLoss): void
  /** State of the lane is lost. */
  onStateLost?(lane: number, cause: StateLoss): void
  /** All current problems of this member's input, each with its remedy; empty when there are none. */
  onProblems?(problems: readonly string[]): void
}

export interface Membership {
  /** Resolves when the group has first assigned this member its lanes. There may be none. */
  readonly joined: Promise<void>
  /**
   * Fences former owners, restores rows and positions. Also reopens a lane after it was dropped. Its epoch is above
   * `after`, which the owner has met outside the log: a log that was restored from a copy does not know of it.
   */
  open(lane: number, after?: number): Promise<OpenLane>
  /** This member can't take the lane until it joins again: another member gets it, or nobody if none can. */
  decline?(lane: number): void
  /** Leaves the group: lanes go to the other members at once. */
  leave(): Promise<void>
}

export interface JoinOptions {
  /** Stage name: group id, transactional ids and state topic derive from it. */
  readonly group: string
  readonly topics: readonly LogTopic[]
  /** Unique per process. */
  readonly instance: string
  /** How long records may wait to be batched, if nobody waits for them. Milliseconds; default 0. */
  readonly lingerMs?: number
}

export interface TailOptions {
  readonly topics: readonly LogTopic[]
  /** Where to start if there is no group or it has no position. */
  readonly from: 'earliest' | 'latest'
  /**
   * A readers' group: positions are kept, members share the partitions, at-least-once delivery. Absent: every
   * reader sees everything. `tail` throws REQUEST_INVALID for an invalid name.
   */
  readonly group?: string
  /** The group refuses this reader for good; it retries until it is closed. */
  readonly onRefused?: (error: Error) => void
}

export interface Tail {
  /** Resolves once records published from now on are sure to be seen. */
  readonly ready: Promise<void>
  close(): Promise<void>
}

export interface KeySearch {
  readonly topic: LogTopic
  readonly partition: number
  readonly key: string
  /** Whether a record of the key is wanted. The same for every search of a topic. */
  readonly wanted: (record: LogRecord) => boolean
  /** No such record was written before this time. Epoch milliseconds; 0 if that is not known. */
  readonly sinceMs: number
}

export interface PartitionRange {
  readonly topic: LogTopic
  readonly partition: number
  /** First offset still held. */
  readonly earliest: number
  /** Offset that the next record will get. */
  readonly next: number
}

export interface RangeOptions {
  /** Only these. Default: all. */
  readonly partitions?: readonly number[]
  /** Is called with each partition that no broker leads, which is left out then. Absent: `ranges` rejects. */
  readonly onLeaderless?: (at: { readonly topic: LogTopic; readonly partition: number }) => void
}

/** A stage's group as it is now. */
export interface GroupMembers {
  /** Topics that its members read; empty if nobody is in it. */
  readonly topics: readonly LogTopic[]
  /** Each lane's owner, as far as lanes are assigned. */
  readonly owners: readonly { readonly lane: number; readonly owner: string }[]
}

export interface Log {
  readonly kind: 'embedded' | 'kafka' | 'memory'
  /** Partition count shared by all task topics. */
  readonly partitions: number
  /** Creates missing topics, and state topics of these stages. Rejects on a different partition count. */
  ensureTopics(stages: readonly string[]): Promise<void>
  /** Durable, idempotent, outside any lane. Resolves with each record's position. */
  publish(
    records: readonly OutgoingRecord[],
  ): Promise<{ topic: LogTopic; partition: number; offset: number }[]>
  join(options: JoinOptions, listener: LaneListener): Promise<Membership>
  /** Reads topics outside stages: awaits the handler, then moves the group's position. */
  tail(options: TailOptions, handler: (records: readonly LogRecord[]) => Promise<void> | void): Tail
  /**
   * The newest record of `key` that `wanted` accepts, in a topic that is looked up by key (`schemas/topics.ts`). Its
   * cost is bounded: rejects with SEARCH_UNFINISHED if more must be read than one call may; the next call
   * goes on there. May miss records written before `sinceMs`, and on Kafka very old ones.
   */
  find(search: KeySearch): Promise<LogRecord | null>
  /** Bounded read of one partition, oldest first: for operators (dead-letters). */
  read(topic: LogTopic, partition: number, fromOffset: number, limit: number): Promise<LogRecord[]>
  ranges(topics: readonly LogTopic[], options?: RangeOptions): Promise<PartitionRange[]>
  /** Committed positions of a group, for lag: on Kafka those of a stage are up to a second old. Default kind: stage. */
  positions(
    group: string,
    kind?: GroupKind,
  ): Promise<{ topic: LogTopic; partition: number; offset: number }[]>
  /** Who owns the lanes of a stage: for operators. */
  members(group: string): Promise<GroupMembers>
  /**
   * Distinguishes each topic from one of the same name that was deleted or is another log's: part of the ids
   * that derive from positions. Empty if the log has no such ids.
   */
  topicIds(topics: readonly LogTopic[]): Promise<ReadonlyMap<LogTopic, string>>
  /**
   * Settings of topics that weaken a guarantee, each with its remedy; empty if there are none. Rejects with TOPICS_MISMATCH if
   * no process could start.
   */
  advice(): Promise<readonly string[]>
  /** Rejects with the reason when the log can't be used now. */
  check(): Promise<void>
  /**
   * Calls the listener once nobody can use the log any more: its file is damaged. The error says what helps. Where nobody
   * listens, it is thrown out of a callback. Absent: that never happens.
   */
  onFailed?(listener: (error: Error) => void): void
  close(): Promise<void>
}

/** Another process has opened this lane since; nothing of the commit was written. */
export class LaneFenced extends Error {
  override readonly name = 'LaneFenced'
}
/** The commit may or may not have been written. */
export class CommitUncertain extends Error {
  override readonly name = 'CommitUncertain'
}
/** Nothing was written, and this opening of the lane can commit nothing more: reopen it. */
export class LaneSpent extends Error {
  override readonly name = 'LaneSpent'
}
/** Nothing was written; the same commit may be retried. */
export class CommitFailed extends Error {
  override readonly name = 'CommitFailed'
}
/**
 * Nothing was written, and the same commit would be refused every time. Kafka's MESSAGE_TOO_LARGE,
 * RECORD_LIST_TOO_LARGE and INVALID_RECORD (a record or row), and OFFSET_METADATA_TOO_LARGE (a position).
 * CORRUPT_MESSAGE is not among them: the network may have caused it.
 */
export class CommitRefused extends Error {
  override readonly name = 'CommitRefused'
  readonly part: 'record' | 'position'

  constructor(message: string, part: 'record' | 'position', options?: ErrorOptions) {
    super(message, options)
    this.part = part
  }
}
