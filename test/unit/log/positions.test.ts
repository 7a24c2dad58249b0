// Metadata of positions: what Kafka's log adds behind the host's, and what is left of it in a log that was cut off.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OffsetTracker } from '../../../runtime/host/lane/offsets.ts'
import { LaneState, NewerState } from '../../../runtime/host/lane/state.ts'
import {
  choosePositions,
  decodeMetadata,
  encodeMetadata,
  isAnother,
  isCutOff,
  positionIn,
  positionRow,
  withoutFinished,
  type MarkedPosition,
} from '../../../runtime/log/kafka/lane/positions.ts'
import type { LogRecord, Position } from '../../../runtime/log/port.ts'
import { cutAt } from '../../../runtime/log/position-metadata.ts'
import { memoryBlobs } from '../../../runtime/testing/memory/store.ts'

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
      }
  // Written before positions carried any of it, and before they told the state.
  const none = { leaderEpoch: -1, topicId: '', stateId: '', laneEpoch: -1 }
  assert.deepEqual(decodeMetadata('5,0*2,1'), { ...none, metadata: '5,0*2,1' })
  assert.deepEqual(decodeMetadata('0|z.ab'), { ...none, metadata: '', leaderEpoch: 35, topicId: 'ab' })
  const before = { leaderEpoch: 35, topicId: 'ab', stateId: '', laneEpoch: -1 }
  assert.equal(encodeMetadata('', before), '0|z.ab')
})

const marked = (offset: number, laneEpoch: number, text = ''): MarkedPosition => ({
  topic,
  offset,
  text: encodeMetadata(text, { leaderEpoch: 1, topicId: 'ab', stateId: 'f0', laneEpoch }),
})

test('a row counts, whatever the group shows, but for a position that was set by hand', () => {
  const row = marked(9, 70)
  const choose = (rows: readonly MarkedPosition[], shown: readonly MarkedPosition[]) => {
    const { positions, byHand, unshown, latestEpoch } = choosePositions(rows, shown)
    return [positions.map(({ offset }) => offset), byHand.join(), unshown.length, latestEpoch]
  }
  assert.deepEqual(choose([], []), [[], '', 0, -1])
  assert.deepEqual(choose([row], [row]), [[9], '', 0, 70])
  assert.deepEqual(choose([row], [marked(7, 70)]), [[9], '', 1, 70])
  assert.deepEqual(choose([row], []), [[9], '', 1, 70])
  assert.deepEqual(choose([], [marked(7, 70)]), [[7], '', 0, 70])
  // The state was cut off: its rows are older than what the group was shown, and epochs stay above both.
  assert.deepEqual(choose([row], [marked(12, 80)]), [[9], '', 1, 80])
  for (const rows of [[], [row]]) {
    const byHand = { topic, offset: 2, text: '' } as const
    assert.deepEqual(choose(rows, [byHand]), [[2], topic, 0, rows.length > 0 ? 70 : -1])
  }
  const noted = { topic, offset: 2, text: '5,0*2,1' } as const
  assert.equal(choosePositions([row], [noted]).positions[0]?.metadata, '')
  // By 0.1.0, on a broker without ids of topics.
  assert.equal(choosePositions([], [noted]).positions[0]?.metadata, '5,0*2,1')
})

test('metadata that no host has written hides no record, and costs nothing to read', () => {
  const notes = [
    'reset by ann',
    'note',
    '9',
    '{"by":"ann"}',
    '1,0*zzzzzzz',
    'zzzzzzz,0*zzzzzzz',
    '2,5',
    'a,b|c',
  ]
  for (const metadata of notes) {
    const tracker = new OffsetTracker([{ topic, offset: 10, metadata }])
    assert.deepEqual([tracker.offer(record(10)), tracker.offer(record(11))], [true, true], metadata)
  }
})

test('a row under the key of a position that can not be read is none, and no row of a later release', () => {
  const { key } = positionRow(marked(1, 1))
  for (const text of [
    'garbage',
    'null',
    '[]',
    '{}',
    '{"v":1000,"d":[-5,"0|"]}',
    '{"v":1000,"d":{}}',
    '{"v":1,"d":null}',
    '{"d":["1","0|"]}',
    '{"d":[1]}',
  ])
    assert.equal(positionIn(key, Buffer.from(text)), 'unreadable', text)
  assert.equal(positionIn(key, Buffer.from('{"v":1001,"d":[1,"0|"]}')), null)
})

test('a position is read from its row; a stage of any version takes the row for one of a newer release', async () => {
  const position = marked(2 ** 40, 71_000, '5,0*2,1')
  const { key, value } = positionRow(position)
  assert.ok(value)
  assert.deepEqual(positionIn(key, Buffer.from(value)), position)
  assert.equal(positionIn('task\u0000run', Buffer.from(value)), null)
  await assert.rejects(new LaneState(999).restore([{ key, value }], memoryBlobs()), NewerState)
})

test('for a broker that takes little metadata a position is its mark alone', () => {
  const mark = { leaderEpoch: 35, topicId: 'ab', stateId: 'f0', laneEpoch: 3 }
  assert.equal(withoutFinished(encodeMetadata('5,0*2,1', mark)), encodeMetadata('', mark))
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

test('rows are gone where an offset is given again, or where the group names an opening that left no row', () => {
  const at = (laneEpoch: number, stateId = 'abc'): MarkedPosition => ({
    topic,
    offset: 9,
    text: encodeMetadata('', { leaderEpoch: 1, topicId: 'def', stateId, laneEpoch }),
  })
  const whole = {
    stateId: 'abc',
    opened: 20,
    formerOpened: 10,
    written: [at(10)],
    shown: [at(10)],
    former: { stateId: 'abc', offset: 19 },
  }
  assert.equal(isCutOff(whole), false)
  assert.equal(isCutOff({ ...whole, former: null, written: [] }), false)
  // An opening that has committed nothing shows its epoch all the same: behind the end of a transaction.
  assert.equal(isCutOff({ ...whole, written: [at(5)] }), false)
  assert.equal(isCutOff({ ...whole, former: { stateId: 'abc', offset: 20 } }), true)
  assert.equal(isCutOff({ ...whole, former: { stateId: 'former', offset: 20 } }), false)
  assert.equal(isCutOff({ ...whole, shown: [at(15)] }), true)
  assert.equal(isCutOff({ ...whole, shown: [at(15, 'former')] }), false)
  // Its rows have an epoch above every offset since rows were lost before.
  assert.equal(isCutOff({ ...whole, written: [at(40)], shown: [at(40)] }), false)
  assert.equal(isCutOff({ ...whole, stateId: '', shown: [at(15, '')] }), false)
})
