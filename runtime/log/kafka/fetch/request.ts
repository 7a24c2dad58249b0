// Requests for records, with incremental fetch sessions (KIP-227), which kafkajs doesn't have: it names every
// partition in every request, shuffled, so that the topic of each is written, and read by the broker, again.
//
// 1. Format: Fetch of Kafka's message definitions, version 11 (Kafka 2.3), the last one that is not flexible.
// 2. An error of one partition leaves the session and the other partitions of the answer as they are. Records that
//    can't be decoded are an error of their partition.
import { ByteWriter } from '../connection/byte-writer.ts'
import { unpackerOf, wire, type Broker, type FetchedPartition } from '../connection/client.ts'
import { decodeBatches } from './record-batches.ts'
import { mustSucceed } from '../produce/transaction-v2.ts'

const FETCH = { apiKey: 1, apiVersion: 11, apiName: 'Fetch' }
const CONSUMER = -1
/** isolation_level of the protocol. */
const READ_COMMITTED = 1
const ANY_LEADER_EPOCH = -1
/** Start of the log of a reader that is no replica. */
const NO_LOG_START = -1
/** How much later than it is held an answer may come. */
const NETWORK_MS = 100

export interface PartitionFetch {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

export interface FetchLimits {
  /** How long the broker may hold an empty answer. */
  readonly maxWaitMs: number
  readonly minBytes: number
  readonly maxBytes: number
  /** Limit of each partition. */
  readonly partitionBytes: number
}

/** Session 0 in epoch 0 asks for one, in epoch -1 for none. */
export interface SessionPosition {
  readonly id: number
  readonly epoch: number
}

const noSession: SessionPosition = { id: 0, epoch: -1 }

export interface FetchRequest extends FetchLimits {
  readonly session: SessionPosition
  /** In a session: those that are new to it, and those whose offset has changed. */
  readonly partitions: readonly PartitionFetch[]
  /** Those that leave the session. */
  readonly forgotten: readonly Omit<PartitionFetch, 'offset'>[]
}

export interface TopicPartition extends FetchedPartition {
  readonly topic: string
  /** Where the first transaction begins that is still open; without one, the end of the written records. */
  readonly lastStableOffset: string
  /** Then it has no records. */
  readonly error: Error | null
}

export interface FetchAnswer {
  /** 0: the broker keeps no session. */
  readonly sessionId: number
  /** In a session only those with something new. */
  readonly partitions: readonly TopicPartition[]
}

/** Rejects with the error of the whole request: of its session, mostly. */
export function fetchFrom(broker: Broker, request: FetchRequest): Promise<FetchAnswer> {
  return broker.connectionPool.send<FetchAnswer>({
    request: { ...FETCH, encode: async () => encode(request) },
    requestTimeout: request.maxWaitMs + NETWORK_MS,
    response: {
      decode: async (body) => {
        const { answer, throttleMs } = await decode(body)
        return { answer, clientSideThrottleTime: throttleMs }
      },
      parse: ({ answer }) => Promise.resolve(answer),
    },
  })
}

/** Outside of sessions. */
export async function fetchEach(
  broker: Broker,
  partitions: readonly PartitionFetch[],
  limits: FetchLimits,
): Promise<readonly TopicPartition[]> {
  const answer = await fetchFrom(broker, { session: noSession, ...limits, partitions, forgotten: [] })
  return answer.partitions
}

/**
 * One partition, outside of sessions. Rejects with its error too, and with a transient one while a quota of the brokers is
 * exceeded: they answer at once then, with no partition at all, and the connection waits before the next request.
 */
export async function fetchOnce(
  broker: Broker,
  partition: PartitionFetch,
  limits: FetchLimits,
): Promise<TopicPartition> {
  const [fetched] = await fetchEach(broker, [partition], limits)
  if (fetched === undefined) {
    const what = `${partition.topic}[${partition.partition}]`
    const error = new Error(`the broker's answer lacks ${what}: a quota of its clients is exceeded`)
    throw Object.assign(error, { type: 'THROTTLING_QUOTA_EXCEEDED', retriable: true })
  }
  if (fetched.error !== null) throw fetched.error
  return fetched
}

function encode(request: FetchRequest): ByteWriter {
  const { session, partitions, forgotten, partitionBytes } = request
  const to = new ByteWriter(128 + 40 * partitions.length)
  to.int32(CONSUMER).int32(request.maxWaitMs).int32(request.minBytes).int32(request.maxBytes)
  to.int8(READ_COMMITTED).int32(session.id).int32(session.epoch)
  byTopic(to, partitions, ({ partition, offset }) => {
    to.int32(partition).int32(ANY_LEADER_EPOCH).int64(offset).int64(NO_LOG_START).int32(partitionBytes)
  })
  byTopic(to, forgotten, ({ partition }) => to.int32(partition))
  // Its rack.
  return to.string('')
}

function byTopic<P extends { readonly topic: string }>(
  to: ByteWriter,
  partitions: readonly P[],
  write: (partition: P) => void,
): void {
  const topics = [...Map.groupBy(partitions, ({ topic }) => topic)]
  to.array(topics, ([topic, of]) => to.string(topic).array(of, write))
}

interface Undecoded {
  readonly partition: Omit<TopicPartition, 'messages' | 'nextOffset' | 'error'>
  readonly code: number
  readonly records: Buffer
}

async function decode(body: Buffer): Promise<{ answer: FetchAnswer; throttleMs: number }> {
  const from = new Reader(body)
  const throttleMs = from.int32()
  mustSucceed([from.int16()])
  const sessionId = from.int32()
  const found: Undecoded[] = []
  from.array(() => {
    const topic = from.string()
    from.array(() => {
      const partition = from.int32()
      const code = from.int16()
      const highWatermark = String(from.int64())
      const lastStableOffset = String(from.int64())
      // Where the log starts.
      from.skip(8)
      const abortedTransactions = from.array(() => ({
        producerId: String(from.int64()),
        firstOffset: String(from.int64()),
      }))
      // A replica to prefer: of brokers that know racks.
      from.skip(4)
      const records = from.bytes()
      const facts = { topic, partition, highWatermark, lastStableOffset, abortedTransactions }
      found.push({ partition: facts, code, records })
    })
  })
  const partitions: TopicPartition[] = []
  for (const each of found) partitions.push(await decodePartition(each))
  return { answer: { sessionId, partitions }, throttleMs }
}

async function decodePartition({ partition, code, records }: Undecoded): Promise<TopicPartition> {
  const failed = (error: Error) => ({ ...partition, messages: [], nextOffset: null, error })
  if (code !== 0) return failed(wire.errorOf(code))
  try {
    return { ...partition, ...(await decodeBatches(records, unpackerOf)), error: null }
  } catch (error) {
    return failed(error instanceof Error ? error : new Error(String(error)))
  }
}

const NOTHING = Buffer.alloc(0)

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  skip(count: number): number {
    const at = this.#at
    this.#at += count
    return at
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.skip(2))
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.skip(4))
  }

  int64(): bigint {
    return this.#bytes.readBigInt64BE(this.skip(8))
  }

  string(): string {
    const length = this.int16()
    const at = this.skip(length)
    return this.#bytes.toString('utf8', at, at + length)
  }

  /** Null is empty, and so are bytes that were cut off: the answer has a limit. */
  bytes(): Buffer {
    const length = this.int32()
    if (length <= 0) return NOTHING
    const at = this.skip(length)
    return this.#bytes.subarray(at, at + length)
  }

  array<T>(read: () => T): T[] {
    const items: T[] = []
    for (let left = this.int32(); left > 0; left--) items.push(read())
    return items
  }
}
