// Transaction requests that kafkajs doesn't have: those of Kafka's second protocol (KIP-890,
// transaction.version=2), and for both protocols positions committed for a group's member (KIP-447) and the
// next identity for the holder of the current one (KIP-360).
//
// 1. It needs two requests and one round trip fewer: Produce and TxnOffsetCommit add their partitions
//    themselves, so that AddPartitionsToTxn and AddOffsetsToTxn are not needed.
// 2. The end of each transaction answers with the identity of the next one: the epoch one higher or, once
//    epochs have run out, another producer id. A late request can't get into a later transaction.
// 3. Positions carry member and generation: the group's coordinator refuses those of a member that the group
//    has expelled, even if its transactional id is valid.
// 4. A broker distinguishes the protocols by the requests' versions alone. We speak the second one only if
//    the cluster reports it as enabled; if that is unclear, the first.
//
// Formats: Kafka's message definitions (clients/src/main/resources/common/message). All are flexible
// versions: lengths are unsigned varints of the length + 1, every structure ends with tagged fields, and so
// do the headers, except that of the answer to ApiVersions.
import {
  wire,
  type Broker,
  type Decoder,
  type Encoder,
  type GroupIdentity,
  type OffsetTopics,
  type ProducerIdentity,
  type ProduceRequest,
  type ProduceResponse,
  type TransactionIdentity,
} from './client.ts'
import { isUnreachable } from './errors.ts'

export type Protocol = 1 | 2

interface Api {
  readonly apiKey: number
  readonly apiVersion: number
  readonly apiName: string
}

const PRODUCE: Api = { apiKey: 0, apiVersion: 12, apiName: 'Produce' }
const API_VERSIONS: Api = { apiKey: 18, apiVersion: 3, apiName: 'ApiVersions' }
const END_TXN: Api = { apiKey: 26, apiVersion: 5, apiName: 'EndTxn' }
const TXN_OFFSET_COMMIT: Api = { apiKey: 28, apiVersion: 5, apiName: 'TxnOffsetCommit' }
/** The first version that names the member; in the first protocol. The bodies are the same. Kafka 2.5. */
const TXN_OFFSET_COMMIT_FIRST: Api = { ...TXN_OFFSET_COMMIT, apiVersion: 3 }
/** The first version that carries the current identity and is refused with PRODUCER_FENCED. Kafka 2.7. */
const INIT_PRODUCER_ID: Api = { apiKey: 22, apiVersion: 4, apiName: 'InitProducerId' }

const FINALIZED_FEATURES = 2
const NO_GENERATION = -1
const NO_LEADER_EPOCH = -1

/** The requests that differ. */
export interface TransactionRequests {
  produce(request: ProduceRequest): Promise<ProduceResponse>
  /** Resolves with the identity of the next transaction, or null if this one's continues. */
  endTxn(request: TransactionIdentity & { transactionResult: boolean }): Promise<ProducerIdentity | null>
}

export function requestsTo(broker: Broker, protocol: Protocol): TransactionRequests {
  if (protocol === 1)
    return {
      produce: (request) => broker.produce(request),
      endTxn: (request) => broker.endTxn(request).then(() => null),
    }
  return {
    produce: (request) => send(broker, PRODUCE, () => encodeProduce(request), decodeProduced),
    endTxn: (request) => send(broker, END_TXN, () => encodeEnd(request), decodeEnded),
  }
}

export interface TransactionOffsets extends TransactionIdentity, OffsetTopics {
  /** Absent: no member is named, and none is checked. */
  readonly member?: GroupIdentity
}

export function txnOffsetCommit(
  broker: Broker,
  protocol: Protocol,
  request: TransactionOffsets,
): Promise<unknown> {
  const api = protocol === 2 ? TXN_OFFSET_COMMIT : TXN_OFFSET_COMMIT_FIRST
  return send(broker, api, () => encodeOffsets(request), decodeOffsetsCommitted)
}

/**
 * The identity after this one. Rejects with a fencing error if another process has taken the transactional
 * id: it is never taken back.
 */
export function nextIdentity(
  broker: Broker,
  identity: TransactionIdentity,
  transactionTimeoutMs: number,
): Promise<ProducerIdentity> {
  return send(broker, INIT_PRODUCER_ID, () => encodeInit(identity, transactionTimeoutMs), decodeEnded)
}

/** The enabled protocol. Rejects only if the broker can't be reached; an unusable answer means the first. */
export async function protocolOf(broker: Broker): Promise<Protocol> {
  try {
    return await send(broker, API_VERSIONS, encodeApiVersions, decodeProtocol)
  } catch (error) {
    if (isUnreachable(error)) throw error
    return 1
  }
}

export function send<T>(
  broker: Broker,
  api: Api,
  encode: () => Encoder | Promise<Encoder>,
  decode: (body: Buffer) => { answer: T; throttleMs: number },
): Promise<T> {
  return broker.connectionPool.send<T>({
    request: { ...api, encode: async () => encode() },
    response: {
      decode: async (body) => {
        const { answer, throttleMs } = decode(body)
        return { answer, clientSideThrottleTime: throttleMs }
      },
      parse: ({ answer }) => Promise.resolve(answer),
    },
  })
}

export const noTags = (encoder: Encoder): Encoder => encoder.writeUVarInt(0)

/** The body of a request, after the tagged fields of its header. */
export const body = (): Encoder => noTags(wire.encoder())

/** kafkajs's own reads the size of a tagged field as one more than it is. */
function readTags(decoder: Decoder, read: (tag: number, field: Buffer) => void = () => {}): void {
  for (let left = decoder.readUVarInt(); left > 0; left--) {
    const tag = decoder.readUVarInt()
    read(tag, decoder.readBytes(decoder.readUVarInt()))
  }
}

export function readArray<T>(decoder: Decoder, read: (decoder: Decoder) => T): T[] {
  return (
    decoder.readUVarIntArray((element) => {
      const value = read(element)
      readTags(element)
      return value
    }) ?? []
  )
}

export function afterHeader(answer: Buffer): Decoder {
  const decoder = wire.decoder(answer)
  readTags(decoder)
  return decoder
}

export function mustSucceed(codes: readonly number[]): void {
  const failed = codes.find((code) => code !== 0)
  if (failed !== undefined) throw wire.errorOf(failed)
}

function encodeApiVersions(): Encoder {
  return noTags(body().writeUVarIntString('flotilla').writeUVarIntString('1'))
}

function decodeProtocol(answer: Buffer): { answer: Protocol; throttleMs: number } {
  const decoder = wire.decoder(answer)
  // A broker that doesn't know this version of the request answers in an older one, which begins with the
  // error too.
  mustSucceed([decoder.readInt16()])
  const highest = new Map(
    readArray(decoder, () => {
      const apiKey = decoder.readInt16()
      decoder.readInt16()
      return [apiKey, decoder.readInt16()] as const
    }),
  )
  const throttleMs = decoder.readInt32()
  let level = 0
  readTags(decoder, (tag, field) => {
    if (tag === FINALIZED_FEATURES) level = levelIn(wire.decoder(field))
  })
  const known = [PRODUCE, TXN_OFFSET_COMMIT, END_TXN].every(
    ({ apiKey, apiVersion }) => (highest.get(apiKey) ?? 0) >= apiVersion,
  )
  return { answer: known && level >= 2 ? 2 : 1, throttleMs }
}

function levelIn(decoder: Decoder): number {
  const features = readArray(decoder, () => {
    const name = decoder.readUVarIntString()
    const level = decoder.readInt16()
    decoder.readInt16()
    return { name, level }
  })
  return features.find(({ name }) => name === 'transaction.version')?.level ?? 0
}

async function encodeProduce(request: ProduceRequest): Promise<Encoder> {
  const topics: Encoder[] = []
  for (const { topic, partitions } of request.topicData) {
    const batches: Encoder[] = []
    for (const { partition, firstSequence, messages } of partitions) {
      const batch = await encodeBatch(request, firstSequence, messages)
      const size = batch.size() + 1
      batches.push(noTags(wire.encoder().writeInt32(partition).writeUVarInt(size).writeEncoder(batch)))
    }
    topics.push(noTags(wire.encoder().writeUVarIntString(topic).writeUVarIntArray(batches)))
  }
  return noTags(
    body()
      .writeUVarIntString(request.transactionalId ?? null)
      .writeInt16(request.acks)
      .writeInt32(request.timeout)
      .writeUVarIntArray(topics),
  )
}

type Messages = ProduceRequest['topicData'][number]['partitions'][number]['messages']

function encodeBatch(request: ProduceRequest, firstSequence: number, messages: Messages): Promise<Encoder> {
  const { producerId, producerEpoch, transactionalId } = request
  const now = Date.now()
  const times = messages.flatMap(({ timestamp }) => (timestamp === undefined ? [] : [Number(timestamp)]))
  const firstTimestamp = Math.min(now, ...times)
  return wire.recordBatch({
    records: messages.map((message, offsetDelta) =>
      wire.record({ ...message, offsetDelta, timestampDelta: (times[offsetDelta] ?? now) - firstTimestamp }),
    ),
    firstTimestamp,
    maxTimestamp: times.length === messages.length ? Math.max(...times) : now,
    producerId,
    producerEpoch,
    firstSequence,
    lastOffsetDelta: messages.length - 1,
    transactional: transactionalId !== undefined,
  })
}

function decodeProduced(answer: Buffer): { answer: ProduceResponse; throttleMs: number } {
  const decoder = afterHeader(answer)
  const errors: number[] = []
  const topics = readArray(decoder, () => ({
    topicName: decoder.readUVarIntString() ?? '',
    partitions: readArray(decoder, () => {
      const partition = decoder.readInt32()
      errors.push(decoder.readInt16())
      const baseOffset = decoder.readInt64().toString()
      // When it was appended, and where the log starts.
      decoder.readInt64()
      decoder.readInt64()
      readArray(decoder, () => [decoder.readInt32(), decoder.readUVarIntString()])
      decoder.readUVarIntString()
      return { partition, baseOffset }
    }),
  }))
  const throttleMs = decoder.readInt32()
  mustSucceed(errors)
  return { answer: { topics }, throttleMs }
}

function encodeOffsets(request: TransactionOffsets): Encoder {
  const topics = request.topics.map(({ topic, partitions }) => {
    const offsets = partitions.map(({ partition, offset, metadata }) => {
      const at = wire.encoder().writeInt32(partition).writeInt64(offset).writeInt32(NO_LEADER_EPOCH)
      return noTags(at.writeUVarIntString(metadata ?? null))
    })
    return noTags(wire.encoder().writeUVarIntString(topic).writeUVarIntArray(offsets))
  })
  return noTags(
    body()
      .writeUVarIntString(request.transactionalId)
      .writeUVarIntString(request.groupId)
      .writeInt64(request.producerId)
      .writeInt16(request.producerEpoch)
      .writeInt32(request.member?.groupGenerationId ?? NO_GENERATION)
      .writeUVarIntString(request.member?.memberId ?? '')
      // No static membership.
      .writeUVarIntString(null)
      .writeUVarIntArray(topics),
  )
}

function decodeOffsetsCommitted(answer: Buffer): { answer: null; throttleMs: number } {
  const decoder = afterHeader(answer)
  const throttleMs = decoder.readInt32()
  const errors: number[] = []
  readArray(decoder, () => {
    decoder.readUVarIntString()
    readArray(decoder, () => {
      decoder.readInt32()
      errors.push(decoder.readInt16())
    })
  })
  mustSucceed(errors)
  return { answer: null, throttleMs }
}

function encodeInit(identity: TransactionIdentity, transactionTimeoutMs: number): Encoder {
  return noTags(
    body()
      .writeUVarIntString(identity.transactionalId)
      .writeInt32(transactionTimeoutMs)
      .writeInt64(identity.producerId)
      .writeInt16(identity.producerEpoch),
  )
}

function encodeEnd(request: TransactionIdentity & { transactionResult: boolean }): Encoder {
  return noTags(
    body()
      .writeUVarIntString(request.transactionalId)
      .writeInt64(request.producerId)
      .writeInt16(request.producerEpoch)
      .writeBoolean(request.transactionResult),
  )
}

/** EndTxn and InitProducerId answer alike. */
function decodeEnded(answer: Buffer): { answer: ProducerIdentity; throttleMs: number } {
  const decoder = afterHeader(answer)
  const throttleMs = decoder.readInt32()
  mustSucceed([decoder.readInt16()])
  const producerId = decoder.readInt64().toString()
  return { answer: { producerId, producerEpoch: decoder.readInt16() }, throttleMs }
}
