// Reading topics outside stages.
//
// 1. One call of the handler at a time; a failed one is retried, after a pause, until it succeeds or the tail
//    closes.
// 2. With a group, a partition's position is committed after the handler has had its records; a partition
//    without a position gets one at the start, so that a reader that dies early skips nothing.
// 3. When a partition moves to another member, its waiting records are dropped here.
// 4. A re-created topic is read from its start; positions carry the id of the topic that was read.
// 5. A partition without a leader delays no other. Once it has one, it is read from a minute before the tail began: what is
//    written first is not missed, whatever the clocks of its writers.
import { FlotillaError, messageOf } from '../../../errors.ts'
import type { LogRecord, LogTopic, Tail, TailOptions } from '../../port.ts'
import { once } from '../../../once.ts'
import { newLink, type Context } from '../context.ts'
import { isRefusedByGroup } from '../errors.ts'
import type { Cursor } from './fetcher.ts'
import { GroupMember } from '../group/member.ts'
import { pause, type Link } from '../connection/link.ts'
import { toLogRecord } from '../names.ts'
import { NO_EPOCH } from './leader-epochs.ts'
import { committedOffsets } from '../group/positions.ts'
import { boundsOf, offsetAtTime, type Bounds } from './partition-reader.ts'
import { decodeMetadata, encodeMetadata, isAnother } from '../lane/positions.ts'
import { watchIds, type WatchedIds } from '../admin/topic-watch.ts'

type Handler = (records: readonly LogRecord[]) => Promise<void> | void

/** Batches waiting for the handler before fetching pauses. */
const MAX_WAITING = 8
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 1_000
/** Clocks of writers may differ. */
const SKEW_MS = 60_000

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
  readonly #startLink: Link
  readonly #groupLink: Link
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
    this.#startLink = newLink(context, this.#topics())
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
    const sinceMs = Date.now() - SKEW_MS
    const isLeft = (lane: number): boolean => this.#assigned.has(lane) && !this.#cursors.has(lane)
    let isLate = false
    let left = partitions
    for (let pauseMs = FIRST_PAUSE_MS; !this.#closed; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        await this.#startLink.connect()
        await this.#watch()
        const led = left.filter((lane) => this.#isLed(lane))
        const starts = await this.#starts(led, isLate ? sinceMs : null)
        for (const lane of led.filter(isLeft)) this.#readAll(lane, starts)
        if (led.length > 0 || left.length === 0) this.#isReady()
        left = left.filter(isLeft)
        if (left.length === 0) return
        isLate = true
        this.#report(`no broker leads partitions ${left.join(', ')}; reading the others`)
        await this.#startLink.refresh()
      } catch (error) {
        this.#report(`failed to find where to start; retrying: ${messageOf(error)}`)
        await this.#startLink.recover(error)
      }
      await pause(pauseMs)
    }
  }

  #isLed(lane: number): boolean {
    return this.#topics().every((topic) => this.#startLink.knownLeader(topic, lane) !== null)
  }

  #readAll(lane: number, starts: ReadonlyMap<string, number>): void {
    const { names } = this.#context
    const cursors = this.#options.topics.map((topic) => {
      const offset = starts.get(`${names.topic(topic)} ${lane}`) ?? 0
      return [topic, this.#read(topic, lane, offset)] as const
    })
    this.#cursors.set(lane, new Map(cursors))
  }

  async #startIn(
    topic: string,
    { partition, earliest, next }: Bounds,
    sinceMs: number | null,
  ): Promise<number> {
    if (this.#options.from === 'earliest') return earliest
    if (sinceMs === null) return next
    return (await offsetAtTime(this.#startLink, topic, partition, sinceMs)) ?? next
  }

  /** `sinceMs`: partitions that get a leader late begin with what is written since then; null: now. */
  async #starts(partitions: readonly number[], sinceMs: number | null): Promise<Map<string, number>> {
    const starts = new Map<string, number>()
    if (partitions.length === 0) return starts
    for (const topic of this.#topics())
      for (const bounds of await boundsOf(this.#startLink, topic, partitions))
        starts.set(`${topic} ${bounds.partition}`, await this.#startIn(topic, bounds, sinceMs))
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
    // Past the end of their transaction too, and past aborted ones, which others would count as lag.
    const take = (records: LogRecord[]): void => {
      this.#waiting.push({ topic, partition, records, next: cursor.offset, topicId })
      this.#handling ??= this.#handleAll()
    }
    const cursor = this.#context.fetcher.add({
      topic: name,
      partition,
      offset,
      wanted: () => this.#waiting.length < MAX_WAITING,
      deliver: (messages) => take(messages.map((message) => toLogRecord(topic, partition, message))),
      passed: () => (this.#member === null ? undefined : take([])),
      wentBack: (_from, to) => void this.#wentBack(topic, partition, to),
    })
    return cursor
  }

  async #handleAll(): Promise<void> {
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const isFull = this.#waiting.length >= MAX_WAITING
      const batch = this.#waiting.shift()
      if (batch === undefined) break
      if (isFull) this.#context.fetcher.wake()
      if (await this.#handle(batch)) await this.#committed(batch)
    }
    this.#handling = null
  }

  async #handle(batch: Batch): Promise<boolean> {
    for (let pauseMs = FIRST_PAUSE_MS; !this.#closed; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      if (!this.#assigned.has(batch.partition)) return false
      try {
        if (batch.records.length > 0) await this.#handler(batch.records)
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
    for (const partition of this.#cursors.keys()) this.#drop(partition)
    await this.#handling
    ;(await this.#ids?.catch(() => null))?.stop()
    await this.#member?.leave()
    await Promise.all([this.#startLink.close(), this.#groupLink.close()])
    this.#isReady()
  }
}
