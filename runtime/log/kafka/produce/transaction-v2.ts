// Transaction requests that kafkajs doesn't have: those of Kafka's second protocol (KIP-890,
// transaction.version=2), and for both protocols positions of a group with members (KIP-447) and the next identity for
// the holder of the current one (KIP-360).
//
// 1. It needs two requests and one round trip fewer: Produce and TxnOffsetCommit add their partitions
//    themselves, so that AddPartitionsToTxn and AddOffsetsToTxn are not needed.
// 2. The end of each transaction answers with the identity of the next one: the epoch one higher or, once
//    epochs have run out, another producer id. A late request can't get into a later transaction.
// 3. Positions name no member: the group's coordinator takes them of the holder of the transactional id.
// 4. A broker distinguishes the protocols by the requests' versions alone. We speak the second one only if
//    the cluster reports it as enabled; if that is unclear, the first.
//
// Formats: Kafka's message definitions (clients/src/main/resources/common/message). All are flexible
// versions: lengths are unsigned varints of the length + 1, every structure ends with tagged fields, and so
// do the headers, except that of the answer to ApiVersions.
import { writeBatch } from './batch-encoding.ts'
import { ByteWriter } from '../connection/byte-writer.ts'
import {
  wire,
  type Broker,
  type Decoder,
  type OffsetTopics,
  type ProducerIdentity,
  type ProduceRequest,
  type ProduceResponse,
  type TransactionIdentity,
} from '../connection/client.ts'
import { isUnreachable } from '../errors.ts'

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
/** In the first protocol. The bodies are the same. Kafka 2.5. */
const TXN_OFFSET_COMMIT_FIRST: Api = { ...TXN_OFFSET_COMMIT, apiVersion: 3 }
/** The first version that carries the current identity and is refused with PRODUCER_FENCED. Kafka 2.7. */
const INIT_PRODUCER_ID: Api = { apiKey: 22, apiVersion: 4, apiName: 'InitProducerId' }

const FINALIZED_FEATURES = 2
/** Most requests fit; a larger one makes room as it is written. */
const PRODUCE_BYTES = 4_096
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

export interface TransactionOffsets extends TransactionIdentity, OffsetTopics {}

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
  encode: () => ByteWriter,
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

/** The body of a request, after the tagged fields of its header. */
export const body = (): ByteWriter => new ByteWriter().noTags()

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

function encodeApiVersions(): ByteWriter {
  return body().compactString('flotilla').compactString('1').noTags()
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

function encodeProduce(request: ProduceRequest): ByteWriter {
  const { producerId, producerEpoch, transactionalId = null } = request
  const batch = {
    producerId,
    producerEpoch,
    transactional: transactionalId !== null,
    nowMs: Date.now(),
  }
  const to = new ByteWriter(PRODUCE_BYTES).noTags()
  to.compactString(transactionalId).int16(request.acks).int32(request.timeout)
  to.compactArray(request.topicData, ({ topic, partitions }) => {
    to.compactString(topic)
    to.compactArray(partitions, ({ partition, firstSequence, messages }) => {
      to.int32(partition)
      writeBatch(to, { ...batch, firstSequence, messages })
      to.noTags()
    })
    to.noTags()
  })
  return to.noTags()
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

function encodeOffsets(request: TransactionOffsets): ByteWriter {
  const to = body()
  to.compactString(request.transactionalId).compactString(request.groupId)
  to.int64(request.producerId).int16(request.producerEpoch)
  to.int32(NO_GENERATION).compactString('')
  // No static membership.
  to.compactString(null)
  to.compactArray(request.topics, ({ topic, partitions }) => {
    to.compactString(topic)
    to.compactArray(partitions, ({ partition, offset, metadata }) => {
      to.int32(partition).int64(offset).int32(NO_LEADER_EPOCH)
      to.compactString(metadata ?? null).noTags()
    })
    to.noTags()
  })
  return to.noTags()
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

function encodeInit(identity: TransactionIdentity, transactionTimeoutMs: number): ByteWriter {
  const to = body().compactString(identity.transactionalId).int32(transactionTimeoutMs)
  return to.int64(identity.producerId).int16(identity.producerEpoch).noTags()
}

function encodeEnd(request: TransactionIdentity & { transactionResult: boolean }): ByteWriter {
  const to = body().compactString(request.transactionalId).int64(request.producerId)
  return to.int16(request.producerEpoch).boolean(request.transactionResult).noTags()
}

/** EndTxn and InitProducerId answer alike. */
function decodeEnded(answer: Buffer): { answer: ProducerIdentity; throttleMs: number } {
  const decoder = afterHeader(answer)
  const throttleMs = decoder.readInt32()
  mustSucceed([decoder.readInt16()])
  const producerId = decoder.readInt64().toString()
  return { answer: { producerId, producerEpoch: decoder.readInt16() }, throttleMs }
}
