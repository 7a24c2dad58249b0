// What the log refuses for good concerns the event that led to it, and no other.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { METADATA_BYTES } from '../../../../runtime/host/lane/offsets.ts'
import { Refusals } from '../../../../runtime/host/lane/refusals.ts'
import { CommitRefused, type LaneCommit } from '../../../../runtime/log/port.ts'
import type { Decision, Stage, StageEvent } from '../../../../runtime/stage.ts'
import { VirtualClock } from '../../../../runtime/testing/simulator/virtual-clock.ts'
import { feedback, letters, startWorld, type World } from './world.ts'

const told = (taskId: string, reason: string): Decision => ({
  emit: [
    {
      topic: 'tools.requested',
      type: 'WorkCancelled',
      data: { taskId, callIds: [], reason, deadlineMs: null },
    },
  ],
})

/** Counts the feedback of each task, and passes its comment on. */
const passing: Stage = {
  name: 'metering',
  version: 1,
  consumes: [{ topic: 'tasks.control' }],
  decide(event: StageEvent, rows) {
    if (event.type !== 'FeedbackGiven') return {}
    const seen = ((rows['seen'] as number | undefined) ?? 0) + 1
    return { rows: { seen }, ...told(event.key, `${event.data.comment} after ${seen - 1}`) }
  },
  poisoned: (event, _rows, failure) => told(event.key, failure.code),
}

const holds = (text: string) => (commit: LaneCommit) =>
  commit.records.some(({ value }) => Buffer.from(value ?? []).includes(text)) ? 'record' : null

async function passed(world: World): Promise<string[]> {
  const found = await world.read('tools.requested')
  return found.map(({ data }) => {
    const { taskId, reason } = data as { taskId: string; reason: string }
    return `${taskId}: ${reason}`
  })
}

const isThrough = (world: World) => world.position('tasks.control') === world.end('tasks.control')

test('of a group that is refused, everything but the guilty effect is committed, each once', async () => {
  const world = await startWorld({ stage: passing, refuses: holds('guilty after') })
  await world.publish(
    feedback('a', 'fine'),
    feedback('b', 'guilty'),
    feedback('c', 'fine'),
    feedback('b', 'later'),
  )
  assert.deepEqual((await passed(world)).sort(), [
    'a: fine after 0',
    'b: COMMIT_REFUSED',
    'b: later after 0',
    'c: fine after 0',
  ])
  assert.ok(isThrough(world))
  assert.deepEqual(world.host.status().problems, [])
  assert.ok(world.counted.includes('commits_refused'))
})

test('its dead letter has its place, its bytes and the reason', async () => {
  const world = await startWorld({ stage: passing, refuses: holds('guilty after') })
  const guilty = feedback('b', 'guilty')
  await world.publish(feedback('a', 'fine'), guilty)
  const [letter, ...others] = await letters(world)
  assert.equal(others.length, 0)
  const { sourceTopic, partition, offset, key, code, message, value } = letter ?? assert.fail('no letter')
  assert.deepEqual(
    [sourceTopic, partition, offset, key, code],
    ['tasks.control', 0, 1, 'b', 'COMMIT_REFUSED'],
  )
  assert.match(message, /the test refuses it/)
  assert.deepEqual(Buffer.from(value), Buffer.from(guilty.value ?? []))
})

test('where what the requester is told is refused too, the smallest letter is left', async () => {
  const refuses = (commit: LaneCommit) => holds('guilty')(commit) ?? holds('COMMIT_REFUSED')(commit)
  const told = (commit: LaneCommit) =>
    commit.records.length > 1 || holds('guilty')(commit) ? refuses(commit) : null
  const world = await startWorld({ stage: passing, refuses: told })
  await world.publish(feedback('b', 'guilty'), feedback('c', 'fine'))
  assert.deepEqual(await passed(world), ['c: fine after 0'])
  const [letter] = await letters(world)
  assert.deepEqual([letter?.key, letter?.value.length, letter?.headers], ['b', 0, {}])
  const bytes = await world.blobs.get(letter?.valueBlob ?? '')
  assert.ok(Buffer.from(bytes ?? []).includes('guilty'), 'its bytes are in the blob store')
  assert.equal(bytes?.length, letter?.valueBytes)
  assert.ok(isThrough(world))
})

test('where every letter is refused, the event is left behind all the same: nothing is tried without end', async () => {
  const refuses = (commit: LaneCommit) =>
    commit.records.some(({ key }) => key === 'b') ? ('record' as const) : null
  const world = await startWorld({ stage: passing, refuses })
  await world.publish(feedback('a', 'fine'), feedback('b', 'guilty'), feedback('c', 'fine'))
  assert.deepEqual((await passed(world)).sort(), ['a: fine after 0', 'c: fine after 0'])
  assert.deepEqual(await letters(world), [])
  assert.ok(isThrough(world))
  const commits = world.commits.length
  await world.within(60_000)
  assert.ok(world.commits.length <= commits + 1)
})

test("a timer whose effect is refused is given up with its task's requester told", async () => {
  const waking: Stage = {
    ...passing,
    decide: (event) =>
      event.type === 'TimerFired' ? told(event.key, 'guilty') : { timers: { wake: event.atMs + 1_000 } },
  }
  const world = await startWorld({ stage: waking, refuses: holds('guilty') })
  await world.publish(feedback('a'))
  await world.within(10_000)
  assert.deepEqual(await passed(world), ['a: COMMIT_REFUSED'])
  assert.deepEqual(world.rows(), [])
  const [letter] = await letters(world)
  assert.deepEqual([letter?.sourceTopic, letter?.key], ['timer', 'a'])
})

test('a refused position halves how much metadata the lane allows itself', () => {
  const refusals = new Refusals(new VirtualClock(0))
  refusals.note(['x'], new CommitRefused('too long', 'position'))
  assert.equal(refusals.metadataBytes, METADATA_BYTES / 2)
  assert.equal(refusals.of('x'), undefined, 'no effect is to blame')
})

test('a position that the broker refuses leads to a lane that takes less ahead, not to one that stands still', async () => {
  const answers: (() => void)[] = []
  const slow: Stage = {
    ...passing,
    decide: (event) =>
      event.key.startsWith('slow')
        ? {
            call: {
              kind: 'ask',
              target: 'x',
              request: null,
              timeoutMs: 600_000,
              idempotent: true,
              journalled: false,
            },
          }
        : passing.decide(event, {}, { write: () => {} }),
    conclude: () => ({}),
  }
  const world = await startWorld({
    stage: slow,
    callers: { ask: () => new Promise<void>((resume) => answers.push(resume)) },
    refuses: ({ positions }) => (positions.some(({ metadata }) => metadata.length > 400) ? 'position' : null),
  })
  const records = Array.from({ length: 300 }, (_, i) =>
    feedback(`${i % 2 === 0 ? 'slow' : 'quick'}-${i}`, 'fine'),
  )
  await world.publish(...records)
  while (!isThrough(world)) {
    assert.ok(answers.length > 0, 'something is at work')
    for (const answer of answers.splice(0)) answer()
    await world.within(3_000)
  }
  assert.equal((await passed(world)).length, 150)
})

test('an event whose own records are too large is given up at once, before anything is sent', async () => {
  let decided = 0
  const large: Stage = {
    ...passing,
    decide: (event) => {
      decided++
      return told(event.key, 'x'.repeat(600_000))
    },
  }
  const world = await startWorld({ stage: large })
  await world.publish(feedback('a'))
  assert.equal(decided, 1, 'it would come out the same each time')
  assert.deepEqual(await passed(world), ['a: RECORD_TOO_LARGE'])
  const [letter] = await letters(world)
  assert.match(letter?.message ?? '', /WorkCancelled for tools.requested has 600\d+ bytes.*at most 524288/)
  assert.ok(world.commits.every(({ records }) => records.every(({ value }) => (value?.length ?? 0) < 10_000)))
})
