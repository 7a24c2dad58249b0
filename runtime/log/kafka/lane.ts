// One opened lane (DESIGN §4).
//
// 1. Opening: identity (fences former owners), LaneOpened row, rows up to that row, positions. In this order, so that
//    what is read is final: the former owner's last transaction is complete before the identity is given.
// 2. Reading rows stops at our own LaneOpened row, whose offset we know. An "end offset" would count control records
//    and could never be reached.
// 3. After a failed commit the identity is spent. Before it is renewed, which would fence a rightful new owner, the
//    group must say that the lane is still ours.
// 4. A closed lane delivers nothing and commits nothing.
import {
  CommitFailed,
  LaneFenced,
  type LaneCommit,
  type LogRecord,
  type LogTopic,
  type OpenLane,
  type Position,
  type StateRow,
} from '../port.ts'
import { ensureStateTopic } from './admin.ts'
import { newLink, type Context } from './context.ts'
import { errorType, isTransient, messageOf } from './errors.ts'
import type { Cursor, Fetcher } from './fetcher.ts'
import { LaneProducer } from './lane-producer.ts'
import type { Link } from './link.ts'
import { byPartition, mustExist, OPENED_KEY, rowMessage, toLogRecord } from './names.ts'
import { committedOffsets } from './offsets.ts'
import { readRange } from './partition-reader.ts'
import { partitionKey, type PartitionRecords } from './producer-session.ts'

export interface LaneOptions {
  readonly stage: string
  readonly topics: readonly LogTopic[]
  readonly lane: number
  readonly fetcher: Fetcher
  /** Resolves when the group has said that the lane is ours, else rejects with LaneFenced. */
  readonly confirm: () => Promise<void>
}

interface Restored {
  readonly epoch: number
  readonly rows: readonly StateRow[]
  readonly positions: readonly Position[]
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
    await producer.renew()
    const epoch = await writeOpened(context, options, producer)
    const [rows, positions] = await Promise.all([
      readRows(context, link, stateTopic, options.lane, epoch),
      readPositions(context, link, options),
    ])
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

async function readRows(
  context: Context,
  link: Link,
  topic: string,
  lane: number,
  epoch: number,
): Promise<StateRow[]> {
  const rows = new Map<string, Uint8Array>()
  const range = { topic, partition: lane, from: 0, until: epoch, withinMs: context.settings.startTimeoutMs }
  await readRange(link, range, ({ key, value }) => {
    const name = key?.toString('utf8') ?? OPENED_KEY
    if (name === OPENED_KEY) return true
    if (value === null) rows.delete(name)
    else rows.set(name, value)
    return true
  })
  return [...rows].map(([key, value]) => ({ key, value }))
}

async function readPositions(context: Context, link: Link, options: LaneOptions): Promise<Position[]> {
  const { names, settings } = context
  const logical = new Map(options.topics.map((topic) => [names.topic(topic), topic]))
  const groupId = names.group('stage', options.stage)
  const committed = await committedOffsets(
    link,
    groupId,
    [...logical.keys()],
    [options.lane],
    settings.deliveryTimeoutMs,
  )
  return committed.flatMap(({ topic, offset, metadata }) => {
    const name = logical.get(topic)
    return name === undefined ? [] : [{ topic: name, offset, metadata }]
  })
}

export class KafkaLane implements OpenLane {
  readonly lane: number
  readonly epoch: number
  readonly rows: readonly StateRow[]
  readonly positions: readonly Position[]
  readonly #context: Context
  readonly #options: LaneOptions
  readonly #link: Link
  readonly #producer: LaneProducer
  readonly #paused = new Set<LogTopic>()
  #cursors: Cursor[] = []
  #committing = false
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
    this.rows = restored.rows
    this.positions = restored.positions
  }

  start(onRecords: (records: readonly LogRecord[]) => void): void {
    if (this.#closing !== null || this.#cursors.length > 0) return
    const { topics, fetcher } = this.#options
    const offsets = new Map(this.positions.map(({ topic, offset }) => [topic, offset]))
    this.#cursors = topics.map((topic) =>
      fetcher.add({
        topic: this.#context.names.topic(topic),
        partition: this.lane,
        offset: offsets.get(topic) ?? 0,
        wanted: () => !this.#paused.has(topic),
        deliver: (messages) => onRecords(messages.map((message) => toLogRecord(topic, this.lane, message))),
      }),
    )
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
      if (!this.#producer.usable) await this.#renew()
      const records = this.#recordsOf(commit)
      const offsets = this.#offsetsOf(commit.positions)
      if (records.length > 0 || offsets.topics.length > 0) await this.#producer.commit(records, offsets)
    } finally {
      this.#committing = false
    }
  }

  #mustBeOpen(): void {
    if (this.#closing === null) return
    throw new LaneFenced(`lane ${this.lane} of ${this.#options.stage} is closed here`)
  }

  async #renew(): Promise<void> {
    await this.#options.confirm()
    this.#mustBeOpen()
    try {
      await this.#producer.renew()
    } catch (error) {
      const where = `renewing the producer of lane ${this.lane} of ${this.#options.stage}`
      throw new CommitFailed(`${where}: ${messageOf(error)}`, { cause: error })
    }
    this.#mustBeOpen()
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
      partitions: [{ partition: this.lane, offset: String(offset), metadata }],
    }))
    return { groupId: names.group('stage', this.#options.stage), topics }
  }

  close(): Promise<void> {
    if (this.#closing === null) {
      for (const cursor of this.#cursors) cursor.remove()
      this.#closing = this.#link.close()
    }
    return this.#closing
  }
}
