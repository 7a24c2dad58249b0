// Metadata of positions: what Kafka's log adds behind the host's, and what is left of it in a log that was cut off.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OffsetTracker } from '../../../runtime/host/lane/offsets.ts'
import { decodeMetadata, encodeMetadata, isAnother } from '../../../runtime/log/kafka/positions.ts'
import type { LogRecord, Position } from '../../../runtime/log/port.ts'
import { cutAt, decodeFinished } from '../../../runtime/log/position-metadata.ts'

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

test("a position carries leader epoch and topic id behind the host's metadata", () => {
  for (const metadata of ['', '5,0*2,1'])
    for (const leaderEpoch of [-1, 0, 41])
      for (const topicId of ['', '0123456789ab']) {
        for (const opening of [
          { stateId: '', laneEpoch: -1 },
          { stateId: 'fedcba987654', laneEpoch: 71_000 },
        ]) {
          const mark = { leaderEpoch, topicId, ...opening }
          assert.deepEqual(decodeMetadata(encodeMetadata(metadata, mark)), { metadata, ...mark })
        }
        const encoded = encodeMetadata(metadata, { leaderEpoch, topicId, stateId: 'f0', laneEpoch: 3 })
        // One that knows no marks reads the same from it.
        assert.deepEqual(decodeFinished(7, encoded), decodeFinished(7, metadata))
      }
  // Written before positions carried any of it, and before they told the state.
  const none = { leaderEpoch: -1, topicId: '', stateId: '', laneEpoch: -1 }
  assert.deepEqual(decodeMetadata('5,0*2,1'), { ...none, metadata: '5,0*2,1' })
  assert.deepEqual(decodeMetadata('0|z.ab'), { ...none, metadata: '', leaderEpoch: 35, topicId: 'ab' })
  const before = { leaderEpoch: 35, topicId: 'ab', stateId: '', laneEpoch: -1 }
  assert.equal(encodeMetadata('', before), '0|z.ab')
})

test('a topic is another one where both ids are known, and differ', () => {
  assert.equal(isAnother('a', 'b'), true)
  for (const [read, now] of [
    ['a', 'a'],
    ['', 'b'],
    ['a', ''],
  ] as const)
    assert.equal(isAnother(read, now), false)
})

/** Offsets 10 to 19 were taken; these are finished. */
function positionAfter(...finished: number[]): Position {
  const tracker = new OffsetTracker([{ topic, offset: 10, metadata: '' }])
  for (let offset = 10; offset < 20; offset++) tracker.offer(record(offset))
  for (const offset of finished) tracker.finish(topic, offset)
  const [position] = tracker.takeChanges()
  assert.ok(position)
  return position
}

/** Offsets from 10 on that the host takes at this position. */
function takenFrom(position: Position): number[] {
  const tracker = new OffsetTracker([position])
  const offered = Array.from({ length: 15 }, (_, index) => 10 + index)
  return offered.filter((offset) => offset >= position.offset && tracker.offer(record(offset)))
}

test('in a log that was cut off, what was finished below stays finished, and everything from there on is taken', () => {
  const position = positionAfter(10, 12, 13, 15, 16, 18)
  assert.deepEqual(takenFrom(position), [11, 14, 17, 19, 20, 21, 22, 23, 24])
  assert.deepEqual(takenFrom(cutAt(position, 15)), [11, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24])
  assert.deepEqual(takenFrom(cutAt(position, 14)), [11, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24])
  assert.equal(cutAt(position, 11).offset, 11)
  assert.deepEqual(
    takenFrom(cutAt(position, 10)),
    [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24],
  )
  assert.deepEqual(cutAt(position, 20), position)
})
