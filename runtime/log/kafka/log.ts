// The log on Kafka: see the port for its promises, lane.ts and membership.ts for how lanes keep them.
import { FlotillaError } from '../../errors.ts'
import type {
  JoinOptions,
  LaneListener,
  Log,
  LogRecord,
  LogTopic,
  Membership,
  OutgoingRecord,
  PartitionRange,
  Tail,
  TailOptions,
} from '../port.ts'
import { check, ensureTopics, positions, ranges } from './admin.ts'
import { createClient, type RawMessage } from './client.ts'
import { once, type Context } from './context.ts'
import { messageOf } from './errors.ts'
import { Link } from './link.ts'
import { KafkaMembership } from './membership.ts'
import { namesUnder, toLogRecord } from './names.ts'
import { settingsOf, type KafkaLogOptions } from './options.ts'
import { readRange } from './partition-reader.ts'
import { Publisher, type Published } from './publisher.ts'
import { KafkaTail } from './tail.ts'

export type { KafkaLogOptions } from './options.ts'

/** A transaction that was committed shows to readers a moment later; one that hangs must not hold up a read. */
const PATIENCE_MS = 500

export function createKafkaLog(options: KafkaLogOptions): Log {
  return new KafkaLog(options)
}

function answered<T>(doing: string, answer: Promise<T>): Promise<T> {
  return answer.catch((error: unknown) => {
    throw new FlotillaError('LOG_UNAVAILABLE', `${doing}: ${messageOf(error)}`, { cause: error })
  })
}

class KafkaLog implements Log {
  readonly kind = 'kafka'
  readonly partitions: number
  readonly close: () => Promise<void>
  readonly #options: KafkaLogOptions
  readonly #context: Context
  readonly #readLink: Link
  readonly #publisher: Publisher
  readonly #open = new Set<() => Promise<void>>()

  constructor(options: KafkaLogOptions) {
    const { brokers, clientId, logger, security } = options
    const settings = settingsOf(options)
    const client = createClient({
      brokers,
      clientId,
      requestTimeoutMs: settings.requestTimeoutMs,
      ...(security === undefined ? {} : { security }),
      ...(logger === undefined ? {} : { logger }),
    })
    this.partitions = options.partitions
    this.#options = options
    this.#context = {
      client,
      names: namesUnder(options.prefix),
      partitions: options.partitions,
      settings,
      replicationFactor: options.replicationFactor,
      logger,
      shared: new Link(client, []),
    }
    this.#readLink = new Link(client, [])
    this.#publisher = new Publisher(this.#context)
    this.close = once(() => this.#close())
  }

  ensureTopics(stages: readonly string[]): Promise<void> {
    return ensureTopics(this.#context, stages)
  }

  publish(records: readonly OutgoingRecord[]): Promise<Published[]> {
    return this.#publisher.publish(records)
  }

  /** Resolves at once; lanes are announced when the group has been joined, however long the broker is away. */
  join(options: JoinOptions, listener: LaneListener): Promise<Membership> {
    const membership = new KafkaMembership(this.#context, options, listener)
    const leave = this.#keep(() => membership.leave())
    return Promise.resolve({
      joined: membership.joined,
      open: (lane) => membership.open(lane),
      decline: (lane) => membership.decline(lane),
      leave,
    })
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
    await answered(`reading ${name}[${partition}]`, reading)
    return records
  }

  ranges(topics: readonly LogTopic[]): Promise<PartitionRange[]> {
    return answered('asking for offsets', ranges(this.#context, topics))
  }

  positions(group: string): Promise<{ topic: LogTopic; partition: number; offset: number }[]> {
    return answered(`asking for the positions of ${group}`, positions(this.#context, group))
  }

  check(): Promise<void> {
    return check(this.#context, this.#options.brokers)
  }

  /** What is still open when the log closes is closed with it. */
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
    await this.#publisher.close()
    await Promise.all([this.#readLink.close(), this.#context.shared.close()])
  }
}
