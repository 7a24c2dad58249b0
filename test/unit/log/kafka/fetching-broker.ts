// A broker that takes requests for records, and answers with what a test gives, both as bytes of Fetch version 11.
import { writeBatch } from '../../../../runtime/log/kafka/produce/batch-encoding.ts'
import { ByteWriter } from '../../../../runtime/log/kafka/connection/byte-writer.ts'
import type { Broker, Client, Cluster, Exchange } from '../../../../runtime/log/kafka/connection/client.ts'
import { Link } from '../../../../runtime/log/kafka/connection/link.ts'

export interface Fetched {
  readonly maxWaitMs: number
  readonly session: { readonly id: number; readonly epoch: number }
  /** `topic[partition]@offset` of each. */
  readonly named: readonly string[]
  /** `topic[partition]` of each. */
  readonly forgotten: readonly string[]
}

export interface Answer {
  readonly error?: number
  readonly sessionId?: number
  /** Records of one partition, each with its offset as text. */
  readonly partitions?: readonly {
    readonly topic: string
    readonly partition: number
    readonly error?: number
    readonly offsets?: readonly number[]
    /** Of the leader that wrote them; default 0. */
    readonly epoch?: number
    /** Default: 100, as the end of the written records is. */
    readonly stable?: number
  }[]
}

export function fetchingBroker(answer: (request: Fetched) => Answer | Error): {
  broker: Broker
  requests: Fetched[]
} {
  const requests: Fetched[] = []
  const send = async <T>({ request, response }: Exchange<T>): Promise<T> => {
    const fetched = readRequest((await request.encode()).buffer)
    requests.push(fetched)
    const given = answer(fetched)
    if (given instanceof Error) throw given
    return response.parse(await response.decode(answerBytes(given)))
  }
  return { broker: { connectionPool: { send, pool: [] } } as unknown as Broker, requests }
}

/** Leaders are asked for again at each refresh. */
export function linkTo(brokerOf: (nodeId: string) => Broker, leaderOf = (_topic: string) => '1'): Link {
  const brokerPool = { metadata: {} }
  const cluster = {
    connect: async () => {},
    disconnect: async () => {},
    addMultipleTargetTopics: async () => {},
    brokerPool,
    refreshMetadata: async () => void (brokerPool.metadata = {}),
    findBroker: async ({ nodeId }: { nodeId: string }) => brokerOf(nodeId),
    findLeaderForPartitions: (topic: string, partitions: number[]) => ({ [leaderOf(topic)]: partitions }),
  } as unknown as Cluster
  return new Link({ cluster: () => cluster, requestTimeoutMs: 10_000 } as unknown as Client, [])
}

function readRequest(bytes: Buffer): Fetched {
  let at = 0
  const int32 = (): number => bytes.readInt32BE((at += 4) - 4)
  const text = (): string => {
    const length = bytes.readInt16BE((at += 2) - 2)
    return bytes.toString('utf8', at, (at += length))
  }
  const each = <T>(read: () => T): T[] => Array.from({ length: int32() }, read)
  int32()
  const maxWaitMs = int32()
  // Fewest and most bytes, and the isolation level.
  at += 9
  const session = { id: int32(), epoch: int32() }
  const ofTopics = (read: (topic: string) => string): string[] =>
    each(() => {
      const topic = text()
      return each(() => read(topic))
    }).flat()
  const named = ofTopics((topic) => {
    const partition = int32()
    at += 4
    const offset = bytes.readBigInt64BE((at += 8) - 8)
    // Where its log starts, and its most bytes.
    at += 12
    return `${topic}[${partition}]@${offset}`
  })
  const forgotten = ofTopics((topic) => `${topic}[${int32()}]`)
  text()
  if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes behind the request`)
  return { maxWaitMs, session, named, forgotten }
}

function answerBytes({ error = 0, sessionId = 0, partitions = [] }: Answer): Buffer {
  const to = new ByteWriter().int32(0).int16(error).int32(sessionId)
  to.array(partitions, ({ topic, partition, error: code = 0, offsets = [], epoch = 0, stable = 100 }) => {
    to.string(topic).int32(1).int32(partition).int16(code)
    // High watermark, last stable offset, start of the log; no aborted transactions; no preferred replica.
    to.int64(100).int64(stable).int64(0).int32(-1).int32(-1)
    const records = Buffer.concat(offsets.map((offset) => recordBytes(offset, epoch)))
    to.int32(records.length).bytes(records)
  })
  return Buffer.from(to.buffer)
}

function recordBytes(offset: number, epoch: number): Buffer {
  const messages = [{ key: null, value: Buffer.from(String(offset)), headers: {} }]
  const identity = { producerId: '1', producerEpoch: 0, firstSequence: 0 }
  const to = new ByteWriter()
  writeBatch(to, { messages, ...identity, transactional: false, nowMs: 0 })
  const batch = Buffer.from(to.buffer.subarray(1))
  batch.writeBigInt64BE(BigInt(offset), 0)
  batch.writeInt32BE(epoch, 12)
  return batch
}
