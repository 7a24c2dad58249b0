// Batches of records as brokers send them: whatever they hold, decoding takes time by their bytes.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { gzipSync, gunzipSync } from 'node:zlib'
import { writeBatch, type OutgoingBatch } from '../../../../runtime/log/kafka/produce/batch-encoding.ts'
import { ByteWriter } from '../../../../runtime/log/kafka/connection/byte-writer.ts'
import { decodeBatches, type Unpacker } from '../../../../runtime/log/kafka/fetch/record-batches.ts'

const plain = (): Unpacker => null

const messagesOf = async (...given: Parameters<typeof decodeBatches>) =>
  (await decodeBatches(...given)).messages

interface Written {
  readonly key?: string | null
  readonly value?: string | null
  readonly headers?: readonly (readonly [string, string | null])[]
  readonly timestampDelta?: number
}

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value < 0 ? -2 * value - 1 : 2 * value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return [...bytes, rest]
}

const text = (value: string | null): Buffer => {
  const bytes = Buffer.from(value ?? '')
  return Buffer.concat([Buffer.from(varint(value === null ? -1 : bytes.length)), bytes])
}

function recordOf(
  { key = null, value = null, headers = [], timestampDelta = 0 }: Written,
  n: number,
): Buffer {
  const body = Buffer.concat([
    Buffer.from([0, ...varint(timestampDelta), ...varint(n)]),
    text(key),
    text(value),
    Buffer.from(varint(headers.length)),
    ...headers.flatMap(([name, content]) => [text(name), text(content)]),
  ])
  return Buffer.concat([Buffer.from(varint(body.length)), body])
}

interface BatchOptions {
  readonly attributes?: number
  readonly count?: number
  readonly pack?: (records: Buffer) => Buffer
  readonly magic?: number
  /** Of the batch. The first is 1,000. */
  readonly lastOffset?: number
}

function batchOf(records: readonly Buffer[], options: BatchOptions = {}): Buffer {
  const { attributes = 0, count = records.length, pack = (same) => same, magic = 2 } = options
  const { lastOffset = 999 + records.length } = options
  const header = Buffer.alloc(61)
  const packed = pack(Buffer.concat(records))
  header.writeBigInt64BE(1_000n, 0)
  header.writeInt32BE(49 + packed.length, 8)
  header.writeInt32BE(7, 12)
  header.writeInt8(magic, 16)
  header.writeInt16BE(attributes, 21)
  header.writeInt32BE(lastOffset - 1_000, 23)
  header.writeBigInt64BE(1_750_000_000_000n, 27)
  header.writeBigInt64BE(1_750_000_005_000n, 35)
  header.writeBigInt64BE(42n, 43)
  header.writeInt32BE(count, 57)
  return Buffer.concat([header, packed])
}

const part = createRequire(import.meta.url)
type Encoded = { readonly buffer: Buffer }
const { RecordBatch } = part('kafkajs/src/protocol/recordBatch/v0') as {
  RecordBatch: (batch: object) => Promise<Encoded>
}
const kafkajsRecord = part('kafkajs/src/protocol/recordBatch/record/v0') as (record: object) => Encoded

/** As kafkajs writes it. */
async function kafkajsBatch({ messages, nowMs, ...identity }: OutgoingBatch): Promise<Buffer> {
  const times = messages.map(({ timestamp }) => Number(timestamp ?? nowMs))
  const [firstTimestamp, maxTimestamp] = [Math.min(...times), Math.max(...times)]
  const records = messages.map((message, offsetDelta) =>
    kafkajsRecord({ ...message, offsetDelta, timestampDelta: (times[offsetDelta] ?? 0) - firstTimestamp }),
  )
  return (
    await RecordBatch({
      records,
      firstTimestamp,
      maxTimestamp,
      ...identity,
      lastOffsetDelta: messages.length - 1,
    })
  ).buffer
}

const outgoing: OutgoingBatch = {
  messages: [
    { key: 'k0', value: Buffer.from('a'), headers: { name: 'content', größe: 'groß 🦩' } },
    { key: null, value: null, headers: {} },
    { key: 'ключ', value: Buffer.alloc(70_000, 'x'), headers: { long: 'ä'.repeat(300) } },
    ...Array.from({ length: 200 }, (_, n) => ({ key: `k${n}`, value: Buffer.alloc(n), headers: {} })),
  ],
  producerId: '9223372036854775807',
  producerEpoch: 32_767,
  firstSequence: 2 ** 31 - 1,
  transactional: true,
  nowMs: 1_750_000_000_003,
}

const times = [1_700_000_000_000, 1_749_999_999_999, 1_700_000_000_064, 1_750_000_000_003, 1_702_147_483_648]

test('a batch is written as kafkajs writes it', async () => {
  for (const batch of [
    outgoing,
    // As records are copied: with their own times, which are weeks apart.
    {
      ...outgoing,
      messages: times.map((ms) => ({ key: 'k', value: null, headers: {}, timestamp: String(ms) })),
    },
    { ...outgoing, messages: outgoing.messages.slice(0, 1), transactional: false },
  ]) {
    const expected = await kafkajsBatch(batch)
    const to = new ByteWriter(16)
    writeBatch(to, batch)
    assert.deepEqual(to.buffer.subarray(to.length - expected.length), expected)
    assert.equal(to.length - expected.length, new ByteWriter().uvarint(expected.length + 1).length)
  }
})

test('a batch is read as it was written', async () => {
  const to = new ByteWriter()
  writeBatch(to, { ...outgoing, messages: outgoing.messages.slice(0, 2) })
  const [first, second] = await messagesOf(to.buffer.subarray(1 + Number(to.length > 129)), plain)
  assert.equal(first?.key?.toString(), 'k0')
  assert.equal(first?.value?.toString(), 'a')
  assert.equal(first?.headers['größe']?.toString(), 'groß 🦩')
  assert.deepEqual([first?.offset, second?.offset], ['0', '1'])
  assert.deepEqual([second?.key, second?.value], [null, null])
  assert.equal(second?.timestamp, '1750000000003')
  assert.deepEqual(
    [first?.batchContext.producerId, first?.batchContext.inTransaction],
    ['9223372036854775807', true],
  )
})

test('batches follow each other, and the last may be cut off', async () => {
  const batch = batchOf([recordOf({ value: 'x', timestampDelta: -5 }, 0), recordOf({}, 1)])
  const twice = Buffer.concat([batch, batch])
  const found = await messagesOf(twice.subarray(0, twice.length - 1), plain)
  assert.deepEqual(
    found.map(({ offset, timestamp }) => [offset, timestamp]),
    [
      ['1000', '1749999999995'],
      ['1001', '1750000000000'],
    ],
  )
  assert.equal((await messagesOf(twice, plain)).length, 4)
  assert.deepEqual(await decodeBatches(batch.subarray(0, 11), plain), { messages: [], nextOffset: null })
})

test('an empty batch, which compaction leaves of a live producer, moves a reader past its offsets (5)', async () => {
  const batch = batchOf([recordOf({}, 0), recordOf({}, 1)])
  const empty = batchOf([], { lastOffset: 1_007 })
  const read = async (...batches: Buffer[]) => {
    const { messages, nextOffset } = await decodeBatches(Buffer.concat(batches), plain)
    return [messages.length, nextOffset]
  }
  assert.deepEqual(await read(empty), [0, 1_008])
  assert.deepEqual(await read(batch, empty), [2, 1_008])
  assert.deepEqual(await read(batch, empty.subarray(0, 60)), [2, 1_002])
  const packed = await decodeBatches(
    batchOf([], { attributes: 1 }),
    () => () => assert.fail('unpacked nothing'),
  )
  assert.deepEqual(packed.messages, [])
})

test('the broker’s time, control records and the epoch of the leader', async () => {
  const [record] = await messagesOf(batchOf([recordOf({}, 0)], { attributes: 0x8 | 0x20 }), plain)
  assert.equal(record?.timestamp, '1750000005000')
  assert.equal(record?.isControlRecord, true)
  assert.equal(record?.batchContext.timestampType, 1)
  assert.equal(record?.batchContext.partitionLeaderEpoch, 7)
})

test('100,000 headers of one record, and 150,000 records of one batch', { timeout: 120_000 }, async () => {
  const headers = Array.from({ length: 100_000 }, (_, n) => [`h${n}`, ''] as const)
  const [record] = await messagesOf(batchOf([recordOf({ headers }, 0)]), plain)
  assert.equal(Object.keys(record?.headers ?? {}).length, 100_000)
  const records = Array.from({ length: 150_000 }, (_, n) => recordOf({}, n))
  const found = await messagesOf(batchOf(records), plain)
  assert.equal(found.length, 150_000)
  assert.equal(found.at(-1)?.offset, '150999')
})

test('a header given twice counts as it was given last, and one without a value not at all', async () => {
  const headers = [
    ['a', '1'],
    ['__proto__', 'own'],
    ['a', '2'],
    ['b', null],
  ] as const
  const [record] = await messagesOf(batchOf([recordOf({ headers }, 0)]), plain)
  assert.deepEqual(
    Object.entries(record?.headers ?? {}).map(([name, value]) => [name, value.toString()]),
    [
      ['a', '2'],
      ['__proto__', 'own'],
    ],
  )
})

test('a compressed batch is unpacked, and may not have more records than memory holds', async () => {
  const gzip = (): Unpacker => (packed) => Promise.resolve(gunzipSync(packed))
  const records = [recordOf({ value: 'packed' }, 0)]
  const [record] = await messagesOf(batchOf(records, { pack: gzipSync, attributes: 1 }), gzip)
  assert.equal(record?.value?.toString(), 'packed')
  const many = batchOf(records, { pack: gzipSync, attributes: 1, count: 1_000_001 })
  await assert.rejects(decodeBatches(many, gzip), /1000001 records, at most 1000000/)
})

test('what is no batch throws, and reads nothing past its end', async () => {
  const whole = batchOf([recordOf({ key: 'key', value: 'value' }, 0)])
  const short = Buffer.from(whole)
  short.writeInt32BE(10, 8)
  await assert.rejects(decodeBatches(short, plain), RangeError)
  await assert.rejects(decodeBatches(batchOf([recordOf({}, 0)], { magic: 1 }), plain), /before Kafka 0.11/)
  await assert.rejects(decodeBatches(batchOf([recordOf({}, 0)], { count: 2 }), plain), RangeError)
  const longKey = Buffer.from(whole)
  longKey[61 + 4] = 0x7e
  await assert.rejects(decodeBatches(longKey, plain), RangeError)
})
