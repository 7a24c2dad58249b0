import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogRecord, Position } from '../../../../runtime/log/port.ts'
import { METADATA_BYTES, OffsetTracker } from '../../../../runtime/host/lane/offsets.ts'
import { Random } from '../../../../runtime/testing/simulator/random.ts'

const topic = 'tasks.submitted'
const record = (offset: number): LogRecord => ({
  topic,
  partition: 0,
  offset,
  key: null,
  value: null,
  headers: {},
  timestampMs: 0,
})

function committed(tracker: OffsetTracker): Position {
  const [position] = tracker.takeChanges()
  assert.ok(position)
  return position
}

/** Which of these records a lane restored at this position takes. */
function stillToDo(position: Position, offsets: readonly number[]): number[] {
  const restored = new OffsetTracker([position])
  return offsets.filter((offset) => offset >= position.offset && restored.offer(record(offset)))
}

/** Offsets of a log with holes, where control records and compaction left none. */
function gappyOffsets(random: Random, count: number): number[] {
  const offsets: number[] = []
  let next = random.between(0, 1_000_000)
  for (let index = 0; index < count; index++) {
    offsets.push(next)
    next += random.chance(0.2) ? random.between(2, 50) : 1
  }
  return offsets
}

test('a record is taken once, however often it is delivered', () => {
  const tracker = new OffsetTracker([])
  assert.equal(tracker.offer(record(5)), true)
  assert.equal(tracker.offer(record(5)), false)
  tracker.finish(topic, 5)
  assert.equal(tracker.offer(record(5)), false)
  assert.deepEqual(committed(tracker), { topic, offset: 6, metadata: '' })
})

test('the position is the lowest unfinished offset; what is finished beyond goes along', () => {
  const tracker = new OffsetTracker([])
  for (const offset of [10, 11, 12, 13, 14]) tracker.offer(record(offset))
  for (const offset of [11, 13]) tracker.finish(topic, offset)
  const position = committed(tracker)
  assert.equal(position.offset, 10)
  assert.deepEqual(stillToDo(position, [10, 11, 12, 13, 14, 15]), [10, 12, 14, 15])
})

test('positions are handed out once, and only those that moved', () => {
  const tracker = new OffsetTracker([{ topic: 'tasks.control', offset: 3, metadata: '' }])
  tracker.offer(record(0))
  assert.equal(tracker.hasChanges, false)
  tracker.finish(topic, 0)
  assert.equal(tracker.hasChanges, true)
  assert.deepEqual(tracker.takeChanges(), [{ topic, offset: 1, metadata: '' }])
  assert.deepEqual(tracker.takeChanges(), [])
})

test('an unfinished offset that is gone from the log is dropped when a later one overtakes it', () => {
  const before = new OffsetTracker([])
  for (const offset of [1, 2, 3]) before.offer(record(offset))
  before.finish(topic, 2)
  const after = new OffsetTracker([committed(before)])
  assert.equal(after.offer(record(3)), true)
  after.finish(topic, 3)
  assert.deepEqual(committed(after), { topic, offset: 4, metadata: '' })
})

test('300 random histories: crashes at any time, redelivery, gaps: each record is finished exactly once', () => {
  for (let seed = 1; seed <= 300; seed++) history(seed)
})

/** Delivers, finishes in random order, commits now and then, and restores from the last commit now and then. */
function history(seed: number): void {
  const random = new Random(seed)
  const offsets = gappyOffsets(random, random.between(1, 120))
  const durable = new Set<number>()
  let position: Position = { topic, offset: random.chance(0.5) ? (offsets[0] as number) : 0, metadata: '' }
  for (let life = 0; life < 20 && durable.size < offsets.length; life++) {
    const tracker = new OffsetTracker([position])
    const [taken, finished] = [new Set<number>(), new Set<number>()]
    const from = offsets.filter((offset) => offset >= position.offset)
    const calm = life === 19
    for (const offset of from) {
      const isNew = tracker.offer(record(offset))
      assert.equal(isNew, !durable.has(offset), `seed ${seed}: offset ${offset} of life ${life}`)
      if (isNew) taken.add(offset)
      if (random.chance(0.1)) assert.equal(tracker.offer(record(offset)), false, `seed ${seed}: repeated`)
      for (const done of [...taken].filter(() => random.chance(0.3))) {
        taken.delete(done)
        finished.add(done)
        tracker.finish(topic, done)
      }
      if (!calm && random.chance(0.03)) break
      if (random.chance(0.2) && tracker.hasChanges) {
        position = committed(tracker)
        for (const done of finished) durable.add(done)
        const open = offsets.filter((offset) => !durable.has(offset))
        assert.deepEqual(stillToDo(position, offsets), open, `seed ${seed}: what a new owner takes`)
      }
    }
    if (!calm) continue
    for (const done of taken) tracker.finish(topic, done)
    for (const done of [...taken, ...finished]) durable.add(done)
    if (tracker.hasChanges) position = committed(tracker)
    assert.equal(position.offset, (offsets.at(-1) as number) + 1, `seed ${seed}`)
    assert.equal(position.metadata, '')
  }
  assert.deepEqual(
    [...durable].sort((a, b) => a - b),
    offsets,
    `seed ${seed}`,
  )
}

for (const [gaps, spread] of [
  ['side by side', 1],
  ['every other one', 2],
  ['far apart', 1_000_003],
] as const)
  test(`the metadata never passes its bound, whatever finishes first: ${gaps}`, () => {
    const random = new Random(7)
    for (const limit of [METADATA_BYTES, 1_000, 300]) {
      const tracker = new OffsetTracker([], limit)
      let offset = 9_000_000_000
      const open = new Set<number>()
      while (tracker.hasRoom(record(offset))) {
        tracker.offer(record(offset))
        open.add(offset)
        offset += spread
        assert.ok(open.size < 10_000, 'it is bounded')
      }
      assert.ok(open.size >= limit / 30, `${open.size} are taken within ${limit} bytes`)
      // Every other one first: the most runs that there can be.
      const order = [...open].filter((_, i) => i % 2 === 1)
      const rest = [...open].filter((_, i) => i % 2 === 0).sort(() => random.next() - 0.5)
      for (const done of [...order, ...rest]) {
        tracker.finish(topic, done)
        const { metadata } = committed(tracker)
        assert.ok(metadata.length <= limit, `${metadata.length} bytes of ${limit}`)
      }
      assert.ok(tracker.hasRoom(record(offset)))
    }
  })

test('what is unfinished since before is taken again, even where nothing new has room', () => {
  const before = new OffsetTracker([])
  for (let offset = 0; offset < 600; offset++) before.offer(record(offset))
  for (let offset = 1; offset < 600; offset += 2) before.finish(topic, offset)
  const restored = new OffsetTracker([committed(before)], 100)
  assert.ok(restored.hasRoom(record(0)) && restored.hasRoom(record(598)))
  assert.ok(!restored.hasRoom(record(600)))
})
