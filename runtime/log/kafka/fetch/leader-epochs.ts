// Finds where the records of a leader's epoch end (KIP-320): this shows a reader that a log was truncated and
// has grown again under the same offsets. kafkajs doesn't have the request. Format: OffsetForLeaderEpoch of
// Kafka's message definitions, version 4 (Kafka 2.8).
import type { ByteWriter } from '../connection/byte-writer.ts'
import type { Broker } from '../connection/client.ts'
import { errorType, isUnreachable } from '../errors.ts'
import type { Link } from '../connection/link.ts'
import { afterHeader, body, mustSucceed, readArray, send } from '../produce/transaction-v2.ts'

const OFFSET_FOR_LEADER_EPOCH = { apiKey: 23, apiVersion: 4, apiName: 'OffsetForLeaderEpoch' }
const CONSUMER = -2
/** Accepts the answer of the current leader, whatever its epoch. */
const ANY_EPOCH = -1

/** Epoch of a record whose leader is not known: nothing was read yet. */
export const NO_EPOCH = -1

export interface EpochEnd {
  /** The latest epoch, up to the requested one, with records in the log. */
  readonly epoch: number
  /** Offset after its last record. */
  readonly endOffset: number
}

/** Null if the broker can't tell: it is older, or the log has no record of so early an epoch. */
async function endOfEpoch(
  link: Link,
  topic: string,
  partition: number,
  epoch: number,
): Promise<EpochEnd | null> {
  const broker = await link.cluster.findBroker({ nodeId: link.leaderOf(topic, partition) })
  return endFrom(broker, topic, partition, epoch)
}

export async function endFrom(
  broker: Broker,
  topic: string,
  partition: number,
  epoch: number,
): Promise<EpochEnd | null> {
  try {
    const encoded = (): ByteWriter => encode(topic, partition, epoch)
    const end = await send(broker, OFFSET_FOR_LEADER_EPOCH, encoded, decode)
    return end === null || end.epoch < 0 || end.endOffset < 0 ? null : end
  } catch (error) {
    if (isUnreachable(error) || errorType(error) !== 'UNSUPPORTED_VERSION') throw error
    return null
  }
}

/**
 * The offset at which the log was truncated below `offset`, if the last record before `offset` was written in
 * `epoch`; null if it was not, or the broker can't tell.
 */
export async function cutBelow(
  link: Link,
  at: { topic: string; partition: number; offset: number; epoch: number },
): Promise<number | null> {
  if (at.epoch === NO_EPOCH) return null
  const end = await endOfEpoch(link, at.topic, at.partition, at.epoch)
  return end !== null && end.endOffset < at.offset ? end.endOffset : null
}

function encode(topic: string, partition: number, epoch: number): ByteWriter {
  const to = body().int32(CONSUMER)
  to.compactArray([topic], (name) => {
    to.compactString(name)
    to.compactArray([partition], (id) => to.int32(id).int32(ANY_EPOCH).int32(epoch).noTags())
    to.noTags()
  })
  return to.noTags()
}

function decode(answer: Buffer): { answer: EpochEnd | null; throttleMs: number } {
  const decoder = afterHeader(answer)
  const throttleMs = decoder.readInt32()
  const codes: number[] = []
  const ends = readArray(decoder, () => {
    decoder.readUVarIntString()
    return readArray(decoder, () => {
      codes.push(decoder.readInt16())
      decoder.readInt32()
      return { epoch: decoder.readInt32(), endOffset: Number(decoder.readInt64()) }
    })
  }).flat()
  mustSucceed(codes)
  return { answer: ends[0] ?? null, throttleMs }
}
