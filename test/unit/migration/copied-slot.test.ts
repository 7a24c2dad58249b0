import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeFinished, encodeFinished } from '../../../runtime/log/position-metadata.ts'
import { compareSlot, type Digested } from '../../../runtime/migration/copied-slot.ts'

const record = (offset: number, digest: string, timestampMs = 100): Digested => ({
  offset,
  digest,
  timestampMs,
})
const compare = (source: readonly Digested[], target: readonly Digested[]) =>
  compareSlot({ where: 't[0]', source, target, targetEnd: 90, keptSinceMs: 50 })

test('offsets of the data file, by those of Kafka with its gaps', () => {
  const source = [record(10, 'a'), record(11, 'b'), record(14, 'c')]
  const offsets = compare(source, [record(0, 'a'), record(1, 'b'), record(3, 'c')])
  assert.deepEqual(
    [0, 10, 11, 12, 14, 15].map((offset) => offsets.from(offset)),
    [0, 0, 1, 3, 3, 90],
  )
  assert.deepEqual(
    [10, 12, 14].map((offset) => offsets.exact(offset)),
    [0, undefined, 3],
  )
})

test('a position keeps its unfinished records', () => {
  const source = [10, 11, 12, 14, 15].map((offset) => record(offset, `${offset}`))
  const target = [0, 1, 3, 4, 6].map((offset, index) => record(offset, `${source[index]?.offset}`))
  const offsets = compare(source, target)
  const position = (base: number, next: number, unfinished: number[]) => {
    const metadata = encodeFinished({ base, next, unfinished })
    const moved = offsets.position({ topic: 'tasks.admitted', offset: base, metadata })
    return { offset: moved.offset, ...decodeFinished(moved.offset, moved.metadata) }
  }
  assert.deepEqual(position(11, 15, [11, 14]), { offset: 1, next: 6, unfinished: [1, 4] })
  assert.deepEqual(position(11, 16, [11, 12, 13]), { offset: 1, next: 90, unfinished: [1, 3] })
  assert.deepEqual(position(13, 13, []), { offset: 4, next: 4, unfinished: [] })
})

test('the oldest may be gone if their retention has ended, and no others', () => {
  const source = [record(0, 'old', 10), record(1, 'b')]
  assert.equal(compare(source, [record(7, 'b')]).from(0), 7)
  assert.equal(compare([record(0, 'old', 10)], []).from(0), 90)
  assert.throws(
    () => compare([record(0, 'new', 60), record(1, 'b')], [record(7, 'b')]),
    /1 record is missing/,
  )
})

test('a record too many, a record that differs', () => {
  assert.throws(
    () => compare([record(0, 'a')], [record(0, 'a'), record(1, 'a')]),
    /it has 2 records, 1 were copied/,
  )
  assert.throws(
    () => compare([record(4, 'a'), record(5, 'b')], [record(0, 'a'), record(1, 'x')]),
    /record 1 is not 5/,
  )
})
