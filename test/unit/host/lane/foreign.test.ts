// Records that anyone may have written: what of them is believed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_LATE_MS, isOpen, received } from '../../../../runtime/host/lane/foreign.ts'
import { callId, derivedTaskId, recordId } from '../../../../runtime/host/lane/ids.ts'
import { eventIdOf, toEvent } from '../../../../runtime/host/lane/event-records.ts'
import { homeOf } from '../../../../runtime/log/home.ts'
import type { LogRecord } from '../../../../runtime/log/port.ts'
import { headers as names, topics } from '../../../../schemas/topics.ts'
import { taskIdPattern } from '../../../../schemas/task-id.ts'
import { emptyTask } from '../../../../schemas/task-fields.ts'

const NOW = 1_750_000_000_000
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const origin = { partitions: 12, topicIds: new Map([['tasks.submitted', 'topic-1'] as const]) }

const record = (changes: Partial<LogRecord> = {}): LogRecord => ({
  topic: 'tasks.submitted',
  partition: 3,
  offset: 7,
  key: 't1',
  value: Buffer.from('{}'),
  headers: {},
  timestampMs: NOW - 5,
  ...changes,
})

test('what topics are open follows from who may write them', () => {
  const open = topics.filter(({ name }) => isOpen(name)).map(({ name }) => name)
  assert.deepEqual(open, ['tasks.submitted', 'tasks.control', 'alerts.control'])
})

test('of the headers a well-formed traceparent is kept, and no other', () => {
  const forged = Object.fromEntries(Object.values(names).map((name) => [name, 'x'.repeat(100_000)]))
  assert.deepEqual(received(record({ headers: { ...forged, other: 'y' } }), NOW).headers, {})
  const traced = received(record({ headers: { ...forged, traceparent: TRACEPARENT } }), NOW)
  assert.deepEqual(traced.headers, { traceparent: TRACEPARENT })
  const future = received(
    record({ headers: { traceparent: `01${TRACEPARENT.slice(2)}-${'z'.repeat(9_000)}` } }),
    NOW,
  )
  assert.deepEqual(future.headers, { traceparent: TRACEPARENT }, 'of a later version, what we know')
})

test('the time is neither of the future nor of last week, and a key of any length is cut', () => {
  for (const [said, taken] of [
    [0, NOW - MAX_LATE_MS],
    [NOW - 8 * 86_400_000, NOW - MAX_LATE_MS],
    [NOW - 3_600_000, NOW - 3_600_000],
    [NOW, NOW],
    [NOW + 365 * 86_400_000, NOW],
  ])
    assert.equal(received(record({ timestampMs: said as number }), NOW).timestampMs, taken)
  assert.ok((received(record({ key: 'x/'.repeat(500_000) }), NOW).key?.length ?? 0) < 100)
  assert.equal(received(record({ key: 'order-1' }), NOW).key, 'order-1')
})

test('records of our own topics are as they are', () => {
  const own = record({ topic: 'tasks.admitted', timestampMs: NOW + 1, headers: { [names.eventId]: 'e' } })
  assert.equal(received(own, NOW), own)
  assert.equal(eventIdOf(own, origin), 'e')
})

test('the identity of a foreign record is its position in this topic, whatever its header says', () => {
  const copied = { [names.eventId]: 'copied-from-one-result' }
  const id = (changes: Partial<LogRecord>, topicId = 'topic-1') =>
    eventIdOf(record({ headers: copied, ...changes }), {
      ...origin,
      topicIds: new Map([['tasks.submitted', topicId]]),
    })
  const ids = [id({}), id({ offset: 8 }), id({ partition: 4 }), id({ leaderEpoch: 1 }), id({}, 'topic-2')]
  assert.equal(new Set(ids).size, ids.length)
  assert.ok(!ids.includes('copied-from-one-result'))
  assert.equal(id({ key: 'other', timestampMs: 0 }), ids[0])
})

test('a submission without an id gets one of its position, at home where it lies, which a task can have', () => {
  for (const partitions of [1, 2, 12, 100])
    for (let partition = 0; partition < Math.min(partitions, 30); partition++) {
      const place = { topic: 'tasks.submitted', topicId: 'x', partition, offset: 5, leaderEpoch: 0 }
      const id = derivedTaskId(place, partitions)
      assert.equal(homeOf(id, partitions), partition)
      assert.equal(id, derivedTaskId({ ...place }, partitions))
      assert.notEqual(id, recordId(place))
      assert.match(id, taskIdPattern)
      assert.match(id, /^[0-9a-f]{32}$/)
    }
  const decoded = { type: 'TaskSubmitted', data: { ...emptyTask, text: 'hi' } } as const
  const event = toEvent(record({ key: 'nobody' }), decoded, origin)
  assert.equal(event.type === 'TaskSubmitted' && event.data.taskId, event.key)
  assert.equal(homeOf(event.key, 12), 3)
})

test('two tasks never share a call, although their events have one id', () => {
  assert.notEqual(callId('t1', 'e', 'planner', 0), callId('t2', 'e', 'planner', 0))
})

test('what is said of alerts has one key, whatever its record has', () => {
  const data = { rule: 'errors', untilMs: 1, reason: null, by: null, atMs: 1 }
  const event = toEvent(
    record({ topic: 'alerts.control', key: 'lane-3' }),
    { type: 'AlertSilenced', data },
    origin,
  )
  assert.equal(event.key, 'fleet')
})
