// One opened lane (DESIGN §4).
//
// 1. Opening: identity (fences former owners), LaneOpened row, rows up to that row, positions. In this order,
//    so that the rows read are final: the former owner's last transaction is complete before the identity is
//    granted.
// 2. Reading rows stops at our own LaneOpened row, whose offset we know. An "end offset" would count control
//    records and could never be reached.
// 3. A spent identity is never renewed in place: the former owner might fence its rightful successor and
//    commit what it has in memory. The lane ends (LaneSpent) and is reopened.
// 4. A topic that has lost records that were read, or was re-created, ends the lane; the next opening goes
//    back.
// 5. A state topic that was re-created ends the lane too: its state is lost, and the next opening reports it.
// 6. A closed lane delivers nothing and commits nothing.
import {
  LaneFenced,
  LaneSpent,
  type InputLoss,
  type LaneCommit,
  type LogRecord,
  type LogTopic,
  type OpenLane,
  type Position,
  type StateRow,
} from '../port.ts'
import { ensureStateTopic } from './admin.ts'
import { newLink, type Context } from './context.ts'
import { errorType, isTransient } from './errors.ts'
import type { Cursor, Fetcher } from './fetcher.ts'
import { LaneProducer, type GroupOffsets, type Membership } from './lane-producer.ts'
import { NO_EPOCH } from './leader-epochs.ts'
import type { Link } from './link.ts'
import { byPartition, mustExist, OPENED_KEY, rowMessage, toLogRecord } from './names.ts'
import { readRange } from './partition-reader.ts'
import {
  encodeMetadata,
  isAnother,
  readPositions,
  resetsOf,
  shortId,
  type LanePosition,
  type Mark,
  type Opening,
} from './positions.ts'
import { stuckProblem } from './problems.ts'
import { partitionKey, type PartitionRecords } from './producer-session.ts'
import type { TopicFacts } from './topic-ids.ts'
import { lookAt } from './topic-watch.ts'

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
  readonly fetcher: Fetcher
  readonly member: Membership
  /** Losses found by an earlier opening: these positions go back before the lane starts. */
  readonly gone: readonly Gone[]
  /** The running lane finds that records it has read are gone, and ends: the next opening goes back. */
  readonly onGone: (gone: Gone) => void
  readonly onLoss: (loss: InputLoss) => void
  readonly onStateLost: () => void
  /** Reading the topic is stuck, and why; null: it goes on. */
  readonly onStuck: (topic: LogTopic, problem: string | null) => void
  /** Links of lanes that are being opened: closing one ends its opening. */
  readonly opening: Set<Link>
}

interface Restored {
  readonly epoch: number
  readonly rows: readonly StateRow[]
  readonly positions: readonly LanePosition[]
  /** Ids of the topics that are read, as positions carry them. */
  readonly ids: ReadonlyMap<LogTopic, string>
  readonly stateId: string
}

export async function openLane(context: Context, options: LaneOptions): Promise<KafkaLane> {
  const { names, settings } = context
  const stateTopic = names.stateTopic(options.stage)
  const link = newLink(context, [stateTopic, ...options.topics.map(names.topic)])
  const producer = new LaneProducer(link, {
    transactionalId: names.transactionalId(options.stage, options.lane),
    transactionTimeoutMs: settings.transactionTimeoutMs,
    deliveryTimeoutMs: settings.deliveryTimeoutMs,
  })
  options.opening.add(link)
  try {
    await connect(context, link, options.stage)
    await producer.open()
    const opened = await writeOpened(context, options, producer)
    const [rows, committed, ids] = await Promise.all([
      readRows(context, link, stateTopic, options.lane, opened),
      readPositions(context, link, options),
      idsOf(context, link, options),
    ])
    const epoch = Math.max(opened, options.after + 1, ...committed.map(({ laneEpoch }) => laneEpoch + 1))
    const found = { positions: committed, ...ids, epoch, hasOwnEpoch: epoch !== opened }
    const positions = await inStep(context, options, link, producer, found)
    return new KafkaLane(context, options, link, producer, { epoch, rows, positions, ...ids })
  } catch (error) {
    await link.close()
    throw error
  } finally {
    options.opening.delete(link)
  }
}

/** Creates the state topic of a stage that `ensureTopics` did not get. */
async function connect(context: Context, link: Link, stage: string): Promise<void> {
  const missing = (error: unknown): boolean => errorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION'
  const dial = (retryable: (error: unknown) => boolean): Promise<void> =>
    link.attempt(() => link.connect(), { withinMs: context.settings.startTimeoutMs, retryable })
  try {
    await dial((error) => isTransient(error) && !missing(error))
  } catch (error) {
    if (!missing(error)) throw error
    await ensureStateTopic(context, stage)
    await dial(isTransient)
  }
}

async function writeOpened(context: Context, options: LaneOptions, producer: LaneProducer): Promise<number> {
  const { stage, lane } = options
  const topic = context.names.stateTopic(stage)
  const value = Buffer.from(JSON.stringify({ type: 'LaneOpened', stage, lane }))
  const messages = [rowMessage({ key: OPENED_KEY, value })]
  const groupId = context.names.group('stage', stage)
  const written = await producer.commit([{ topic, partition: lane, messages }], { groupId, topics: [] })
  const epoch = written.get(partitionKey(topic, lane))?.[0]
  if (epoch === undefined || epoch < 0)
    throw new Error(`no offset for the LaneOpened row of ${topic}[${lane}]`)
  return epoch
}

/** Ids of the lane's topics, as positions carry them. */
async function idsOf(
  context: Context,
  link: Link,
  { stage, topics }: LaneOptions,
): Promise<Pick<Restored, 'ids' | 'stateId'>> {
  const { names, settings } = context
  const stateTopic = names.stateTopic(stage)
  const asked = [...topics.map(names.topic), stateTopic]
  const { facts } = await lookAt(link, asked, settings.deliveryTimeoutMs)
  const idOf = (name: string): string => shortId(facts.get(name)?.id ?? '')
  return {
    ids: new Map(topics.map((topic) => [topic, idOf(names.topic(topic))])),
    stateId: idOf(stateTopic),
  }
}

interface Found extends Omit<Restored, 'rows'> {
  /** Its epoch is not the offset of its row, because offsets of the state topic have restarted or gone back. */
  readonly hasOwnEpoch: boolean
}

/** Commits positions again that do not belong to the current topics, or to the current state. */
async function inStep(
  context: Context,
  options: LaneOptions,
  link: Link,
  producer: LaneProducer,
  { positions, ids, stateId, epoch, hasOwnEpoch }: Found,
): Promise<readonly LanePosition[]> {
  const { lane, stage, member } = options
  const gone = options.gone.map(({ loss, topicId }): InputLoss => {
    return isAnother(topicId, ids.get(loss.topic) ?? '') ? { ...loss, cause: 'recreated' } : loss
  })
  const resets = await resetsOf(context, link, lane, { positions, ids, gone })
  // Topics without a position: read from the earliest record anyway.
  const unread = gone.filter(({ topic }) => !positions.some((each) => each.topic === topic))
  for (const loss of unread) options.onLoss(loss)
  const isStateLost = positions.some((position) => isAnother(position.stateId, stateId))
  const back = resets.map(({ position }) => position)
  const others = positions.filter(({ topic }) => !back.some((each) => each.topic === topic))
  const changed = isStateLost || hasOwnEpoch ? [...others, ...back] : back
  if (changed.length === 0) return positions
  const opening: Opening = { stateId, laneEpoch: epoch }
  const topics = changed.map((each) => offsetOf(context, lane, each, { ...each, ...opening }))
  await producer.commit([], { groupId: context.names.group('stage', stage), member, topics })
  for (const { loss } of resets) options.onLoss(loss)
  if (isStateLost) options.onStateLost()
  return [...others, ...back]
}

function offsetOf(
  { names }: Context,
  partition: number,
  { topic, offset, metadata }: Position,
  mark: Mark,
): GroupOffsets['topics'][number] {
  const at = { partition, offset: String(offset), metadata: encodeMetadata(metadata, mark) }
  return { topic: names.topic(topic), partitions: [at] }
}

async function readRows(
  context: Context,
  link: Link,
  topic: string,
  lane: number,
  epoch: number,
): Promise<StateRow[]> {
  const rows = new Map<string, StateRow>()
  const range = { topic, partition: lane, from: 0, until: epoch, withinMs: context.settings.startTimeoutMs }
  await readRange(link, range, ({ key, value }) => {
    const name = key?.toString('utf8') ?? OPENED_KEY
    if (name === OPENED_KEY) return true
    if (value === null) rows.delete(name)
    else rows.set(name, { key: name, value })
    return true
  })
  return [...rows.values()]
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
    return this.#options.fetcher.add({
      topic: name,
      partition: this.lane,
      offset: position?.offset ?? 0,
      leaderEpoch: position?.leaderEpoch ?? NO_EPOCH,
      wanted: () => !this.#paused.has(topic),
      deliver: (messages) => onRecords(messages.map((message) => toLogRecord(topic, this.lane, message))),
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
    this.#options.fetcher.wake()
  }

  async commit(commit: LaneCommit): Promise<void> {
    if (this.#committing) throw new Error(`lane ${this.lane} of ${this.#options.stage} commits one at a time`)
    this.#committing = this.#commit(commit).finally(() => (this.#committing = null))
    return this.#committing
  }

  async #commit(commit: LaneCommit): Promise<void> {
    this.#mustBeOpen()
    mustExist(commit.records, this.#context.partitions)
    const records = this.#recordsOf(commit)
    const offsets = this.#offsetsOf(commit.positions)
    if (records.length > 0 || offsets.topics.length > 0) await this.#producer.commit(records, offsets)
  }

  #mustBeOpen(): void {
    if (this.#ended !== null) throw this.#ended
    if (this.#closing === null) return
    throw new LaneFenced(`lane ${this.lane} of ${this.#options.stage} is closed here`)
  }

  #recordsOf({ records, rows }: LaneCommit): PartitionRecords[] {
    const { names } = this.#context
    const grouped = byPartition(records, names)
    if (rows.length === 0) return grouped
    const topic = names.stateTopic(this.#options.stage)
    return [...grouped, { topic, partition: this.lane, messages: rows.map(rowMessage) }]
  }

  #offsetsOf(positions: readonly Position[]): GroupOffsets {
    const topics = positions.map((position) => {
      const leaderEpoch = this.#cursors.get(position.topic)?.leaderEpoch ?? NO_EPOCH
      const topicId = this.#ids.get(position.topic) ?? ''
      const opening: Opening = { stateId: this.#stateId, laneEpoch: this.epoch }
      return offsetOf(this.#context, this.lane, position, { leaderEpoch, topicId, ...opening })
    })
    const groupId = this.#context.names.group('stage', this.#options.stage)
    return { groupId, member: this.#options.member, topics }
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
    await this.#committing?.catch(() => {})
    await this.#link.close()
  }
}

function describeLoss({ topic, from, to }: InputLoss, lane: number): string {
  return `${topic}[${lane}] went back from offset ${from} to ${to}: the log has lost records that were read`
}
