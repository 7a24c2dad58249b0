// What a lane takes in, and what it leaves: bounds on records, on one task's control records, and on what waits.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LOG_RECORD_BYTES } from '../../../../runtime/log/limits.ts'
import type { OutgoingRecord } from '../../../../runtime/log/port.ts'
import type { CallContext, Decision, Stage } from '../../../../runtime/stage.ts'
import { memoryBlobs } from '../../../../runtime/testing/memory/store.ts'
import { codec, cancel, feedback, letters, record, startWorld, type World } from './world.ts'

const told = (taskId: string, reason: string): Decision => ({
  emit: [
    {
      topic: 'tools.requested',
      type: 'WorkCancelled',
      data: { taskId, callIds: [], reason, deadlineMs: null },
    },
  ],
})

const ask = { kind: 'ask', target: 'x', request: null, timeoutMs: 600_000, idempotent: true } as const

/** Calls outside for a task that is named slow, and says what it hears of any. */
const asking: Stage = {
  name: 'planner',
  version: 1,
  consumes: [{ topic: 'tasks.control' }, { topic: 'tasks.submitted' }, { topic: 'code.requested' }],
  forwardsHome: true,
  decide(event) {
    if (event.type === 'FeedbackGiven' && event.data.comment === 'ask') return { call: ask }
    return told(event.key, event.type)
  },
  conclude: (event, _rows, _call, outcome) => told(event.key, outcome.ok ? 'answered' : outcome.failure.code),
  interrupts: ({ type }) => type === 'TaskCancelled',
}

async function heard(world: World): Promise<string[]> {
  const found = await world.read('tools.requested')
  return found.map(({ data }) => {
    const { taskId, reason } = data as { taskId: string; reason: string }
    return `${taskId}: ${reason}`
  })
}

/** Answers when the test says so, or when it is stopped. */
function heldCalls() {
  const waiting: (() => void)[] = []
  const caller = (_request: never, { signal }: CallContext) =>
    new Promise<string>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error))
      waiting.push(() => resolve('answer'))
    })
  return { waiting, callers: { ask: caller } }
}

const foreign = (topic: OutgoingRecord['topic'], changes: Partial<OutgoingRecord>): OutgoingRecord => ({
  topic,
  partition: 0,
  key: null,
  value: Buffer.from('garbage'),
  headers: {},
  ...changes,
})

const huge = 'x'.repeat(600_000)
const tooLarge: readonly (readonly [string, OutgoingRecord])[] = [
  ['value', foreign('tasks.control', { value: Buffer.alloc(LOG_RECORD_BYTES - 200, 1) })],
  ['key', foreign('tasks.control', { key: huge })],
  ['header', foreign('tasks.control', { headers: { traceparent: huge } })],
  ['id', { ...cancel(huge), key: null }],
  ['reason', cancel('a', huge)],
]
for (const [what, large] of tooLarge)
  test(`a record whose ${what} is too large becomes a small dead letter; nothing else of it is written`, async () => {
    const world = await startWorld({ stage: asking, partitions: 1 })
    await world.publish(large, cancel('next'))
    assert.deepEqual(await heard(world), ['next: TaskCancelled'])
    const [letter, ...others] = await letters(world)
    assert.deepEqual([letter?.code, others.length], ['RECORD_TOO_LARGE', 0])
    for (const { records } of world.commits)
      for (const { key, value, headers } of records)
        assert.ok(JSON.stringify({ key, headers }).length + (value?.length ?? 0) < 250_000)
  })

test('a large dead letter waits for a blob store that is away by itself; its bytes and origin are found there', async () => {
  const store = memoryBlobs()
  let away = true
  const put = async (bytes: Uint8Array) => {
    if (away) throw new Error('the store is away')
    return store.put(bytes)
  }
  const world = await startWorld({ stage: asking, blobs: { ...store, put } })
  // Of a topic that only stages write: of others, key and headers are not taken.
  const large = foreign('code.requested', {
    key: 'k'.repeat(20_000),
    value: Buffer.alloc(600_000, 7),
    headers: { mine: 'kept' },
  })
  await world.publish(large, cancel('next'))
  assert.deepEqual([await heard(world), await letters(world)], [['next: TaskCancelled'], []])
  away = false
  await world.within(20_000)
  const [letter] = await letters(world)
  assert.ok(letter)
  assert.ok((letter.key?.length ?? 0) <= 500)
  assert.deepEqual(letter.headers, {})
  const bytes = await store.get(letter.valueBlob ?? '')
  assert.deepEqual(Buffer.from(bytes ?? []), large.value)
  assert.deepEqual(Buffer.from(letter.value), Buffer.alloc(letter.value.length, 7))
  assert.equal(letter.valueBytes, 600_000)
  const origin = JSON.parse(
    Buffer.from((await store.get(letter.originBlob ?? '')) ?? []).toString(),
  ) as object
  assert.deepEqual(origin, { key: large.key, headers: large.headers })
  assert.equal(world.position('code.requested'), world.end('code.requested'))
})

test('a submission that is too large and names its task at home is answered; away from it, it is a dead letter', async () => {
  const world = await startWorld({ stage: asking, partitions: 1 })
  const text = JSON.stringify({ taskId: 'big', text: huge })
  await world.publish(foreign('tasks.submitted', { value: Buffer.from(text) }))
  const wrong = JSON.stringify({ taskId: 'no id/at all', text: huge })
  await world.publish(foreign('tasks.submitted', { value: Buffer.from(wrong) }))
  assert.deepEqual(await heard(world), ['big: SubmissionRefused'])
  assert.deepEqual(
    (await letters(world)).map(({ code }) => code),
    ['RECORD_TOO_LARGE'],
  )
})

test('types that a stage does not take are skipped though their headers say otherwise', async () => {
  const choosing: Stage = { ...asking, consumes: [{ topic: 'tasks.control', events: ['TaskCancelled'] }] }
  const held = heldCalls()
  const world = await startWorld({ stage: choosing, callers: held.callers })
  await world.publish(
    { ...feedback('a', 'ask'), headers: { 'flotilla-schema': 'TaskCancelled' } },
    { ...cancel('b'), headers: { 'flotilla-schema': 'FeedbackGiven' } },
  )
  assert.deepEqual([await heard(world), held.waiting.length], [['b: TaskCancelled'], 0])
  assert.equal(world.position('tasks.control'), world.end('tasks.control'))
})

test('what waits for a busy task keeps nobody else waiting; past a bound it goes to dead-letters, but for what interrupts', async () => {
  const held = heldCalls()
  const world = await startWorld({ stage: asking, callers: held.callers })
  await world.publish(feedback('slow', 'ask'))
  const flood = Array.from({ length: 1_500 }, () => feedback('slow', 'flood'))
  await world.publish(...flood)
  await world.publish(feedback('quick'), cancel('other'))
  assert.deepEqual((await heard(world)).sort(), ['other: TaskCancelled', 'quick: FeedbackGiven'])
  const busy = await letters(world)
  assert.equal(busy.length, 1_400)
  assert.ok(busy.every(({ code }) => code === 'TASK_BUSY'))
  await world.publish(cancel('slow'))
  const ofSlow = (await heard(world)).filter((each) => each.startsWith('slow'))
  assert.equal(ofSlow[0], 'slow: CALL_ABORTED')
  assert.deepEqual([ofSlow.length, ofSlow.at(-1)], [102, 'slow: TaskCancelled'])
})

test('a cancel is heard although nothing can be taken', async () => {
  const held = heldCalls()
  const bounds = { maxTakenPerLane: 4, maxPendingPerLane: 4 }
  const world = await startWorld({ stage: asking, callers: held.callers, options: bounds })
  const tasks = ['a', 'b', 'c', 'd', 'e', 'f']
  await world.publish(...tasks.map((task) => feedback(task, 'ask')))
  assert.equal(held.waiting.length, 4)
  await world.publish(cancel('c'))
  assert.deepEqual((await heard(world))[0], 'c: CALL_ABORTED')
})

test('fetching pauses at so many bytes, for tasks.control too, and resumes', async () => {
  const held = heldCalls()
  const bounds = { maxTakenPerLane: 2, maxBufferedBytesPerTopic: 100_000 }
  const world = await startWorld({ stage: asking, callers: held.callers, options: bounds })
  await world.publish(feedback('a', 'ask'), feedback('b', 'ask'))
  const large = Array.from({ length: 20 }, (_, i) => feedback(`t${i}`, 'x'.repeat(50_000)))
  for (const each of large) await world.publish(each)
  assert.ok(world.paused().includes('tasks.control'))
  for (const answer of held.waiting.splice(0)) answer()
  await world.within(5_000)
  assert.equal(world.position('tasks.control'), world.end('tasks.control'))
  assert.deepEqual(world.paused(), [])
})

test('a position never has more metadata than its bound, whatever finishes first', async () => {
  const held = heldCalls()
  const world = await startWorld({
    stage: asking,
    callers: held.callers,
    options: { maxTakenPerLane: 10_000, maxPendingPerLane: 10_000 },
  })
  const records = Array.from({ length: 2_500 }, (_, i) => feedback(`t${i}`, i % 2 === 0 ? 'ask' : 'quick'))
  await world.publish(...records)
  const longest = () =>
    Math.max(...world.commits.flatMap(({ positions }) => positions.map(({ metadata }) => metadata.length)))
  assert.ok(longest() > 1_000 && longest() <= 3_000, `${longest()}`)
  while (held.waiting.length > 0) {
    for (const answer of held.waiting.splice(0)) answer()
    await world.within(2_000)
  }
  assert.ok(longest() <= 3_000)
  assert.equal(world.position('tasks.control'), world.end('tasks.control'))
})

test('what is large for other reasons than its payloads is measured with key and headers', async () => {
  const data = { taskId: 'a', userId: null, satisfaction: 1, comment: null }
  const value = codec.encode('FeedbackGiven', data, 'tasks.control')
  const headers = { a: 'x'.repeat(300_000), b: 'y'.repeat(300_000) }
  const world = await startWorld({ stage: asking })
  await world.publish({ ...record('tasks.control', 'FeedbackGiven', data), value, headers })
  assert.deepEqual(
    (await letters(world)).map(({ code }) => code),
    ['RECORD_TOO_LARGE'],
  )
})
