// One opened lane (DESIGN §4); opening.ts opens it.
//
// 1. A spent identity is never renewed in place: the former owner might fence its rightful successor and
//    commit what it has in memory. The lane ends (LaneSpent) and is reopened.
// 2. A topic that has lost records that were read, or was re-created, ends the lane; the next opening goes
//    back.
// 3. A state topic that was re-created, or has lost rows that were written, ends the lane too: the next opening reports it.
//    Brokers say nothing of such a loss, but the next row gets an offset that was given before.
// 4. A closed lane delivers nothing and commits nothing.
// 5. Positions are rows of the lane, written with everything else of a commit (positions.ts). The lane's transactional
//    id alone decides whose commits count, until the next owner takes it; the group is not asked.
import {
  LaneFenced,
  LaneSpent,
  type InputLoss,
  type LaneCommit,
  type LogRecord,
  type LogTopic,
  type OpenLane,
  type Position,
  type StateLoss,
  type StateRow,
} from '../../port.ts'
import { mustFitMetadata } from '../../limits.ts'
import type { Context } from '../context.ts'
import type { Cursor } from '../fetch/fetcher.ts'
import type { LaneProducer } from './producer.ts'
import { NO_EPOCH } from '../fetch/leader-epochs.ts'
import type { Link } from '../connection/link.ts'
import { byPartition, mustExist, rowMessage, toLogRecord } from '../names.ts'
import {
  isAnother,
  markedPosition,
  positionRow,
  shortId,
  type LanePosition,
  type MarkedPosition,
  type StateEnd,
} from './positions.ts'
import { stuckProblem } from '../admin/problems.ts'
import { partitionKey, type Offsets, type PartitionRecords } from '../produce/producer-session.ts'
import type { TopicFacts } from '../admin/topic-ids.ts'

const NOTHING = -1

/** Records that a lane has found gone, and the id of the topic from which it had read them. */
export interface Gone {
  readonly loss: InputLoss
  readonly topicId: string
}

export interface LaneOptions {
  readonly stage: string
  readonly topics: readonly LogTopic[]
  readonly lane: number
  /** Its epoch is above this one (port.ts, `open`). */
  readonly after: number
  /** How long its records may wait. */
  readonly lingerMs: number
  /** Positions were committed, or found at the opening, that the group does not show. */
  readonly onMoved: (positions: readonly MarkedPosition[]) => void
  /** Losses found by an earlier opening: these positions go back before the lane starts. */
  readonly gone: readonly Gone[]
  /** The running lane finds that records it has read are gone, and ends: the next opening goes back. */
  readonly onGone: (gone: Gone) => void
  readonly onWait: (waitsFor: string) => void
  readonly onLoss: (loss: InputLoss) => void
  readonly onStateLost: (cause: StateLoss) => void
  /** The last row that is known to have been written here, for the next opening. */
  readonly onStateEnd: (end: StateEnd) => void
  /** From the former opening in this process; null: there was none. */
  readonly stateEnd: StateEnd | null
  /** Reading the topic is stuck, and why; null: it goes on. */
  readonly onStuck: (topic: LogTopic, problem: string | null) => void
  /** Links of lanes that are being opened: closing one ends its opening. */
  readonly opening: Set<Link>
}

/** Findings of an opening. */
export interface Restored {
  readonly epoch: number
  /** Offset of the row that its opening has written. */
  readonly opened: number
  readonly rows: readonly StateRow[]
  readonly positions: readonly LanePosition[]
  /** Ids of the topics that are read, as positions carry them. */
  readonly ids: ReadonlyMap<LogTopic, string>
  readonly stateId: string
}

export class KafkaLane implements OpenLane {
  readonly lane: number
  readonly epoch: number
  readonly positions: readonly Position[]
  readonly #starts: readonly LanePosition[]
  readonly #ids: Restored['ids']
  readonly #stateId: string
  readonly #context: Context
  readonly #options: LaneOptions
  readonly #link: Link
  readonly #producer: LaneProducer
  readonly #paused = new Set<LogTopic>()
  readonly #cursors = new Map<LogTopic, Cursor>()
  /** Where the records end that were delivered. */
  readonly #delivered = new Map<LogTopic, number>()
  /** Where those end that are finished, as of the last commit. */
  readonly #finished = new Map<LogTopic, number>()
  /** As `StateEnd` has it. */
  #stateEnd: number
  #rows: readonly StateRow[]
  #committing: Promise<void> | null = null
  /** Why the lane can't go on; null while it can. */
  #ended: Error | null = null
  #onEnded: ((reason: Error) => void) | null = null
  #closing: Promise<void> | null = null

  constructor(
    context: Context,
    options: LaneOptions,
    link: Link,
    producer: LaneProducer,
    restored: Restored,
  ) {
    this.#context = context
    this.#options = options
    this.#link = link
    this.#producer = producer
    this.lane = options.lane
    this.epoch = restored.epoch
    this.#rows = restored.rows
    this.positions = restored.positions.map(({ topic, offset, metadata }) => ({ topic, offset, metadata }))
    this.#starts = restored.positions
    this.#ids = restored.ids
    this.#stateId = restored.stateId
    this.#stateEnd = restored.opened + 1
    this.#showStateEnd()
    this.#finish(this.positions)
  }

  get rows(): Iterable<StateRow> {
    return this.#rows
  }

  releaseRows(): void {
    this.#rows = []
  }

  start(onRecords: (records: readonly LogRecord[]) => void, onEnded?: (reason: Error) => void): void {
    if (this.#closing !== null || this.#cursors.size > 0) return
    if (this.#ended !== null) return onEnded?.(this.#ended)
    this.#onEnded = onEnded ?? null
    for (const topic of this.#options.topics) this.#cursors.set(topic, this.#read(topic, onRecords))
  }

  /** Ends the lane if a topic that it reads, or its state topic, is no longer the one that it opened. */
  compare(facts: ReadonlyMap<string, TopicFacts>): void {
    const stateTopic = this.#context.names.stateTopic(this.#options.stage)
    if (isAnother(this.#stateId, shortId(facts.get(stateTopic)?.id ?? '')))
      return this.#end(`${stateTopic} was re-created: the state of lane ${this.lane} is lost`)
    for (const [topic, id] of this.#ids) {
      const name = this.#context.names.topic(topic)
      if (!isAnother(id, shortId(facts.get(name)?.id ?? ''))) continue
      const from = this.#cursors.get(topic)?.offset ?? 0
      if (from > 0) this.#gone({ topic, cause: 'recreated', from, to: 0 })
      this.#end(`${name} was re-created: lane ${this.lane} read the former topic`)
      return
    }
  }

  #gone(loss: InputLoss): void {
    this.#options.onGone({ loss, topicId: this.#ids.get(loss.topic) ?? '' })
  }

  #end(reason: string): void {
    if (this.#ended !== null || this.#closing !== null) return
    this.#ended = new LaneSpent(reason)
    for (const cursor of this.#cursors.values()) cursor.remove()
    this.#onEnded?.(this.#ended)
  }

  #read(topic: LogTopic, onRecords: (records: readonly LogRecord[]) => void): Cursor {
    const position = this.#starts.find((each) => each.topic === topic)
    const name = this.#context.names.topic(topic)
    return this.#context.fetcher.add({
      topic: name,
      partition: this.lane,
      offset: position?.offset ?? 0,
      leaderEpoch: position?.leaderEpoch ?? NO_EPOCH,
      lingerMs: this.#options.lingerMs,
      wanted: () => !this.#paused.has(topic),
      deliver: (messages) => {
        const records = messages.map((message) => toLogRecord(topic, this.lane, message))
        this.#delivered.set(topic, (records.at(-1)?.offset ?? 0) + 1)
        onRecords(records)
      },
      passed: () => this.#showPassed([topic]),
      overtaken: (from, to) => {
        // Without a position reading begins at the earliest record: nothing was skipped.
        if (position) this.#options.onLoss({ topic, cause: 'retention', from, to })
      },
      stuck: (at) => this.#options.onStuck(topic, at && stuckProblem(name, this.lane, at)),
      wentBack: (from, to) => {
        const loss = { topic, cause: 'truncated', from, to } as const
        this.#gone(loss)
        this.#end(describeLoss(loss, this.lane))
      },
    })
  }

  pause(topics: readonly LogTopic[]): void {
    for (const topic of topics) this.#paused.add(topic)
  }

  resume(topics: readonly LogTopic[]): void {
    for (const topic of topics) this.#paused.delete(topic)
    this.#context.fetcher.wake()
  }

  async commit(commit: LaneCommit): Promise<void> {
    if (this.#committing) throw new Error(`lane ${this.lane} of ${this.#options.stage} commits one at a time`)
    this.#committing = this.#commit(commit).finally(() => (this.#committing = null))
    return this.#committing
  }

  async #commit(commit: LaneCommit): Promise<void> {
    this.#mustBeOpen()
    mustExist(commit.records, this.#context.partitions)
    const positions = commit.positions.map((position) => this.#marked(position))
    const records = this.#recordsOf(commit, positions)
    if (records.length === 0) return
    this.#compareState(await this.#producer.commit(records))
    if (positions.length === 0) return
    this.#options.onMoved(positions)
    this.#finish(commit.positions)
    // Read meanwhile.
    this.#showPassed(positions.flatMap(({ topic, offset }) => (this.#readTo(topic) > offset ? [topic] : [])))
  }

  /** By the offsets of the rows of a commit, and of the end of the one before. */
  #compareState(written: Offsets): void {
    const topic = this.#context.names.stateTopic(this.#options.stage)
    const offsets = written.get(partitionKey(topic, this.lane)) ?? []
    const [first, last] = [offsets[0], offsets.at(-1)]
    if (first === undefined || last === undefined || first < 0) return
    if (first <= this.#stateEnd) {
      this.#end(`${topic}[${this.lane}] went back from offset ${this.#stateEnd} to ${first}: rows are lost`)
      this.#stateEnd = Infinity
    } else this.#stateEnd = last + 1
    this.#showStateEnd()
  }

  #showStateEnd(): void {
    this.#options.onStateEnd({ stateId: this.#stateId, offset: this.#stateEnd })
  }

  #finish(positions: readonly Position[]): void {
    for (const { topic, offset, metadata } of positions)
      this.#finished.set(topic, metadata === '' ? offset : NOTHING)
  }

  /**
   * Shows the group that what was read behind the last record is done with, which no commit would otherwise: others would
   * count it as lag until a record follows.
   */
  #showPassed(topics: readonly LogTopic[]): void {
    if (this.#closing !== null) return
    const done = topics.filter(
      (topic) => (this.#finished.get(topic) ?? 0) >= (this.#delivered.get(topic) ?? 0),
    )
    if (done.length === 0) return
    const passed = done.map((topic) => ({ topic, offset: this.#readTo(topic), metadata: '' }))
    this.#options.onMoved(passed.map((position) => this.#marked(position)))
  }

  #readTo(topic: LogTopic): number {
    return this.#cursors.get(topic)?.offset ?? 0
  }

  #mustBeOpen(): void {
    if (this.#ended !== null) throw this.#ended
    if (this.#closing === null) return
    throw new LaneFenced(`lane ${this.lane} of ${this.#options.stage} is closed here`)
  }

  #recordsOf({ records, rows }: LaneCommit, positions: readonly MarkedPosition[]): PartitionRecords[] {
    const { names } = this.#context
    const grouped = byPartition(records, names)
    if (rows.length === 0 && positions.length === 0) return grouped
    const topic = names.stateTopic(this.#options.stage)
    const messages = [...rows, ...positions.map(positionRow)].map(rowMessage)
    return [...grouped, { topic, partition: this.lane, messages }]
  }

  /** Everything delivered is finished: past the end of its transaction too, which others would count as lag. */
  #pastMarkers(position: Position): Position {
    const { topic, offset, metadata } = position
    if (metadata !== '' || offset !== this.#delivered.get(topic)) return position
    return { ...position, offset: this.#cursors.get(topic)?.offset ?? offset }
  }

  #marked(position: Position): MarkedPosition {
    const { topic } = position
    const marked = markedPosition(this.#pastMarkers(position), {
      leaderEpoch: this.#cursors.get(topic)?.leaderEpoch ?? NO_EPOCH,
      topicId: this.#ids.get(topic) ?? '',
      stateId: this.#stateId,
      laneEpoch: this.epoch,
    })
    mustFitMetadata(topic, marked.text, `committing as lane ${this.lane} of ${this.#options.stage}`)
    return marked
  }

  /** Resolves once no commit is under way. */
  async settled(): Promise<void> {
    await this.#committing?.catch(() => {})
  }

  close(): Promise<void> {
    if (this.#closing === null) {
      for (const cursor of this.#cursors.values()) cursor.remove()
      this.#closing = this.#closeLink()
    }
    return this.#closing
  }

  /** Waits for a commit that is under way, so that it learns its outcome and no request follows the close. */
  async #closeLink(): Promise<void> {
    await this.settled()
    await this.#link.close()
  }
}

function describeLoss({ topic, from, to }: InputLoss, lane: number): string {
  return `${topic}[${lane}] went back from offset ${from} to ${to}: the log has lost records that were read`
}
