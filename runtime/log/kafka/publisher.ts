// Records published outside lanes, through one idempotent producer.
//
// 1. One send at a time; records published meanwhile are batched in the next. So a failed send never
//    invalidates the sequence numbers of another one (producer-session.ts).
// 2. After a failed send the next one starts a new identity, and nothing is sent twice: the failure is the
//    caller's.
import { FlotillaError } from '../../errors.ts'
import { logFailure } from './errors.ts'
import { mustBePublishable } from '../limits.ts'
import type { LogTopic, OutgoingRecord } from '../port.ts'
import { newLink, type Context } from './context.ts'
import type { Link } from './link.ts'
import { byPartition, mustExist } from './names.ts'
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

const MAX_RECORDS_PER_SEND = 2_000

export class Publisher {
  readonly #context: Context
  readonly #link: Link
  readonly #session: ProducerSession
  #pending: Pending[] = []
  #sending: Promise<void> | null = null
  #closed = false

  constructor(context: Context) {
    const { transactionTimeoutMs, deliveryTimeoutMs } = context.settings
    this.#context = context
    this.#link = newLink(context)
    this.#session = new ProducerSession(this.#link, { transactionTimeoutMs, deliveryTimeoutMs })
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
    while (this.#pending.length > 0) await this.#send(this.#take())
    this.#sending = null
  }

  #take(): Pending[] {
    const group: Pending[] = []
    let records = 0
    for (let next = this.#pending[0]; next !== undefined; next = this.#pending[0]) {
      records += next.records.length
      if (group.length > 0 && records > MAX_RECORDS_PER_SEND) break
      group.push(next)
      this.#pending.shift()
    }
    return group
  }

  async #send(group: readonly Pending[]): Promise<void> {
    try {
      if (!this.#session.usable) await this.#session.renew()
      const records = byPartition(
        group.flatMap((pending) => pending.records),
        this.#context.names,
      )
      const offsets = await this.#session.send(records)
      for (const { records: of, resolve } of group) resolve(this.#number(of, offsets))
    } catch (error) {
      const failure = logFailure('publishing records', this.#context.names, error)
      for (const { reject } of group) reject(failure)
    }
  }

  /** Pairs each record with the next offset of its partition. */
  #number(records: readonly OutgoingRecord[], offsets: Offsets): Published[] {
    return records.map(({ topic, partition }) => {
      const key = partitionKey(this.#context.names.topic(topic), partition)
      return { topic, partition, offset: offsets.get(key)?.shift() ?? -1 }
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#sending
    await this.#link.close()
  }
}
