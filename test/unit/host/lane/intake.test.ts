// What anyone may write, on a real host over the memory log: no id of theirs becomes a key, and nobody else's state is touched.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCodec } from '../../../../runtime/codec/codec.ts'
import { createEmbeddedRegistry } from '../../../../runtime/codec/embedded-registry.ts'
import type { Decoded } from '../../../../runtime/codec/port.ts'
import { CallMaker } from '../../../../runtime/host/calls/calls.ts'
import { openJournal } from '../../../../runtime/host/calls/journal.ts'
import { defaultHostOptions } from '../../../../runtime/host/context.ts'
import { Semaphore } from '../../../../runtime/host/calls/semaphore.ts'
import { StageHost } from '../../../../runtime/host/stage-host.ts'
import { homeOf } from '../../../../runtime/log/home.ts'
import { createMemoryBroker } from '../../../../runtime/testing/memory/log/log.ts'
import type { LogRecord, OutgoingRecord } from '../../../../runtime/log/port.ts'
import type { Decision, Stage, StageEvent } from '../../../../runtime/stage.ts'
import { memoryBlobs, memoryKeyValue } from '../../../../runtime/testing/memory/store.ts'
import { quietInstruments } from '../../../../runtime/telemetry/instruments.ts'
import { VirtualClock } from '../../../../runtime/testing/simulator/virtual-clock.ts'
import { headers as names, type TopicName } from '../../../../schemas/topics.ts'

const START = 1_750_000_000_000
const PARTITIONS = 2
const codec = createCodec({ registry: createEmbeddedRegistry(), prefix: 'test' })
await codec.prepare()

/** Notes every event, and keeps a row for each key. */
function noting(forwardsHome: boolean): { stage: Stage; events: StageEvent[] } {
  const events: StageEvent[] = []
  const stage: Stage = {
    name: forwardsHome ? 'router' : 'planner',
    version: 1,
    consumes: [{ topic: 'tasks.submitted' }, { topic: 'tasks.control' }, { topic: 'code.requested' }],
    forwardsHome,
    decide(event, rows): Decision {
      events.push(event)
      const emit = { topic: 'tasks.admitted', type: 'TaskCancelled' } as const
      const seen = { taskId: 'seen', reason: Object.keys(rows).join(), requestedBy: null }
      return { rows: { [event.id]: 1 }, emit: [{ ...emit, data: seen }] }
    },
  }
  return { stage, events }
}

async function hosted({ forwardsHome = true } = {}) {
  const clock = new VirtualClock(START)
  const broker = createMemoryBroker({ partitions: PARTITIONS, clock })
  const log = broker.connect()
  const instruments = quietInstruments
  const journal = openJournal(memoryKeyValue({ clock }), clock, { leaseMs: 0, keepMs: 1_000, forgottenMs: 0 })
  const breakers = { run: <T>(_: string, work: () => Promise<T>) => work() }
  const calls = new CallMaker({
    journal,
    breakers,
    clock,
    instruments,
    capacity: new Semaphore(8),
    callers: {},
  })
  const { stage, events } = noting(forwardsHome)
  const shared = { codec, blobs: memoryBlobs(), journal, calls, clock, instruments, instance: 'a' }
  const host = new StageHost({ ...shared, options: defaultHostOptions, stage, log })
  const rest = (ms = 1_000) => clock.run(clock.now() + ms, () => false)
  const started = host.start()
  await rest()
  await started
  const publish = async (...records: OutgoingRecord[]) => {
    void log.publish(records)
    await rest()
  }
  const read = async (topic: TopicName): Promise<(Decoded & { record: LogRecord })[]> => {
    const found: (Decoded & { record: LogRecord })[] = []
    for (let partition = 0; partition < PARTITIONS; partition++)
      for (const record of await log.read(topic, partition, 0, 1_000))
        found.push({ ...(await codec.decode(record.value as Uint8Array, topic)), record })
    return found
  }
  return { host, events, publish, read }
}

const cancel = (taskId: string, changes: Partial<OutgoingRecord> = {}): OutgoingRecord => ({
  topic: 'tasks.control',
  partition: homeOf(taskId, PARTITIONS),
  key: taskId,
  value: codec.encode('TaskCancelled', { taskId, reason: null, requestedBy: null }, 'tasks.control'),
  headers: {},
  ...changes,
})
const submission = (json: object, changes: Partial<OutgoingRecord> = {}): OutgoingRecord => ({
  topic: 'tasks.submitted',
  partition: 0,
  key: null,
  value: Buffer.from(JSON.stringify(json)),
  headers: {},
  ...changes,
})

const ids = ['victim/0', 'victim%2F0', 'a\u0000b', 'x/'.repeat(100_000), 'has space', '\ud800', 'é']

test('a control record for an id that can not be one becomes a dead letter, away from home too, and no event', async () => {
  const { events, publish, read } = await hosted()
  for (const id of ids)
    await publish(cancel(id), cancel(id, { partition: 1 - homeOf(id, PARTITIONS), key: 'other' }))
  assert.deepEqual(events, [])
  const letters = await read('dead-letters')
  assert.equal(letters.length, 2 * ids.length)
  for (const { type, data, record } of letters) {
    assert.ok(type === 'DeadLettered')
    assert.equal(data.code, 'REQUEST_INVALID')
    assert.match(data.message, /TaskCancelled: taskId may hold letters, digits.* so it can't be ".*"/)
    assert.ok(
      data.message.length < 1_000 && (data.key?.length ?? 0) < 1_000 && (record.key?.length ?? 0) < 1_000,
    )
    assert.ok(!/[\p{Cc}\p{Cs}]/u.test(`${data.message}${data.key}${record.key}`))
  }
  const moved = (await read('tasks.control')).filter(({ record }) => record.offset >= 2 * ids.length)
  assert.deepEqual(moved, [], 'nothing was forwarded')
})

test('a stage that does not forward leaves them to the one that does', async () => {
  const { events, publish, read } = await hosted({ forwardsHome: false })
  for (const id of ids) await publish(cancel(id))
  await publish(cancel('fine'))
  assert.deepEqual(
    events.map(({ key }) => key),
    ['fine'],
  )
  assert.deepEqual(await read('dead-letters'), [])
})

test('bytes that can’t be decoded and records that are too large have one dead letter, of the stage that forwards', async () => {
  const bad = [
    cancel('a', { value: Buffer.from('garbage') }),
    cancel('a', { value: Buffer.from([0, 0, 0, 0, 1, 2]) }),
    cancel('a', { value: Buffer.alloc(600_000) }),
  ]
  for (const [forwardsHome, expected] of [
    [true, ['RECORD_TOO_LARGE', 'UNDECODABLE_RECORD', 'UNDECODABLE_RECORD']],
    [false, []],
  ] as const) {
    const { events, publish, read } = await hosted({ forwardsHome })
    await publish(...bad, cancel('fine'))
    assert.deepEqual(
      events.map(({ key }) => key),
      ['fine'],
    )
    const codes = (await read('dead-letters')).map(({ data }) => 'code' in data && data.code)
    assert.deepEqual(codes.sort(), expected)
  }
  const { publish, read } = await hosted({ forwardsHome: false })
  await publish(cancel('a', { topic: 'code.requested', value: Buffer.from('garbage') }))
  assert.equal(
    (await read('dead-letters')).length,
    1,
    'a topic of the fleet’s own is its reader’s to answer for',
  )
})

test('a submission under such an id is answered under one of its position, in the lane where it lies', async () => {
  for (const json of ids.map((taskId) => ({ taskId, text: 'x' }))) {
    const { events, publish } = await hosted()
    await publish(submission(json, { partition: 1 }))
    const [event, ...others] = events
    assert.ok(event?.type === 'SubmissionRefused' && others.length === 0, JSON.stringify(json).slice(0, 80))
    assert.deepEqual([homeOf(event.key, PARTITIONS), event.lane], [1, 1])
    assert.match(event.data.failure.message, /taskId may hold .* so it can't be ".*"/)
    assert.ok(event.data.failure.message.length < 1_000)
  }
})

test('names with control characters are refused under the id that the task has, at its home', async () => {
  const home = homeOf('t1', PARTITIONS)
  const names = {
    userId: 'a\u0000',
    agent: '\u001b[2J',
    sessionId: 'x'.repeat(10_000),
    parent: '\u0085',
    model: '\ud800',
  }
  for (const [field, value] of Object.entries(names)) {
    const { events, publish } = await hosted()
    await publish(submission({ taskId: 't1', text: 'x', [field]: value }, { partition: 1 - home }))
    const [event, ...others] = events
    assert.ok(event?.type === 'SubmissionRefused' && others.length === 0, field)
    assert.deepEqual([event.key, event.lane], ['t1', home])
    assert.match(event.data.failure.message, new RegExp(`not accepted: ${field} `))
  }
})

test('foreign headers are not believed, copied or passed on; a moved record is a record like any other', async () => {
  const { events, publish, read } = await hosted()
  const copied = {
    [names.eventId]: 'copied',
    [names.requester]: 'planner',
    [names.schema]: 'X',
    other: 'y'.repeat(90_000),
  }
  const away = 1 - homeOf('t1', PARTITIONS)
  await publish(submission({ taskId: 't1', text: 'x' }, { partition: away, headers: copied }))
  await publish(
    submission({ taskId: 't2', text: 'x' }, { partition: homeOf('t2', PARTITIONS), headers: copied }),
  )
  assert.deepEqual(
    events.map(({ key }) => key),
    ['t1', 't2'],
  )
  assert.equal(new Set(['copied', ...events.map(({ id }) => id)]).size, 3)
  const home = (await read('tasks.submitted')).filter(
    ({ record }) => record.partition !== away && record.key === 't1',
  )
  assert.deepEqual(
    home.map(({ record }) => record.headers),
    [{}],
  )
})

test('a task without an id is taken where it lies, once', async () => {
  const { events, publish, read } = await hosted()
  for (const partition of [0, 1, 0]) await publish(submission({ text: 'x' }, { partition }))
  assert.deepEqual(
    events.map(({ lane }) => lane),
    [0, 1, 0],
  )
  assert.equal(new Set(events.map(({ key }) => key)).size, 3)
  assert.equal((await read('tasks.submitted')).length, 3, 'none was moved')
})

test('a plain key is never a part: what comes for `victim/1`, by whatever topic, does not see the rows of `victim`', async () => {
  const { host, publish, read } = await hosted()
  const partition = homeOf('victim', PARTITIONS)
  const closed = { taskId: 'victim/1', status: 'cancelled', deadlineMs: null } as const
  const value = codec.encode('TaskClosed', closed, 'code.requested')
  await publish(cancel('victim'))
  await publish({ topic: 'code.requested', partition, key: 'victim/1', value, headers: {} })
  const keys = [...host.rows(partition)].map(({ key }) => key)
  assert.deepEqual(keys, ['victim', 'victim%2F1'])
  const seen = await read('tasks.admitted')
  assert.deepEqual(
    seen.map(({ data }) => (data as { reason: string }).reason),
    ['', ''],
  )
})
