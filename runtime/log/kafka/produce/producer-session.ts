// A producer id with its epoch and the sequence numbers of each partition: what makes sends idempotent.
//
// 1. A resent batch carries the same sequence numbers, so that the broker appends it once.
// 2. Sequence numbers advance only when every partition of the send has answered. After a failed send it is
//    unknown what was appended, so the session is spent: records under reused numbers would be taken for a
//    repetition and silently dropped. `renew` starts from scratch under a new epoch, which fences the holder
//    of the old one; after the transaction was aborted, `adopt` and `advance` start from scratch too, for the
//    current holder only.
// 3. The transaction protocol is determined at each `renew`, and kept as long as the identity. A cluster that
//    changes meanwhile still takes requests of the older protocol; if it refuses those of the newer, the
//    session is spent, and the next `renew` asks again.
// 4. Partitions of one broker share a request. If that fails each of them is repeated alone, because its answer is the
//    error of one of them.
// 5. In the second protocol the end of a transaction brings the next one's identity: `adopt`, and numbers
//    start at 0. In the first, `advance` asks for it.
import type { Broker, ProducedMessage, ProducerIdentity, TransactionIdentity } from '../connection/client.ts'
import type { Link } from '../connection/link.ts'
import {
  nextIdentity,
  protocolOf,
  requestsTo,
  type Protocol,
  type TransactionRequests,
} from './transaction-v2.ts'

/** Below the broker's default limit of a batch (1,048,588 bytes). */
const MAX_BATCH_BYTES = 900_000
const SEQUENCES = 2 ** 31
const RECORD_OVERHEAD_BYTES = 64

export interface PartitionRecords {
  readonly topic: string
  readonly partition: number
  readonly messages: readonly ProducedMessage[]
}

export interface SessionOptions {
  readonly transactionalId?: string
  readonly transactionTimeoutMs: number
  /** How long a send or an initialisation is retried. */
  readonly deliveryTimeoutMs: number
}

interface Batch {
  readonly topic: string
  readonly partition: number
  readonly messages: ProducedMessage[]
}

/** Each record's offset, in the order sent, by `partitionKey`. */
export type Offsets = Map<string, number[]>

export const partitionKey = (topic: string, partition: number): string => `${topic} ${partition}`

export class ProducerSession {
  readonly #link: Link
  readonly #options: SessionOptions
  readonly #sequences = new Map<string, number>()
  #identity: ProducerIdentity | null = null
  #protocol: Protocol = 1

  constructor(link: Link, options: SessionOptions) {
    this.#link = link
    this.#options = options
  }

  /** False before `renew` and after a failed send. */
  get usable(): boolean {
    return this.#identity !== null
  }

  get identity(): ProducerIdentity {
    if (this.#identity === null) throw new Error('the producer has no identity: renew it first')
    return this.#identity
  }

  /** Protocol of the transactions since the last `renew`; without a transactional id always the first. */
  get protocol(): Protocol {
    return this.#protocol
  }

  requestsTo(broker: Broker): TransactionRequests {
    return requestsTo(broker, this.#protocol)
  }

  /** Asks for an identity. With a transactional id it fences former owners and ends their transactions. */
  async renew(): Promise<void> {
    const { transactionalId, transactionTimeoutMs, deliveryTimeoutMs } = this.#options
    const transaction = transactionalId === undefined ? {} : { transactionalId }
    this.#identity = null
    this.#sequences.clear()
    this.#identity = await this.#link.attempt(
      async () => {
        const broker = await this.#initialiser()
        if (transactionalId !== undefined) this.#protocol = await protocolOf(broker)
        return broker.initProducerId({ ...transaction, transactionTimeout: transactionTimeoutMs })
      },
      { withinMs: deliveryTimeoutMs },
    )
  }

  #initialiser(): Promise<Broker> {
    const { transactionalId } = this.#options
    if (transactionalId === undefined) return this.#link.cluster.findControllerBroker()
    return this.#link.coordinator('transaction', transactionalId)
  }

  /** Continues under the identity that the end of a transaction returned; null: under the same one. */
  adopt(next: ProducerIdentity | null): void {
    if (next === null) return
    this.#identity = next
    this.#sequences.clear()
  }

  /**
   * Continues under the next epoch, for which the coordinator checks the current one. After an aborted
   * transaction: it is unknown what was appended, and numbers start at 0. Rejects with a fencing error if
   * another process has the id.
   */
  async advance(broker: Broker, identity: TransactionIdentity): Promise<void> {
    const next = await nextIdentity(broker, identity, this.#options.transactionTimeoutMs)
    this.#protocol = await protocolOf(broker)
    this.adopt(next)
  }

  /** Drops the identity: the next use must renew it. */
  spend(): void {
    this.#identity = null
  }

  /**
   * Resolves with each record's offset, by `partitionKey`, in the order given. `offsets` is filled as brokers answer: a
   * partition that takes nothing holds up only the others of its round.
   */
  async send(records: readonly PartitionRecords[], offsets: Offsets = new Map()): Promise<Offsets> {
    try {
      for (const round of roundsOf(records)) await this.#sendRound(round, offsets)
      return offsets
    } catch (error) {
      this.spend()
      throw error
    }
  }

  async #sendRound(round: readonly Batch[], offsets: Offsets): Promise<void> {
    const missing = new Map(round.map((batch) => [partitionKey(batch.topic, batch.partition), batch]))
    const written = (key: string, base: number): void => {
      const numbers = (missing.get(key)?.messages ?? []).map((_, index) => base + index)
      missing.delete(key)
      offsets.set(key, [...(offsets.get(key) ?? []), ...numbers])
    }
    await this.#link.know(new Set(round.map(({ topic }) => topic)))
    let isRepeated = false
    await this.#link.attempt(
      async () => {
        const batches = [...missing.values()]
        const requests = isRepeated ? batches.map((batch) => [batch] as const) : this.#byLeader(batches)
        isRepeated = true
        const sent = await Promise.allSettled(requests.map((request) => this.#sendTo(request, written)))
        for (const outcome of sent) if (outcome.status === 'rejected') throw outcome.reason
      },
      { withinMs: this.#options.deliveryTimeoutMs },
    )
    for (const { topic, partition, messages } of round) this.#advance(topic, partition, messages.length)
  }

  #byLeader(batches: readonly Batch[]): (readonly Batch[])[] {
    const leaderOf = ({ topic, partition }: Batch) => this.#link.knownLeader(topic, partition)
    return [...Map.groupBy(batches, leaderOf).values()]
  }

  /** All of one leader. */
  async #sendTo(batches: readonly Batch[], written: (key: string, base: number) => void): Promise<void> {
    const [first] = batches
    if (first === undefined) return
    const { transactionalId, deliveryTimeoutMs } = this.#options
    const nodeId = this.#link.leaderOf(first.topic, first.partition)
    const broker = await this.#link.cluster.findBroker({ nodeId })
    const byTopic = Map.groupBy(batches, ({ topic }) => topic)
    const { topics } = await this.requestsTo(broker).produce({
      ...(transactionalId === undefined ? {} : { transactionalId }),
      ...this.identity,
      acks: -1,
      timeout: deliveryTimeoutMs,
      topicData: [...byTopic].map(([topic, of]) => ({
        topic,
        partitions: of.map(({ partition, messages }) => ({
          partition,
          firstSequence: this.#sequences.get(partitionKey(topic, partition)) ?? 0,
          messages,
        })),
      })),
    })
    for (const { topicName, partitions } of topics)
      for (const { partition, baseOffset } of partitions)
        written(partitionKey(topicName, partition), Number(baseOffset))
  }

  #advance(topic: string, partition: number, count: number): void {
    const key = partitionKey(topic, partition)
    this.#sequences.set(key, ((this.#sequences.get(key) ?? 0) + count) % SEQUENCES)
  }
}

/** A request takes one batch per partition, of limited size: the n-th round holds the n-th batches. */
function roundsOf(records: readonly PartitionRecords[]): Batch[][] {
  const rounds: Batch[][] = []
  for (const { topic, partition, messages } of records)
    chunksOf(messages).forEach((chunk, index) => {
      const round = (rounds[index] ??= [])
      round.push({ topic, partition, messages: chunk })
    })
  return rounds
}

function chunksOf(messages: readonly ProducedMessage[]): ProducedMessage[][] {
  const chunks: ProducedMessage[][] = []
  let bytes = Infinity
  for (const message of messages) {
    const size = sizeOf(message)
    if (bytes + size > MAX_BATCH_BYTES) {
      chunks.push([])
      bytes = 0
    }
    chunks.at(-1)?.push(message)
    bytes += size
  }
  return chunks
}

function sizeOf({ key, value, headers }: ProducedMessage): number {
  let bytes = RECORD_OVERHEAD_BYTES + (key?.length ?? 0) * 3 + (value?.length ?? 0)
  for (const [name, text] of Object.entries(headers)) bytes += name.length + text.length * 3
  return bytes
}
