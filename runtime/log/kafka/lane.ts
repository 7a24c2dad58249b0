// One opened lane (DESIGN §4).
//
// 1. Opening: identity (fences former owners), LaneOpened row, rows up to that row, positions. In this order, so that
//    what is read is final: the former owner's last transaction is complete before the identity is given.
// 2. Reading rows stops at our own LaneOpened row, whose offset we know. An "end offset" would count control records
//    and could never be reached.
// 3. An identity that is spent is never taken again in place: the former owner might fence its rightful successor and
//    commit what it has in memory. The lane ends (LaneSpent) and is opened again.
// 4. A closed lane delivers nothing and commits nothing.
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
import { LaneProducer, type Membership } from './lane-producer.ts'
import { NO_EPOCH } from './leader-epochs.ts'
import type { Link } from './link.ts'
import { byPartition, mustExist, OPENED_KEY, rowMessage, toLogRecord } from './names.ts'
import { readRange } from './partition-reader.ts'
import { cutPositions, encodeMetadata, readPositions, type LanePosition } from './positions.ts'
import { partitionKey, type PartitionRecords } from './producer-session.ts'

export interface LaneOptions {
  readonly stage: string
  readonly topics: readonly LogTopic[]
  readonly lane: number
  readonly fetcher: Fetcher
  readonly member: Membership
  /** Positions that are to go back before the lane begins, known from an earlier opening. */
  readonly resets: readonly InputLoss[]
  readonly onLoss: (loss: InputLoss) => void
}

interface Restored {
  readonly epoch: number
  readonly rows: readonly StateRow[]
  readonly positions: readonly LanePosition[]
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
  try {
    await connect(context, link, options.stage)
    await producer.open()
    const epoch = await writeOpened(context, options, producer)
    const [rows, committed] = await Promise.all([
      readRows(context, link, stateTopic, options.lane, epoch),
      readPositions(context, link, options),
    ])
    const positions = await inStep(context, options, link, producer, committed)
    return new KafkaLane(context, options, link, producer, { epoch, rows, positions })
  } catch (error) {
    await link.close()
    throw error
  }
}

/** A stage that nobody has announced to `ensureTopics` gets its state topic now. */
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

/** Positions that lie behind what their logs have now are committed anew, where the logs were cut off. */
async function inStep(
  context: Context,
  options: LaneOptions,
  link: Link,
  producer: LaneProducer,
  committed: readonly LanePosition[],
): Promise<readonly LanePosition[]> {
  const { resets, lane, stage, member } = options
  const known = committed.filter(({ topic }) => !resets.some((loss) => loss.topic === topic))
  const found = await cutPositions(context, link, lane, known)
  const losses = [...resets, ...found]
  if (losses.length === 0) return committed
  const back = losses.map(({ topic, to }) => ({ topic, offset: to, metadata: '', leaderEpoch: NO_EPOCH }))
  const topics = back.map(({ topic, offset, metadata }) => ({
    topic: context.names.topic(topic),
    partitions: [{ partition: lane, offset: String(offset), metadata }],
  }))
  await producer.commit([], { groupId: context.names.group('stage', stage), member, topics })
  for (const loss of found) options.onLoss(loss)
  return [...committed.filter(({ topic }) => !losses.some((loss) => loss.topic === topic)), ...back]
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
  readonly positions: readonly LanePosition[]
  readonly #context: Context
  readonly #options: LaneOptions
  readonly #link: Link
  readonly #producer: LaneProducer
  readonly #paused = new Set<LogTopic>()
  readonly #cursors = new Map<LogTopic, Cursor>()
  #rows: readonly StateRow[]
  #committing = false
  /** Why the lane can't go on; null while it can. */
  #ended: Error | null = null
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
    this.positions = restored.positions
  }

  get rows(): Iterable<StateRow> {
    return this.#rows
  }

  releaseRows(): void {
    this.#rows = []
  }

  start(onRecords: (records: readonly LogRecord[]) => void, onEnded?: (reason: Error) => void): void {
    if (this.#closing !== null || this.#cursors.size > 0) return
    for (const topic of this.#options.topics)
      this.#cursors.set(
        topic,
        this.#read(topic, onRecords, (loss) => {
          this.#ended ??= new LaneSpent(describeLoss(loss, this.lane))
          this.#options.onLoss(loss)
          onEnded?.(this.#ended)
        }),
      )
  }

  #read(
    topic: LogTopic,
    onRecords: (records: readonly LogRecord[]) => void,
    onBack: (loss: InputLoss) => void,
  ): Cursor {
    const position = this.positions.find((each) => each.topic === topic)
    return this.#options.fetcher.add({
      topic: this.#context.names.topic(topic),
      partition: this.lane,
      offset: position?.offset ?? 0,
      leaderEpoch: position?.leaderEpoch ?? NO_EPOCH,
      wanted: () => !this.#paused.has(topic),
      deliver: (messages) => onRecords(messages.map((message) => toLogRecord(topic, this.lane, message))),
      overtaken: (from, to) => {
        // Without a position reading begins at the earliest record: nothing was passed over.
        if (position) this.#options.onLoss({ topic, cause: 'retention', from, to })
      },
      wentBack: (from, to) => onBack({ topic, cause: 'truncated', from, to }),
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
    this.#committing = true
    try {
      this.#mustBeOpen()
      mustExist(commit.records, this.#context.partitions)
      const records = this.#recordsOf(commit)
      const offsets = this.#offsetsOf(commit.positions)
      if (records.length > 0 || offsets.topics.length > 0) await this.#producer.commit(records, offsets)
    } finally {
      this.#committing = false
    }
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

  #offsetsOf(positions: readonly Position[]): Parameters<LaneProducer['commit']>[1] {
    const { names } = this.#context
    const topics = positions.map(({ topic, offset, metadata }) => ({
      topic: names.topic(topic),
      partitions: [
        {
          partition: this.lane,
          offset: String(offset),
          metadata: encodeMetadata(metadata, this.#cursors.get(topic)?.leaderEpoch ?? NO_EPOCH),
        },
      ],
    }))
    return { groupId: names.group('stage', this.#options.stage), member: this.#options.member, topics }
  }

  close(): Promise<void> {
    if (this.#closing === null) {
      for (const cursor of this.#cursors.values()) cursor.remove()
      this.#closing = this.#link.close()
    }
    return this.#closing
  }
}

function describeLoss({ topic, from, to }: InputLoss, lane: number): string {
  return `${topic}[${lane}] has gone back from offset ${from} to ${to}: the log has lost records that were read`
}
