// The log on Kafka: see the port for its promises, lane/lane.ts and group/membership.ts for how lanes keep them.
import { FlotillaError } from '../../errors.ts'
import { logFailure } from './errors.ts'
import type { GroupKind } from '../groups.ts'
import type {
  GroupMembers,
  JoinOptions,
  KeySearch,
  LaneListener,
  Log,
  LogRecord,
  LogTopic,
  Membership,
  OutgoingRecord,
  PartitionRange,
  RangeOptions,
  Tail,
  TailOptions,
} from '../port.ts'
import { advice, check, ensureTopics, members, positions, ranges } from './admin/admin.ts'
import type { RawMessage } from './connection/client.ts'
import { once } from '../../once.ts'
import { contextOf, type Context } from './context.ts'
import { KeyIndex } from './fetch/key-index.ts'
import { Link } from './connection/link.ts'
import { KafkaMembership } from './group/membership.ts'
import { refuseUnfinishedMove } from './admin/move-progress.ts'
import { toLogRecord } from './names.ts'
import type { KafkaLogOptions } from './connection/options.ts'
import { readRange } from './fetch/partition-reader.ts'
import { Publisher, type Published } from './produce/publisher.ts'
import { KafkaTail } from './fetch/tail.ts'
import { topicIds } from './admin/topic-ids.ts'

export type { KafkaLogOptions } from './connection/options.ts'

/** A committed transaction becomes visible a moment later; one that hangs must not delay a read. */
const PATIENCE_MS = 500

export function createKafkaLog(options: KafkaLogOptions): Log {
  return new KafkaLog(options)
}

class KafkaLog implements Log {
  readonly kind = 'kafka'
  readonly partitions: number
  readonly close: () => Promise<void>
  readonly #options: KafkaLogOptions
  readonly #context: Context
  readonly #readLink: Link
  readonly #publisher: Publisher
  readonly #index: KeyIndex
  readonly #open = new Set<() => Promise<void>>()

  constructor(options: KafkaLogOptions) {
    const { client } = (this.#context = contextOf(options))
    this.partitions = options.partitions
    this.#options = options
    this.#readLink = new Link(client, [])
    this.#publisher = new Publisher(this.#context)
    this.#index = new KeyIndex(this.#context, this.#readLink)
    this.close = once(() => this.#close())
  }

  async ensureTopics(stages: readonly string[]): Promise<void> {
    await ensureTopics(this.#context, stages)
    await this.#answered('asking for an unfinished move', refuseUnfinishedMove(this.#context))
  }

  publish(records: readonly OutgoingRecord[]): Promise<Published[]> {
    return this.#publisher.publish(records)
  }

  /** Resolves at once; lanes are announced once the group is joined, however long the broker is away. */
  async join(options: JoinOptions, listener: LaneListener): Promise<Membership> {
    const membership = new KafkaMembership(this.#context, options, listener)
    const leave = this.#keep(() => membership.leave())
    return {
      joined: membership.joined,
      open: (lane, after) => membership.open(lane, after),
      decline: (lane) => membership.decline(lane),
      leave,
    }
  }

  tail(options: TailOptions, handler: (records: readonly LogRecord[]) => Promise<void> | void): Tail {
    const tail = new KafkaTail(this.#context, options, handler)
    return { ready: tail.ready, close: this.#keep(() => tail.close()) }
  }

  async read(topic: LogTopic, partition: number, fromOffset: number, limit: number): Promise<LogRecord[]> {
    const name = this.#context.names.topic(topic)
    const withinMs = this.#context.settings.startTimeoutMs
    const records: LogRecord[] = []
    if (limit <= 0) return records
    const take = (message: RawMessage): boolean => {
      records.push(toLogRecord(topic, partition, message))
      return records.length < limit
    }
    const range = { topic: name, partition, from: fromOffset, until: null, withinMs, patienceMs: PATIENCE_MS }
    const reading = this.#readLink
      .attempt(() => this.#readLink.know([name]), { withinMs })
      .then(() => readRange(this.#readLink, range, take))
    await this.#answered(`reading ${name}[${partition}]`, reading)
    return records
  }

  find(search: KeySearch): Promise<LogRecord | null> {
    const { settings } = this.#context
    const name = this.#context.names.topic(search.topic)
    const finding = this.#readLink
      .attempt(() => this.#readLink.know([name]), { withinMs: settings.startTimeoutMs })
      .then(() => this.#index.find(search))
    return this.#answered(`searching ${name}[${search.partition}]`, finding)
  }

  ranges(topics: readonly LogTopic[], options?: RangeOptions): Promise<PartitionRange[]> {
    return this.#answered('asking for offsets', ranges(this.#context, topics, options))
  }

  positions(
    group: string,
    kind: GroupKind = 'stage',
  ): Promise<{ topic: LogTopic; partition: number; offset: number }[]> {
    const groupId = this.#context.names.group(kind, group)
    return this.#answered(`asking for the positions of ${groupId}`, positions(this.#context, groupId))
  }

  members(group: string): Promise<GroupMembers> {
    const groupId = this.#context.names.group('stage', group)
    return this.#answered(`asking for the members of ${groupId}`, members(this.#context, groupId))
  }

  topicIds(topics: readonly LogTopic[]): Promise<ReadonlyMap<LogTopic, string>> {
    return this.#answered('asking for ids of topics', topicIds(this.#context, topics))
  }

  advice(): Promise<readonly string[]> {
    return this.#answered('asking for settings of topics', advice(this.#context))
  }

  check(): Promise<void> {
    return check(this.#context, this.#options.brokers)
  }

  #answered<T>(doing: string, answer: Promise<T>): Promise<T> {
    return answer.catch((error: unknown) => {
      if (error instanceof FlotillaError) throw error
      throw logFailure(doing, this.#context.names, error)
    })
  }

  /** Registers a resource to be closed with the log. */
  #keep(close: () => Promise<void>): () => Promise<void> {
    const kept = once(async () => {
      this.#open.delete(kept)
      await close()
    })
    this.#open.add(kept)
    return kept
  }

  async #close(): Promise<void> {
    await Promise.allSettled([...this.#open].map((close) => close()))
    await this.#context.topicWatch.close()
    await this.#publisher.close()
    await Promise.all([this.#context.fetcher.close(), this.#readLink.close(), this.#context.shared.close()])
    this.#context.client.close()
  }
}
