// Encodes a batch of records (magic 2, Kafka 0.11 and later), uncompressed, in one pass: the sizes of the records
// are computed first, because each stands in front of its record.
import { varintBytes, varlongBytes, type ByteWriter } from '../connection/byte-writer.ts'
import { wire, type ProducedMessage, type ProducerIdentity } from '../connection/client.ts'

export interface OutgoingBatch extends ProducerIdentity {
  readonly messages: readonly ProducedMessage[]
  readonly firstSequence: number
  readonly transactional: boolean
  /** Time of its records that have none of their own, epoch milliseconds. */
  readonly nowMs: number
}

/** From the batch's own offset to the number of its records. */
const HEADER_BYTES = 61
/** Offset and length, which the length does not count. */
const LENGTH_END = 12
/** Offset, length, leader epoch, magic and checksum, which the checksum does not cover. */
const CHECKED_FROM = 21
const MAGIC = 2
const TRANSACTIONAL = 0x10
/** Attributes. */
const FIXED_BYTES = 1

interface Sized {
  readonly message: ProducedMessage
  readonly keyBytes: number
  readonly headers: readonly [string, string][]
  /** Milliseconds from the batch's time. */
  readonly delta: number
  readonly bytes: number
}

/** Appends the batch, with its size + 1 in front as flexible versions have it. */
export function writeBatch(to: ByteWriter, batch: OutgoingBatch): void {
  const times = batch.messages.map(({ timestamp }) =>
    timestamp === undefined ? batch.nowMs : Number(timestamp),
  )
  const [first, last] = times.reduce(([least, most], ms) => [Math.min(least, ms), Math.max(most, ms)], [
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ] as [number, number])
  const records = batch.messages.map((message, index) =>
    sizeOf(message, index, (times[index] ?? first) - first),
  )
  const bytes = records.reduce((sum, record) => sum + varintBytes(record.bytes) + record.bytes, HEADER_BYTES)
  to.uvarint(bytes + 1)
  const start = to.length
  to.int64(0)
    .int32(bytes - LENGTH_END)
    .int32(0)
    .int8(MAGIC)
    .uint32(0)
  to.int16(batch.transactional ? TRANSACTIONAL : 0).int32(records.length - 1)
  to.int64(first).int64(last)
  to.int64(batch.producerId).int16(batch.producerEpoch).int32(batch.firstSequence).int32(records.length)
  for (let index = 0; index < records.length; index++) writeRecord(to, records[index] as Sized, index)
  to.buf.writeUInt32BE(wire.crc32c(to.buffer.subarray(start + CHECKED_FROM)), start + CHECKED_FROM - 4)
}

function sizeOf(message: ProducedMessage, offsetDelta: number, delta: number): Sized {
  const { key, value } = message
  const keyBytes = key === null ? -1 : Buffer.byteLength(key)
  const headers = Object.entries(message.headers)
  let bytes = FIXED_BYTES + varlongBytes(delta) + varintBytes(offsetDelta)
  bytes += fieldBytes(keyBytes) + fieldBytes(value?.length ?? -1) + varintBytes(headers.length)
  for (const [name, text] of headers)
    bytes += fieldBytes(Buffer.byteLength(name)) + fieldBytes(Buffer.byteLength(text))
  return { message, keyBytes, headers, delta, bytes }
}

/** Length and content; -1: null. */
const fieldBytes = (length: number): number => varintBytes(length) + Math.max(0, length)

function writeRecord(
  to: ByteWriter,
  { message, keyBytes, headers, delta, bytes }: Sized,
  offsetDelta: number,
): void {
  const { key, value } = message
  to.varint(bytes).int8(0).varlong(delta).varint(offsetDelta).varint(keyBytes)
  if (key !== null) to.text(key, keyBytes)
  to.varint(value?.length ?? -1)
  if (value !== null) to.bytes(value)
  to.varint(headers.length)
  for (const [name, text] of headers) {
    writeText(to, name)
    writeText(to, text)
  }
}

function writeText(to: ByteWriter, text: string): void {
  const byteLength = Buffer.byteLength(text)
  to.varint(byteLength).text(text, byteLength)
}
