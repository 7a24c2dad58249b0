// Reading topics outside stages.
//
// 1. One call of the handler at a time; a failed one is retried, after a pause, until it succeeds or the tail
//    closes.
// 2. With a group, a partition's position is committed after the handler has had its records; a partition
//    without a position gets one at the start, so that a reader that dies early skips nothing.
// 3. When a partition moves to another member, its waiting records are dropped here.
// 4. A re-created topic is read from its start; positions carry the id of the topic that was read.
import { FlotillaError, messageOf } from '../../errors.ts'
import type { LogRecord, LogTopic, Tail, TailOptions } from '../port.ts'
import { once } from '../../once.ts'
import { newLink, type Context } from './context.ts'
import { isRefusedByGroup } from './errors.ts'
import { Fetcher, type Cursor } from './fetcher.ts'
import { GroupMember } from './group-member.ts'
import { pause, type Link } from './link.ts'
import { toLogRecord } from './names.ts'
import { NO_EPOCH } from './leader-epochs.ts'
import { committedOffsets } from './group-positions.ts'
import { boundsOf } from './partition-reader.ts'
import { decodeMetadata, encodeMetadata, isAnother } from './positions.ts'
import { watchIds, type WatchedIds } from './topic-watch.ts'

type Handler = (records: readonly LogRecord[]) => Promise<void> | void

/** Batches waiting for the handler before fetching pauses. */
const MAX_WAITING = 8
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 1_000

interface Batch {
  readonly topic: LogTopic
  readonly partition: number
  readonly records: readonly LogRecord[]
  /** The partition's position after these records. */
  readonly next: number
  /** Id of the topic from which they were read. */
  readonly topicId: string
}

export class KafkaTail implements Tail {
  readonly ready: Promise<void>
  readonly close: () => Promise<void>
  readonly #context: Context
  readonly #options: TailOptions
  readonly #handler: Handler
  readonly #fetchLink: Link
  readonly #groupLink: Link
  readonly #fetcher: Fetcher
  readonly #groupId: string | null
  readonly #member: GroupMember | null
  readonly #cursors = new Map<number, Map<LogTopic, Cursor>>()
  #ids: Promise<WatchedIds> | null = null
  #topicIds: Pick<WatchedIds, 'of'> = { of: () => '' }
  #assigned: ReadonlySet<number> = new Set()
  #waiting: Batch[] = []
  #handling: Promise<void> | null = null
  #closed = false
  #isReady: () => void = () => {}

  constructor(context: Context, options: TailOptions, handler: Handler) {
    this.#context = context
    this.#options = options
    this.#handler = handler
    this.#groupId = options.group === undefined ? null : context.names.group('readers', options.group)
    this.#groupLink = newLink(context)
    this.#fetchLink = newLink(context, this.#topics())
    this.#fetcher = new Fetcher(this.#fetchLink, context.settings.fetchWaitMs, (message) =>
      this.#report(message),
    )
    this.ready = new Promise((resolve) => {
      this.#isReady = resolve
    })
    this.#member = this.#groupId === null ? null : this.#join(this.#groupId)
    if (this.#member === null) this.#assign(Array.from({ length: context.partitions }, (_, lane) => lane))
    this.close = once(() => this.#close())
  }

  #topics(): string[] {
    return this.#options.topics.map(this.#context.names.topic)
  }

  #report(message: string): void {
    this.#context.logger?.debug({ topics: this.#options.topics, group: this.#options.group }, message)
  }

  #join(groupId: string): GroupMember {
    const { settings, partitions, shared } = this.#context
    return new GroupMember(
      this.#groupLink,
      shared,
      {
        groupId,
        protocol: 'flotilla-readers',
        topics: this.#topics(),
        laneCount: partitions,
        sessionTimeoutMs: settings.sessionTimeoutMs,
        rebalanceTimeoutMs: settings.sessionTimeoutMs,
        heartbeatMs: settings.heartbeatMs,
      },
      {
        onAssignment: (lanes) => this.#assign(lanes),
        onTrouble: (error) => this.#trouble(groupId, error),
      },
    )
  }

  #trouble(groupId: string, error: Error): void {
    this.#report(`failed to take part in the group; retrying: ${messageOf(error)}`)
    if (!isRefusedByGroup(error)) return
    const message = `the readers' group ${groupId} refused this reader: ${messageOf(error)}`
    this.#options.onRefused?.(new FlotillaError('REQUEST_INVALID', message, { cause: error }))
  }

  #assign(lanes: readonly number[]): void {
    const former = this.#assigned
    this.#assigned = new Set(lanes)
    for (const lane of former) if (!this.#assigned.has(lane)) this.#drop(lane)
    const added = lanes.filter((lane) => !former.has(lane))
    void this.#begin(added)
  }

  #drop(partition: number): void {
    for (const cursor of this.#cursors.get(partition)?.values() ?? []) cursor.remove()
    this.#cursors.delete(partition)
    this.#waiting = this.#waiting.filter((batch) => batch.partition !== partition)
  }

  /** Determines where the partitions start, then reads them. Retries while the broker is away. */
  async #begin(partitions: readonly number[]): Promise<void> {
    const { names } = this.#context
    for (let pauseMs = FIRST_PAUSE_MS; !this.#closed; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        const starts = await this.#starts(partitions)
        for (const partition of partitions.filter(
          (lane) => this.#assigned.has(lane) && !this.#cursors.has(lane),
        ))
          this.#cursors.set(
            partition,
            new Map(
              this.#options.topics.map((topic) => [
                topic,
                this.#read(topic, partition, starts.get(`${names.topic(topic)} ${partition}`) ?? 0),
              ]),
            ),
          )
        return this.#isReady()
      } catch (error) {
        this.#report(`failed to find where to start; retrying: ${messageOf(error)}`)
        await this.#fetchLink.recover(error)
        await pause(pauseMs)
      }
    }
  }

  async #starts(partitions: readonly number[]): Promise<Map<string, number>> {
    const starts = new Map<string, number>()
    await this.#fetchLink.connect()
    await this.#watch()
    if (partitions.length === 0) return starts
    for (const topic of this.#topics())
      for (const { partition, earliest, next } of await boundsOf(this.#fetchLink, topic, partitions))
        starts.set(`${topic} ${partition}`, this.#options.from === 'earliest' ? earliest : next)
    if (this.#groupId !== null) await this.#useCommitted(this.#groupId, partitions, starts)
    return starts
  }

  async #watch(): Promise<void> {
    this.#ids ??= watchIds(this.#context, this.#topics(), (name) => this.#restart(name))
    this.#topicIds = await this.#ids.catch((error: unknown) => {
      this.#ids = null
      throw error
    })
  }

  #restart(name: string): void {
    const topic = this.#options.topics.find((each) => this.#context.names.topic(each) === name)
    if (topic === undefined || this.#closed) return
    this.#report(`${name} was re-created: records of the former topic are lost; reading from its start`)
    this.#waiting = this.#waiting.filter((batch) => batch.topic !== topic)
    for (const partition of this.#cursors.keys()) this.#move(topic, partition, 0)
  }

  #move(topic: LogTopic, partition: number, offset: number): void {
    const cursors = this.#cursors.get(partition)
    cursors?.get(topic)?.remove()
    cursors?.set(topic, this.#read(topic, partition, offset))
  }

  /** Records that were read are gone: the topic was re-created, or its log truncated. */
  async #wentBack(topic: LogTopic, partition: number, to: number): Promise<void> {
    const cursor = this.#cursors.get(partition)?.get(topic)
    const ids = await this.#ids
    const isOther = await ids?.again(this.#context.names.topic(topic)).catch(() => false)
    const isCurrent = cursor !== undefined && this.#cursors.get(partition)?.get(topic) === cursor
    if (!isOther && isCurrent && !this.#closed) this.#move(topic, partition, to)
  }

  async #useCommitted(
    groupId: string,
    partitions: readonly number[],
    starts: Map<string, number>,
  ): Promise<void> {
    const { settings } = this.#context
    const fresh = new Set(starts.keys())
    const within = settings.deliveryTimeoutMs
    for (const { topic, partition, offset, metadata } of await committedOffsets(
      this.#groupLink,
      groupId,
      this.#topics(),
      partitions,
      within,
    )) {
      const isOfAnother = isAnother(decodeMetadata(metadata).topicId, this.#topicIds.of(topic))
      starts.set(`${topic} ${partition}`, isOfAnother ? 0 : offset)
      if (!isOfAnother) fresh.delete(`${topic} ${partition}`)
    }
    const positions = [...fresh].map((key) => {
      const [topic = '', partition = '0'] = key.split(' ')
      const topicId = this.#topicIds.of(topic)
      return { topic, partition: Number(partition), offset: starts.get(key) ?? 0, topicId }
    })
    await this.#commit(positions)
  }

  #read(topic: LogTopic, partition: number, offset: number): Cursor {
    const name = this.#context.names.topic(topic)
    const topicId = this.#topicIds.of(name)
    const cursor = this.#fetcher.add({
      topic: name,
      partition,
      offset,
      wanted: () => this.#waiting.length < MAX_WAITING,
      deliver: (messages) => {
        const records = messages.map((message) => toLogRecord(topic, partition, message))
        // Past the end of their transaction too, which others would count as lag.
        this.#waiting.push({ topic, partition, records, next: cursor.offset, topicId })
        this.#handling ??= this.#handleAll()
      },
      wentBack: (_from, to) => void this.#wentBack(topic, partition, to),
    })
    return cursor
  }

  async #handleAll(): Promise<void> {
    await Promise.resolve()
    for (let batch = this.#waiting.shift(); batch !== undefined; batch = this.#waiting.shift()) {
      this.#fetcher.wake()
      if (await this.#handle(batch)) await this.#committed(batch)
    }
    this.#handling = null
  }

  async #handle(batch: Batch): Promise<boolean> {
    for (let pauseMs = FIRST_PAUSE_MS; !this.#closed; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      if (!this.#assigned.has(batch.partition)) return false
      try {
        await this.#handler(batch.records)
        return true
      } catch (error) {
        this.#report(
          `failed to handle records of ${batch.topic}[${batch.partition}]; retrying: ${messageOf(error)}`,
        )
        await pause(pauseMs)
      }
    }
    return false
  }

  /** A position that can't be committed now is covered by the next one that can: at-least-once allows it. */
  async #committed({ topic, partition, next, topicId }: Batch): Promise<void> {
    if (this.#member === null) return
    const position = { topic: this.#context.names.topic(topic), partition, offset: next, topicId }
    if (isAnother(topicId, this.#topicIds.of(position.topic))) return
    await this.#commit([position]).catch((error: unknown) => {
      this.#report(
        `failed to commit the position of ${topic}[${partition}]; the next commit covers it: ${messageOf(error)}`,
      )
    })
  }

  async #commit(
    positions: readonly { topic: string; partition: number; offset: number; topicId: string }[],
  ): Promise<void> {
    const [member, groupId] = [this.#member, this.#groupId]
    if (member === null || groupId === null || positions.length === 0) return
    const topics = [...Map.groupBy(positions, ({ topic }) => topic)].map(([topic, of]) => ({
      topic,
      partitions: of.map(({ partition, offset, topicId }) => {
        const mark = { leaderEpoch: NO_EPOCH, topicId, stateId: '', laneEpoch: -1 }
        return { partition, offset: String(offset), metadata: encodeMetadata('', mark) }
      }),
    }))
    const link = this.#context.shared
    await link.attempt(
      async () =>
        (await link.coordinator('group', groupId)).offsetCommit({ groupId, ...member.identity, topics }),
      { withinMs: this.#context.settings.deliveryTimeoutMs, abandoned: () => this.#closed },
    )
  }

  async #close(): Promise<void> {
    // The handler's current batch is finished and its position committed; waiting ones are left for the next
    // reader.
    this.#waiting = []
    this.#closed = true
    await this.#handling
    ;(await this.#ids?.catch(() => null))?.stop()
    await this.#member?.leave()
    await this.#fetcher.close()
    await Promise.all([this.#fetchLink.close(), this.#groupLink.close()])
    this.#isReady()
  }
}
