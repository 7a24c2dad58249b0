// Decodes the batches of records that a broker answers to a fetch (magic 2, Kafka 0.11 and later).
//
// 1. Time and memory are linear in the bytes, whatever they hold: a record of 1 MB may have 100,000 headers,
//    a batch 100,000 records. kafkajs copies a record's headers for each further one, and all records of a
//    batch onto the stack.
// 2. The last batch of an answer may be cut off, because the answer has a limit: it is left out, and fetched
//    again.
// 3. A compressed batch may hold more records than fit in memory: past MAX_RECORDS it throws.
// 4. Bytes that are no batch throw. Brokers check what producers send, so these mean an incompatible broker.
// 5. A batch may be empty: compaction keeps the last one of a live producer even when it has removed all its records.
//    An answer of such batches alone still moves a reader on.
import type { RawMessage } from '../connection/client.ts'

/** Decompresses the records of a batch by its attributes; null if they are not compressed. */
export type Unpacker = ((packed: Buffer) => Promise<Buffer>) | null

/** Offset, length, leader epoch, magic, checksum, attributes, delta, two times, producer, epoch, numbers. */
const HEADER_BYTES = 61
/** Behind its offset and length. */
const LENGTH_END = 12
/** The smallest records of this number have more than 7 MB. */
const MAX_RECORDS = 1_000_000
const MAGIC = 2
const LOG_APPEND_TIME = 0x8
const TRANSACTIONAL = 0x10
const CONTROL = 0x20

type Batch = RawMessage['batchContext'] & { readonly isControlBatch: boolean }

export interface Batches {
  readonly messages: readonly RawMessage[]
  /** Offset past the last whole batch; null if there is none. */
  readonly nextOffset: number | null
}

export async function decodeBatches(
  bytes: Buffer,
  unpacker: (attributes: number) => Unpacker,
): Promise<Batches> {
  const messages: RawMessage[] = []
  let nextOffset: number | null = null
  for (let start = 0; start + LENGTH_END <= bytes.length;) {
    const end = start + LENGTH_END + bytes.readInt32BE(start + 8)
    if (end < start + HEADER_BYTES) throw new RangeError('a batch of records is shorter than its header')
    if (end > bytes.length) break
    if (bytes.readInt8(start + 16) !== MAGIC)
      throw new RangeError('records in the format of brokers before Kafka 0.11: write their topic again')
    const attributes = bytes.readInt16BE(start + 21)
    const packed = bytes.subarray(start + HEADER_BYTES, end)
    const unpack = unpacker(attributes)
    const records = unpack && packed.length > 0 ? await unpack(packed) : packed
    decodeRecords(bytes.subarray(start, start + HEADER_BYTES), records, messages)
    nextOffset = Number(bytes.readBigInt64BE(start)) + bytes.readInt32BE(start + 23) + 1
    start = end
  }
  return { messages, nextOffset }
}

function decodeRecords(header: Buffer, records: Buffer, into: RawMessage[]): void {
  const attributes = header.readInt16BE(21)
  const firstTimestamp = header.readBigInt64BE(27)
  const isBrokersTime = (attributes & LOG_APPEND_TIME) > 0
  const batchContext: Batch = {
    timestampType: isBrokersTime ? 1 : 0,
    producerId: String(header.readBigInt64BE(43)),
    inTransaction: (attributes & TRANSACTIONAL) > 0,
    partitionLeaderEpoch: header.readInt32BE(12),
    isControlBatch: (attributes & CONTROL) > 0,
  }
  const batch = {
    batchContext,
    offset: Number(header.readBigInt64BE(0)),
    timestamp: Number(isBrokersTime ? header.readBigInt64BE(35) : firstTimestamp),
    isBrokersTime,
  }
  const cursor = new Cursor(records)
  const count = header.readInt32BE(57)
  if (count > MAX_RECORDS)
    throw new RangeError(`a batch has ${count} records, at most ${MAX_RECORDS} are taken`)
  for (let index = 0; index < count; index++) into.push(decodeRecord(cursor, batch))
}

interface InBatch {
  readonly batchContext: Batch
  /** Offset of the first record. */
  readonly offset: number
  readonly timestamp: number
  readonly isBrokersTime: boolean
}

function decodeRecord(
  cursor: Cursor,
  { batchContext, offset, timestamp, isBrokersTime }: InBatch,
): RawMessage {
  const length = cursor.varint()
  const end = cursor.position + length
  cursor.skip(1)
  const timestampDelta = cursor.varint()
  const offsetDelta = cursor.varint()
  const key = cursor.bytes()
  const value = cursor.bytes()
  const headers = decodeHeaders(cursor)
  if (cursor.position !== end) throw new RangeError('a record is longer or shorter than it says')
  return {
    offset: String(offset + offsetDelta),
    timestamp: String(isBrokersTime ? timestamp : timestamp + timestampDelta),
    key,
    value,
    headers,
    isControlRecord: batchContext.isControlBatch,
    batchContext,
  }
}

/** A header given several times: the last one counts. */
function decodeHeaders(cursor: Cursor): Record<string, string> {
  const headers: [string, string][] = []
  const count = cursor.varint()
  for (let index = 0; index < count; index++) {
    const name = cursor.text() ?? ''
    const value = cursor.text()
    if (value !== null) headers.push([name, value])
  }
  return Object.fromEntries(headers)
}

/** A reader of bytes; throws a RangeError past the end. */
class Cursor {
  position = 0
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  skip(count: number): void {
    if (!(count >= 0 && this.position + count <= this.#bytes.length))
      throw new RangeError('a record ends past its batch')
    this.position += count
  }

  /** Zigzag, up to 64 bits; past 53 of them it is not exact. */
  varint(): number {
    const first = this.#bytes[this.position]
    if (first !== undefined && first < 128) {
      this.position++
      return first % 2 === 0 ? first / 2 : -(first + 1) / 2
    }
    let value = 0
    for (let scale = 1; scale < 2 ** 70; scale *= 128) {
      const at = this.position
      this.skip(1)
      const byte = this.#bytes[at] as number
      value += (byte & 127) * scale
      if (byte < 128) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
    throw new RangeError('a number of a record has more than 64 bits')
  }

  bytes(): Buffer | null {
    const length = this.varint()
    if (length < 0) return null
    const from = this.position
    this.skip(length)
    return this.#bytes.subarray(from, from + length)
  }

  text(): string | null {
    const length = this.varint()
    if (length < 0) return null
    const from = this.position
    this.skip(length)
    return this.#bytes.toString('utf8', from, from + length)
  }
}
