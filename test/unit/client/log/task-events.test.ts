// Streams of events over the log (client/log/task-events.ts): every durable event once, wherever a reader stops.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { taskEventSchemas } from '../../../../api/task-events.ts'
import { LogClient } from '../../../../client/log/client.ts'
import { PAGE } from '../../../../client/log/pages.ts'
import type { StreamedEvent } from '../../../../client/types.ts'
import { createCodec } from '../../../../runtime/codec/codec.ts'
import { createEmbeddedRegistry } from '../../../../runtime/codec/embedded-registry.ts'
import { homeOf } from '../../../../runtime/log/home.ts'
import { createMemoryBroker } from '../../../../runtime/testing/memory/log/log.ts'
import type { EventMap, EventType, TaskProgressed } from '../../../../schemas/generated/events.ts'
import type { Json } from '../../../../schemas/json.ts'
import type { TopicName } from '../../../../schemas/topics.ts'
import { eventually } from '../../../conformance/waiting.ts'
import { samples } from '../../../golden/samples.ts'

const PARTITIONS = 2

async function setUp() {
  const time = { now: Date.now() }
  const clock = {
    now: () => time.now,
    schedule: (ms: number, action: () => void) => {
      const timer = setTimeout(action, ms)
      return () => clearTimeout(timer)
    },
  }
  const broker = createMemoryBroker({ partitions: PARTITIONS, clock })
  const log = broker.connect()
  const codec = createCodec({ registry: createEmbeddedRegistry(), prefix: 'test' })
  await codec.prepare()
  const client = () => new LogClient({ log, codec })
  const publish = async <T extends EventType>(topic: TopicName, type: T, data: EventMap[T], key: string) => {
    const value = codec.encode(type, data, topic)
    const headers = { 'flotilla-schema': type }
    await log.publish([{ topic, partition: homeOf(key, PARTITIONS), key, value, headers }])
  }
  const happens = (taskId: string, kind: TaskProgressed['kind'], step: number | null, detail: Json = {}) => {
    const stage = kind === 'admitted' || kind === 'queued' ? 'router' : 'planner'
    const data = { taskId, stage, kind, step, atMs: time.now, detail }
    return publish('tasks.history', 'TaskProgressed', data, taskId)
  }
  /** So many records of one time. */
  const fill = async (taskId: string, records: number) => {
    const data = {
      taskId,
      stage: 'planner',
      kind: 'tool_called' as const,
      step: 1,
      atMs: time.now,
      detail: {},
    }
    const value = codec.encode('TaskProgressed', data, 'tasks.history')
    const headers = { 'flotilla-schema': 'TaskProgressed' }
    const partition = homeOf(taskId, PARTITIONS)
    const record = { topic: 'tasks.history' as const, partition, key: taskId, value, headers }
    await log.publish(Array.from({ length: records }, () => record))
  }
  const writes = (taskId: string, attempt: string, sequence: number, text: string, step = 1) =>
    publish('tasks.streaming', 'TokensStreamed', { taskId, step, sequence, text, attempt }, taskId)
  const ends = async (taskId: string) => {
    const data = { ...samples.TaskCompleted, taskId, submittedAtMs: time.now, completedAtMs: time.now }
    await publish('tasks.completed', 'TaskCompleted', data, taskId)
    await happens(taskId, 'completed', null, { status: 'succeeded', code: null })
  }
  const run = async (taskId: string) => {
    await happens(taskId, 'queued', null, { waiting: 1 })
    await happens(taskId, 'admitted', null, { agent: 'a', model: 'm' })
    await happens(taskId, 'model_called', 1, {
      text: 'Let me see.',
      model: 'm',
      toolCalls: [{ name: 'echo' }],
    })
    await happens(taskId, 'tool_requested', 1, { callId: 'c', tool: 'echo', arguments: { text: 'hi' } })
    await happens(taskId, 'tool_called', 1, { callId: 'c', tool: 'echo', status: 'succeeded', output: 'hi' })
    await happens(taskId, 'step_completed', 1, { kind: 'tools', next: 2 })
    await happens(taskId, 'model_called', 2, { text: 'Done.', model: 'm', toolCalls: [] })
    await happens(taskId, 'step_completed', 2, { kind: 'answer', next: null })
    await ends(taskId)
  }
  return { broker, client, time, happens, fill, writes, ends, run, log }
}

async function all(events: AsyncIterable<StreamedEvent>): Promise<StreamedEvent[]> {
  const found: StreamedEvent[] = []
  for await (const event of events) found.push(event)
  return found
}

const typesOf = (events: readonly StreamedEvent[]): string[] => events.map(({ type }) => type)
const durable = (events: readonly StreamedEvent[]): StreamedEvent[] => events.filter(({ id }) => id !== null)

test('the whole task, from its beginning to its result; each event fits its schema', async () => {
  const { client, run } = await setUp()
  await run('other')
  await run('t')
  const events = await all(client().events('t'))
  assert.deepEqual(typesOf(events), [
    'task.queued',
    'task.admitted',
    'step.started',
    'model.answered',
    'tool.requested',
    'tool.completed',
    'step.completed',
    'step.started',
    'model.answered',
    'step.completed',
    'task.completed',
    'result',
  ])
  for (const { type, id, ...data } of events) {
    assert.ok(id)
    taskEventSchemas[type].strict().parse(data)
  }
})

test('stopped behind any event: what comes then is what was left, once; behind the last nothing', async () => {
  const { client, run } = await setUp()
  await run('t')
  const whole = await all(client().events('t'))
  for (const [index, { id }] of whole.entries()) {
    const rest = await all(client().events('t', { after: id as string }))
    assert.deepEqual(durable(rest), whole.slice(index + 1), `behind ${id}`)
    if (rest.length > 0) assert.equal(rest[0]?.type, 'text.retracted')
  }
  assert.equal(new Set(whole.map(({ id }) => id)).size, whole.length)
})

test('a stream that is open sees what comes, and text as it is written, that of one attempt', async () => {
  const { client, happens, writes, ends } = await setUp()
  await happens('t', 'admitted', null)
  await writes('t', 'a', 0, 'Onc')
  const events: StreamedEvent[] = []
  const reading = (async () => {
    for await (const event of client().events('t')) events.push(event)
  })()
  await eventually('what was written before came', () => typesOf(events).includes('text.delta'))
  await writes('t', 'b', 0, 'There')
  await writes('t', 'a', 1, 'e upon')
  await writes('t', 'b', 1, ' was')
  await happens('t', 'model_called', 1, { text: 'There was' })
  await ends('t')
  await reading
  const text = events.flatMap((event) => (event.type === 'text.delta' ? [event.text] : []))
  assert.deepEqual(text, ['Onc', 'There', ' was'])
  assert.deepEqual(typesOf(events).slice(0, 5), [
    'task.admitted',
    'step.started',
    'text.delta',
    'text.retracted',
    'text.delta',
  ])
  assert.equal(events.at(-1)?.type, 'result')
})

test('a reader that resumes gets the text of the running attempt again, behind a retraction, and no other', async () => {
  const { client, happens, writes } = await setUp()
  await happens('t', 'admitted', null)
  await happens('t', 'model_called', 1, { text: 'of step 1' })
  await writes('t', 'a', 0, 'of step 1')
  const seen = async (after: string, count: number) => {
    await using stream = client().events('t', { after })
    const events: StreamedEvent[] = []
    for await (const event of stream) if (events.push(event) === count) break
    return events
  }
  const home = homeOf('t', PARTITIONS)
  // Text of step 1 is in the answer that this reader has.
  await using stream = client().events('t', { after: `${home}:1` })
  assert.equal(((await stream.next()).value as StreamedEvent).type, 'text.retracted')
  const then = stream.next()
  await happens('t', 'step_completed', 1, { kind: 'tools', next: 2 })
  assert.equal(((await then).value as StreamedEvent).type, 'step.completed')
  await writes('t', 'dead', 0, 'half a', 2)
  await writes('t', 'b', 0, 'a whole ', 2)
  await writes('t', 'b', 1, 'sentence', 2)
  const events = await seen(`${home}:2`, 3)
  assert.deepEqual(typesOf(events), ['text.retracted', 'text.delta', 'text.delta'])
  assert.deepEqual(
    events.flatMap((event) => (event.type === 'text.delta' ? [event.text] : [])),
    ['a whole ', 'sentence'],
  )
})

test('retention: what is gone is reported, before what is left and the result', async () => {
  const { broker, client, run } = await setUp()
  await run('t')
  const home = homeOf('t', PARTITIONS)
  const whole = await all(client().events('t'))
  broker.discard('tasks.history', home, 4)
  const left = await all(client().events('t'))
  assert.equal(left[0]?.type, 'events.lost')
  assert.deepEqual(left.slice(1), whole.slice(5))
  const resumed = await all(client().events('t', { after: `${home}:1` }))
  assert.deepEqual(typesOf(resumed).slice(0, 3), ['text.retracted', 'events.lost', 'tool.completed'])
  const kept = await all(client().events('t', { after: `${home}:3` }))
  assert.deepEqual(typesOf(kept).slice(0, 2), ['text.retracted', 'tool.completed'], 'nothing of it was lost')
})

test('a task that ended long ago, whose events are gone: its result; neither: EVENTS_GONE', async () => {
  const { broker, client, run, time } = await setUp()
  time.now -= 10 * 86_400_000
  await run('t')
  const ended = time.now
  time.now += 86_400_000
  const other = Array.from({ length: 9 }, (_, index) => `o${index}`).find(
    (id) => homeOf(id, PARTITIONS) === homeOf('t', PARTITIONS),
  ) as string
  await run(other)
  broker.discard('tasks.history', homeOf('t', PARTITIONS), 9)
  const reader = client()
  assert.deepEqual(typesOf(await all(reader.events('t'))), ['events.lost', 'result'])
  const lifetime = { submittedAtMs: ended, endedAtMs: ended }
  assert.equal(await reader.taskEvents.isGone('t', lifetime), true)
  assert.equal(await reader.taskEvents.isGone(other, { submittedAtMs: time.now, endedAtMs: time.now }), false)
  broker.discard('tasks.completed', homeOf('t', PARTITIONS), 1)
  const gone = client().taskEvents.ofTask('t', { lifetime, after: undefined })
  await assert.rejects(all(gone), { code: 'EVENTS_GONE' })
})

test('a position of another log: the stream says so and begins again', async () => {
  const { client, run } = await setUp()
  await run('t')
  const home = homeOf('t', PARTITIONS)
  const events = await all(client().events('t', { after: `${home}:4711` }))
  assert.deepEqual(typesOf(events).slice(0, 3), ['text.retracted', 'events.lost', 'task.queued'])
  for (const after of ['banana', '', `${1 - home}:3`, `${home}:1.x`])
    assert.throws(() => client().events('t', { after }), { code: 'REQUEST_INVALID' })
})

test('an old task is found without reading everything before it or after it', async () => {
  const { client, run, fill, time, log } = await setUp()
  const home = homeOf('t', PARTITIONS)
  const other = Array.from({ length: 9 }, (_, index) => `o${index}`).find(
    (id) => homeOf(id, PARTITIONS) === home,
  ) as string
  const busy = async (pages: number) => {
    for (let page = 0; page < pages; page++) {
      time.now += 600_000
      await fill(other, PAGE)
    }
  }
  time.now -= 50_000_000
  await busy(8)
  const submittedAtMs = time.now
  await run('t')
  await busy(12)
  let reads = 0
  const read: typeof log.read = (...given) => (reads++, log.read(...given))
  const codec = createCodec({ registry: createEmbeddedRegistry(), prefix: 'test' })
  await codec.prepare()
  const reader = new LogClient({ log: { ...log, read }, codec })
  const lifetime = { submittedAtMs, endedAtMs: submittedAtMs }
  const events = await all(reader.taskEvents.ofTask('t', { lifetime, after: undefined }))
  assert.equal(typesOf(events)[0], 'task.queued')
  assert.equal(events.at(-1)?.type, 'result')
  assert.ok(reads < 14, `${reads} reads`)
  assert.ok((await client().taskEvents.isOver('t', events.at(-1)?.id as string)) === true)
})

test('a feed: from its first position every event of every task comes once, on whatever reader it goes on', async () => {
  const { client, run } = await setUp()
  await run('before')
  const wanted = () => true
  const feed = (after?: string) => client().taskEvents.ofAll({ after, wanted })
  const first = feed()
  const opened = (await first.next()).value as StreamedEvent
  assert.equal(opened.type, 'feed.position')
  await first.return()
  await run('t1')
  await run('t2')
  const seen: StreamedEvent[] = []
  let at = opened.id as string
  // One event for each connection.
  while (seen.filter(({ type }) => type === 'task.completed').length < 2) {
    await using stream = feed(at)
    for await (const event of stream) {
      if (event.type === 'feed.position') continue
      seen.push(event)
      at = event.id as string
      break
    }
  }
  for (const taskId of ['t1', 't2']) {
    const own = seen.filter((event) => 'taskId' in event && event.taskId === taskId)
    const whole = (await all(client().events(taskId))).slice(0, -1)
    assert.deepEqual(typesOf(own), typesOf(whole))
  }
  assert.equal(new Set(seen.map(({ id }) => id)).size, seen.length)
})

test('a reader that leaves ends what it waits for, at once', async () => {
  const { client, happens } = await setUp()
  await happens('t', 'admitted', null)
  for (const stream of [
    client().events('t'),
    client().taskEvents.ofAll({ after: undefined, wanted: () => true }),
  ]) {
    const first = await stream.next()
    assert.equal(first.done, false)
    const waiting = (async () => {
      for (;;) if ((await stream.next()).done === true) return 'over'
    })()
    await new Promise(setImmediate)
    await stream.return()
    assert.equal(await waiting, 'over')
  }
})
