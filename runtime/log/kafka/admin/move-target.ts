// The topics and groups of a fleet on Kafka as the target of a move (ADR 0029).
//
// 1. One transactional id: a move that is started again fences the one before it, whose last transaction is then
//    complete or aborted. So what is read afterwards is final.
// 2. Records and the progress that they mean are one transaction: killed at any point, nothing is copied twice.
import type { GroupKind } from '../../groups.ts'
import type { LogTopic, Position } from '../../port.ts'
import { check, ensureTopics, members } from './admin.ts'
import type { ProducedMessage, RawMessage } from '../connection/client.ts'
import { contextOf, newLink, type Context } from '../context.ts'
import { byTopic, committedOffsets } from '../group/positions.ts'
import { LaneProducer } from '../lane/producer.ts'
import { NO_EPOCH } from '../fetch/leader-epochs.ts'
import type { Link } from '../connection/link.ts'
import { decodeMove, encodeMove, markOf, MOVE, type Move } from './move-progress.ts'
import { allTopics } from '../names.ts'
import { boundsOf, readRange, type Bounds } from '../fetch/partition-reader.ts'
import type { KafkaLogOptions } from '../connection/options.ts'
import { encodeMetadata, shortId } from '../lane/positions.ts'
import { lookAt } from './topic-watch.ts'

/** A partition of a topic of the contract, or of a stage's state topic: a name on the broker. */
export interface Target {
  readonly topic: string
  readonly partition: number
}

/** Messages for a partition, and the progress in the data file once they are written. */
export interface Copied extends Target {
  readonly messages: readonly ProducedMessage[]
  readonly progress: number
}

export interface MoveState extends Move {
  readonly isFinished: boolean
  /** Progress by `targetKey`. */
  readonly progress: ReadonlyMap<string, number>
}

/** Nobody waits for a lane here, and a transaction that fails ends the move. */
const PATIENT = { transactionTimeoutMs: 120_000, deliveryTimeoutMs: 60_000, requestTimeoutMs: 30_000 }

export const targetKey = ({ topic, partition }: Target): string => `${topic} ${partition}`

/** Positions of one group in the topics of the target. */
export interface GroupPositions {
  readonly kind: GroupKind
  readonly name: string
  readonly positions: readonly (Position & {
    readonly partition: number
    /** Epoch of the lane's last owner; null: a readers' group. */
    readonly laneEpoch: number | null
  })[]
}

export class MoveTarget {
  readonly context: Context
  readonly #stages: readonly string[]
  readonly #brokers: readonly string[]
  readonly #link: Link
  readonly #producer: LaneProducer
  readonly #ends = new Map<string, Promise<Bounds[]>>()

  constructor(options: KafkaLogOptions, stages: readonly string[]) {
    this.context = contextOf({ ...options, ...PATIENT })
    this.#stages = stages
    this.#brokers = options.brokers
    this.#link = newLink(this.context)
    const { transactionTimeoutMs, deliveryTimeoutMs } = this.context.settings
    const transactionalId = this.context.names.transactionalId(MOVE, 0)
    this.#producer = new LaneProducer(this.#link, {
      transactionalId,
      transactionTimeoutMs,
      deliveryTimeoutMs,
    })
  }

  /** Rejects with LOG_UNAVAILABLE at once if no broker answers. */
  check(): Promise<void> {
    return check(this.context, this.#brokers)
  }

  /** Rejects with TOPICS_MISMATCH where topics exist with another number of partitions. */
  ensureTopics(): Promise<void> {
    return ensureTopics(this.context, this.#stages)
  }

  /** Fences a former move. */
  open(): Promise<void> {
    return this.#producer.open()
  }

  stateTopic(stage: string): string {
    return this.context.names.stateTopic(stage)
  }

  topic(topic: LogTopic): string {
    return this.context.names.topic(topic)
  }

  /** Null: none has begun here. */
  async state(): Promise<MoveState | null> {
    const groupId = this.context.names.group('stage', MOVE)
    const found = await committedOffsets(
      this.#link,
      groupId,
      await this.#existing(),
      this.#partitions,
      this.#withinMs,
    )
    const mark = found.find((each) => targetKey(each) === targetKey(markOf(this.context)))
    const move = mark === undefined ? null : decodeMove(mark.metadata)
    if (move === null) return null
    return { ...move, progress: new Map(found.map((each) => [targetKey(each), each.offset])) }
  }

  /** Topics that hold records or have other partitions, and stages that run: another fleet is there already. */
  async occupied(): Promise<string[]> {
    const { facts, missing } = await lookAt(this.#link, this.#topics, this.#withinMs)
    const { partitions } = this.context
    const divided = [...facts.values()].filter((fact) => fact.partitions !== partitions)
    if (divided.length > 0)
      return divided.map((fact) => `${fact.name} has ${fact.partitions} partitions, not ${partitions}`)
    const existing = this.#topics.filter((topic) => !missing.has(topic))
    const running = await Promise.all(
      this.#stages.map(async (stage) => {
        const { owners } = await members(this.context, this.context.names.group('stage', stage))
        return owners.length > 0 ? [`${stage} runs`] : []
      }),
    )
    const held = await Promise.all(
      existing.map(async (topic) => {
        const bounds = await this.#link.attempt(() => boundsOf(this.#link, topic, this.#partitions), {
          withinMs: this.#withinMs,
        })
        return bounds.some(({ next }) => next > 0) ? [`${topic} holds records`] : []
      }),
    )
    return [...running, ...held].flat()
  }

  begin(move: Move): Promise<void> {
    return this.#mark(move, 'unfinished', 0)
  }

  /** The mark is also the progress of its partition, which stays. */
  async finish(move: Move): Promise<void> {
    const state = await this.state()
    await this.#mark(move, 'finished', state?.progress.get(targetKey(markOf(this.context))) ?? 0)
  }

  async #mark(move: Move, state: 'unfinished' | 'finished', progress: number): Promise<void> {
    const mark = { ...markOf(this.context), offset: progress, metadata: encodeMove(move, state) }
    const groupId = this.context.names.group('stage', MOVE)
    await this.#producer.commit([], { groupId, topics: byTopic([mark]) })
  }

  /** One transaction. */
  async copy(move: Move, copied: readonly Copied[]): Promise<void> {
    const metadata = encodeMove(move, 'unfinished')
    const progress = copied.map(({ topic, partition, progress: offset }) => ({
      topic,
      partition,
      offset,
      metadata,
    }))
    const groupId = this.context.names.group('stage', MOVE)
    await this.#producer.commit(copied, { groupId, topics: byTopic(progress) })
  }

  /**
   * Resolves once all that was copied can be read: brokers answer the end of a transaction before its partitions have it, and
   * give a new identity only afterwards. Ends of topics would be too early until then.
   */
  settled(): Promise<void> {
    return this.#producer.open()
  }

  /** Every committed record of the partition, oldest first. Once all are settled. */
  async read({ topic, partition }: Target, take: (message: RawMessage) => void): Promise<void> {
    if ((await this.end({ topic, partition })) === 0) return
    const withinMs = this.context.settings.startTimeoutMs
    const range = { topic, partition, from: 0, until: null, withinMs }
    await readRange(this.#link, range, (message) => (take(message), true))
  }

  /** Offset that the next record gets, for readers of committed ones. Once all are settled: it is asked for once. */
  async end({ topic, partition }: Target): Promise<number> {
    const ask = (): Promise<Bounds[]> => boundsOf(this.#link, topic, this.#partitions)
    const asked = this.#ends.get(topic) ?? this.#link.attempt(ask, { withinMs: this.#withinMs })
    this.#ends.set(topic, asked)
    return (await asked).find((bounds) => bounds.partition === partition)?.next ?? 0
  }

  /** Commits them in one transaction for each group. */
  async setPositions(groups: readonly GroupPositions[]): Promise<void> {
    const { names } = this.context
    const { facts } = await lookAt(this.#link, this.#topics, this.#withinMs)
    const idOf = (topic: string): string => shortId(facts.get(topic)?.id ?? '')
    for (const { kind, name, positions } of groups) {
      const marked = positions.map(({ topic, partition, offset, metadata, laneEpoch }) => {
        const opening = {
          stateId: laneEpoch === null ? '' : idOf(names.stateTopic(name)),
          laneEpoch: laneEpoch ?? -1,
        }
        const mark = { leaderEpoch: NO_EPOCH, topicId: idOf(names.topic(topic)), ...opening }
        return { topic: names.topic(topic), partition, offset, metadata: encodeMetadata(metadata, mark) }
      })
      const offsets = { groupId: names.group(kind, name), topics: byTopic(marked) }
      if (marked.length > 0) await this.#producer.commit([], offsets)
    }
  }

  async close(): Promise<void> {
    await this.context.topicWatch.close()
    await Promise.all([this.#link.close(), this.context.shared.close()])
    this.context.client.close()
  }

  get #partitions(): number[] {
    return Array.from({ length: this.context.partitions }, (_, partition) => partition)
  }

  get #withinMs(): number {
    return this.context.settings.deliveryTimeoutMs
  }

  /** Names of the fleet's topics. */
  get #topics(): string[] {
    const { names } = this.context
    return [...allTopics.map(names.topic), ...this.#stages.map(names.stateTopic)]
  }

  /** Names of those that exist. */
  async #existing(): Promise<string[]> {
    const { missing } = await lookAt(this.#link, this.#topics, this.#withinMs)
    return this.#topics.filter((topic) => !missing.has(topic))
  }
}
