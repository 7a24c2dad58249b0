import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FetchedPartition, RawMessage } from '../../../../runtime/log/kafka/connection/client.ts'
import { committedMessages } from '../../../../runtime/log/kafka/fetch/read-committed.ts'

const ABORT = Buffer.from([0, 0, 0, 0])
const COMMIT = Buffer.from([0, 0, 0, 1])

function message(offset: number, producerId: string, parts: Partial<RawMessage> = {}): RawMessage {
  return {
    offset: `${offset}`,
    timestamp: '0',
    key: null,
    value: Buffer.from(`${offset}`),
    headers: {},
    isControlRecord: false,
    batchContext: {
      producerId,
      inTransaction: true,
      partitionLeaderEpoch: 0,
    },
    ...parts,
  }
}
const marker = (offset: number, producerId: string, key: Buffer): RawMessage =>
  message(offset, producerId, { key, isControlRecord: true })

function read(
  messages: RawMessage[],
  aborted: [string, number][],
  from = 0,
  nextOffset: number | null = endOf(messages),
): { seen: number[]; next: number } {
  const fetched: FetchedPartition = {
    partition: 0,
    highWatermark: '100',
    abortedTransactions: aborted.map(([producerId, first]) => ({ producerId, firstOffset: `${first}` })),
    messages,
    nextOffset,
  }
  const { messages: kept, nextOffset: next } = committedMessages(fetched, from)
  return { seen: kept.map(({ offset }) => Number(offset)), next }
}

function endOf(messages: readonly RawMessage[]): number | null {
  const last = messages.at(-1)
  return last === undefined ? null : Number(last.offset) + 1
}

test('aborted records are hidden until the marker, later ones of the producer are not (3, 4)', () => {
  const log = [message(0, 'a'), marker(1, 'a', ABORT), message(2, 'a'), marker(3, 'a', COMMIT)]
  assert.deepEqual(read(log, [['a', 0]]), { seen: [2], next: 4 })
})

test('interleaved aborts, listed in the order in which they ended (1)', () => {
  const log = [
    message(0, 'a'),
    message(1, 'b'),
    message(2, 'c'),
    marker(3, 'b', ABORT),
    message(4, 'a'),
    marker(5, 'a', ABORT),
    marker(6, 'c', COMMIT),
  ]
  const listed: [string, number][] = [
    ['b', 1],
    ['a', 0],
  ]
  assert.deepEqual(read(log, listed), { seen: [2], next: 7 })
})

test('a fetch that begins inside two aborted transactions (2)', () => {
  const log = [
    message(5, 'b'),
    message(6, 'a'),
    message(7, 'c'),
    marker(8, 'a', ABORT),
    marker(9, 'b', ABORT),
  ]
  const listed: [string, number][] = [
    ['a', 1],
    ['b', 2],
  ]
  assert.deepEqual(read(log, listed, 5), { seen: [7], next: 10 })
})

test('records outside transactions are seen, even of a producer that aborts', () => {
  const plain = message(0, 'a', {
    batchContext: {
      producerId: 'a',
      inTransaction: false,
      partitionLeaderEpoch: 0,
    },
  })
  assert.deepEqual(read([plain], [['a', 0]]), { seen: [0], next: 1 })
})

test('the position moves past what compaction removed, and stays where nothing is', () => {
  assert.deepEqual(read([message(3, 'a')], [], 0, 8), { seen: [3], next: 8 })
  assert.deepEqual(read([], [], 12, 14), { seen: [], next: 14 })
  assert.deepEqual(read([], [], 12), { seen: [], next: 12 })
  assert.deepEqual(read([message(4, 'a'), message(5, 'a')], [], 5), { seen: [5], next: 6 })
})
