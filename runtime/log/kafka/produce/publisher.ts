// Records published outside lanes, through one idempotent producer.
//
// 1. One send at a time; records published meanwhile are batched in the next. So a failed send never
//    invalidates the sequence numbers of another one (producer-session.ts).
// 2. After a failed send the next one starts a new identity, and nothing is sent twice: the failure is the
//    caller's.
// 3. A send whose partitions have not all answered within PATIENCE_MS goes on apart, under the identity that it has. The
//    next ones get another identity, and leave out the partitions that it waits for: one that takes nothing (it has no
//    leader, or too few replicas) delays and fails no other. They get other connections too: a broker reads the next
//    request of a connection only once it has answered the last one, and a replica that is stopped lets it wait. What
//    shares a request with such a partition waits with it, once:
// 4. A partition that a send went apart for is sent by itself until it has answered.
// 5. A send that went apart and succeeded gives identity and connections back, unless others have taken their place: where
//    brokers are far each first send goes apart, and every one would be a first.
import { FlotillaError } from '../../../errors.ts'
import { logFailure } from '../errors.ts'
import { mustBePublishable } from '../../limits.ts'
import type { LogTopic, OutgoingRecord } from '../../port.ts'
import { newLink, type Context } from '../context.ts'
import { within, type Link } from '../connection/link.ts'
import { byPartition, mustExist } from '../names.ts'
import { partitionKey, ProducerSession, type Offsets } from './producer-session.ts'

export interface Published {
  readonly topic: LogTopic
  readonly partition: number
  readonly offset: number
}

interface Pending {
  readonly records: readonly OutgoingRecord[]
  resolve(published: Published[]): void
  reject(error: Error): void
}

/** One that is being sent. */
interface Sent extends Pending {
  /** Where the offset of each record will be: the index among those of its partition. */
  readonly places: readonly { readonly key: string; readonly index: number }[]
}

/** A producer with connections of its own. */
interface Channel {
  readonly link: Link
  readonly session: ProducerSession
}

const MAX_RECORDS_PER_SEND = 2_000
const PATIENCE_MS = 500

export class Publisher {
  readonly #context: Context
  /** For the next send; null: it makes one. */
  #channel: Channel | null = null
  #pending: Pending[] = []
  #sending: Promise<void> | null = null
  /** Partitions that a send apart waits for. */
  readonly #awaited = new Map<string, Promise<void>>()
  /** Partitions that a send has waited for, and that have not answered since. */
  readonly #suspects = new Set<string>()
  #closed = false

  constructor(context: Context) {
    this.#context = context
  }

  #newChannel(): Channel {
    const { transactionTimeoutMs, deliveryTimeoutMs } = this.#context.settings
    const link = newLink(this.#context)
    return { link, session: new ProducerSession(link, { transactionTimeoutMs, deliveryTimeoutMs }) }
  }

  async publish(records: readonly OutgoingRecord[]): Promise<Published[]> {
    if (this.#closed) throw new FlotillaError('LOG_UNAVAILABLE', 'publishing: the log is closed')
    if (records.length === 0) return []
    mustExist(records, this.#context.partitions)
    mustBePublishable(records)
    return new Promise((resolve, reject) => {
      this.#pending.push({ records, resolve, reject })
      this.#sending ??= this.#drain()
    })
  }

  async #drain(): Promise<void> {
    // Publishes of one tick are batched from the start.
    await Promise.resolve()
    for (let group = this.#take(); group.length > 0; group = this.#take()) await this.#send(group)
    this.#sending = null
  }

  /** The oldest ones; behind those that wait for a partition, none of theirs; those of one suspect, or of none. */
  #take(): Pending[] {
    const group: Pending[] = []
    const left: Pending[] = []
    const waiting = new Set(this.#awaited.keys())
    const isCalm = waiting.size === 0 && this.#suspects.size === 0
    let suspect: string | undefined
    let records = 0
    for (const [index, next] of this.#pending.entries()) {
      const keys = isCalm ? [] : next.records.map((record) => this.#keyOf(record))
      const own = keys.find((key) => this.#suspects.has(key))
      if (keys.some((key) => waiting.has(key)) || (group.length > 0 && own !== suspect)) {
        for (const key of keys) waiting.add(key)
        left.push(next)
        continue
      }
      suspect = own
      records += next.records.length
      if (group.length > 0 && records > MAX_RECORDS_PER_SEND) {
        left.push(...this.#pending.slice(index))
        break
      }
      group.push(next)
    }
    this.#pending = left
    return group
  }

  #keyOf({ topic, partition }: OutgoingRecord): string {
    return partitionKey(this.#context.names.topic(topic), partition)
  }

  /** Resolves when the next group may be sent. */
  async #send(pending: readonly Pending[]): Promise<void> {
    const group = this.#placed(pending)
    const offsets: Offsets = new Map()
    let isDone = false
    const channel = (this.#channel ??= this.#newChannel())
    const settled = this.#sendBy(channel, group, offsets).then(() => void (isDone = true))
    await within(PATIENCE_MS, settled)
    if (isDone) return
    this.#channel = null
    const missing = new Set<string>()
    for (const sent of group) {
      const without = sent.places.filter(({ key, index }) => offsets.get(key)?.[index] === undefined)
      if (without.length === 0) answer(sent, offsets)
      for (const { key } of without) missing.add(key)
    }
    const over = settled.then(() => {
      for (const key of missing) this.#awaited.delete(key)
      this.#sending ??= this.#drain()
      return channel === this.#channel ? undefined : channel.link.close()
    })
    for (const key of missing) {
      this.#awaited.set(key, over)
      this.#suspects.add(key)
    }
  }

  #placed(group: readonly Pending[]): Sent[] {
    const counts = new Map<string, number>()
    return group.map((pending) => ({
      ...pending,
      places: pending.records.map((record) => {
        const key = this.#keyOf(record)
        const index = counts.get(key) ?? 0
        counts.set(key, index + 1)
        return { key, index }
      }),
    }))
  }

  /** Never rejects. */
  async #sendBy(channel: Channel, group: readonly Sent[], offsets: Offsets): Promise<void> {
    const { session } = channel
    try {
      if (!session.usable) await session.renew()
      const records = byPartition(
        group.flatMap((pending) => pending.records),
        this.#context.names,
      )
      await session.send(records, offsets)
      this.#channel ??= channel
      for (const sent of group) {
        for (const { key } of sent.places) this.#suspects.delete(key)
        answer(sent, offsets)
      }
    } catch (error) {
      const failure = logFailure('publishing records', this.#context.names, error)
      for (const { reject } of group) reject(failure)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    while (this.#sending !== null || this.#awaited.size > 0)
      await Promise.all([this.#sending, ...this.#awaited.values()])
    await this.#channel?.link.close()
  }
}

function answer({ records, places, resolve }: Sent, offsets: Offsets): void {
  resolve(
    records.map(({ topic, partition }, at) => {
      const { key = '', index = 0 } = places[at] ?? {}
      return { topic, partition, offset: offsets.get(key)?.[index] ?? -1 }
    }),
  )
}
