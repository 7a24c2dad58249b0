import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_LINGER_MS, GroupCommit, type Effect } from '../../../../runtime/host/lane/group-commit.ts'
import { OffsetTracker } from '../../../../runtime/host/lane/offsets.ts'
import { Refusals } from '../../../../runtime/host/lane/refusals.ts'
import {
  CommitFailed,
  CommitUncertain,
  LaneFenced,
  type LaneCommit,
  type LogRecord,
  type OpenLane,
} from '../../../../runtime/log/port.ts'
import { quietInstruments } from '../../../../runtime/telemetry/instruments.ts'
import { VirtualClock } from '../../../../runtime/testing/simulator/virtual-clock.ts'

const topic = 'tasks.submitted'
const input = (offset: number): LogRecord => ({
  topic,
  partition: 0,
  offset,
  key: 'k',
  value: null,
  headers: {},
  timestampMs: 0,
})
const text = (row: { value: Uint8Array | null }) => Buffer.from(row.value ?? []).toString()

/** A lane whose commits end when, and how, the test says. */
function lane(instruments = quietInstruments) {
  const commits: LaneCommit[] = []
  const answers: ((error?: Error) => void)[] = []
  const failures: unknown[] = []
  const clock = new VirtualClock(1_000)
  const open = {
    lane: 0,
    commit: (commit: LaneCommit) => {
      commits.push(commit)
      return new Promise<void>((resolve, reject) =>
        answers.push((error) => (error ? reject(error) : resolve())),
      )
    },
  } as unknown as OpenLane
  const offsets = new OffsetTracker([])
  const refusals = new Refusals(clock)
  const group = new GroupCommit(open, offsets, { clock, refusals, instruments, stage: 'router' }, (error) =>
    failures.push(error),
  )
  const done: number[] = []
  const push = (offset: number, changes: Partial<Effect> = {}) => {
    offsets.offer(input(offset))
    const rows = [{ key: 'row', value: Buffer.from(String(offset)) }]
    const committed = () => void done.push(offset)
    const cause = `cause ${offset}`
    const effect = { records: [], rows, input: input(offset), cause, withinMs: 0, committed }
    group.push({ ...effect, ...changes })
  }
  const settle = () => new Promise((resume) => setImmediate(resume))
  const answer = async (error?: Error) => {
    answers.shift()?.(error)
    await settle()
  }
  return { commits, answers, failures, clock, offsets, refusals, group, done, push, settle, answer }
}

test('while a commit is under way the next group gathers; effects stay in order', async () => {
  const { commits, done, push, settle, answer } = lane()
  push(0)
  push(1)
  await settle()
  assert.equal(commits.length, 1, 'what ends in one turn is one group')
  push(2)
  push(3)
  await settle()
  assert.equal(commits.length, 1, 'one commit at a time')
  await answer()
  assert.equal(commits.length, 2)
  await answer()
  assert.deepEqual(done, [0, 1, 2, 3])
  assert.deepEqual(
    commits.map(({ positions }) => positions[0]?.offset),
    [2, 4],
  )
})

test('of one row the last value of a group is written', async () => {
  const { commits, push, settle } = lane()
  push(0)
  push(1)
  await settle()
  assert.deepEqual(commits[0]?.rows.map(text), ['1'])
})

test('nothing counts as committed, and no position moves, before the commit ended', async () => {
  const { done, push, settle, answer, group } = lane()
  push(0)
  await settle()
  assert.deepEqual(done, [])
  let settled = false
  void group.settled().then(() => (settled = true))
  await settle()
  assert.equal(settled, false)
  await answer()
  assert.deepEqual([done, settled], [[0], true])
})

test('a failed commit is tried again with the same effects', async () => {
  const { commits, clock, done, failures, push, settle, answer } = lane()
  push(0)
  await settle()
  await answer(new CommitFailed('busy'))
  push(1)
  await clock.run(clock.now() + 1_000, () => commits.length === 2)
  assert.equal(commits.length, 2)
  assert.deepEqual(commits[1], commits[0], 'the very same commit; what came since waits its turn')
  await answer()
  await answer()
  assert.deepEqual([done, failures], [[0, 1], []])
})

test('a commit that keeps failing ends the lane after five tries', async () => {
  const { commits, clock, done, failures, push, settle, answer } = lane()
  push(0)
  await settle()
  for (let tries = 1; tries <= 5; tries++) {
    await clock.run(clock.now() + 5_000, () => commits.length === tries)
    await answer(new CommitFailed('disk full'))
  }
  await settle()
  assert.equal(commits.length, 5)
  assert.equal(failures.length, 1)
  assert.deepEqual(done, [])
})

for (const error of [new LaneFenced('another owner'), new CommitUncertain('no answer')])
  test(`${error.name} ends the lane at once: the commit is never tried again`, async () => {
    const { commits, clock, done, failures, push, settle, answer } = lane()
    push(0)
    await settle()
    await answer(error)
    await clock.run(clock.now() + 60_000, () => false)
    assert.equal(commits.length, 1)
    assert.deepEqual([failures, done], [[error], []])
  })

test('a stopped lane commits nothing more and reports nothing', async () => {
  const { commits, done, failures, group, push, settle, answer } = lane()
  push(0)
  await settle()
  push(1)
  group.stop()
  await answer(new LaneFenced('late'))
  push(2)
  await settle()
  assert.equal(commits.length, 1)
  assert.deepEqual([done, failures], [[], []])
  await group.settled()
})

test('the position of a skipped record is committed by itself after a while', async () => {
  const { commits, clock, offsets, group } = lane()
  offsets.offer(input(0))
  offsets.finish(topic, 0)
  group.skipped()
  await clock.run(clock.now() + 1_000, () => false)
  assert.equal(commits.length, 0)
  await clock.run(clock.now() + 2_000, () => commits.length === 1)
  assert.deepEqual(commits[0]?.positions, [{ topic, offset: 1, metadata: '' }])
})

test('a group is bounded: 1,000 effects, or 4 MB', async () => {
  const { commits, done, push, settle, answer } = lane()
  for (let offset = 0; offset < 1_500; offset++) push(offset)
  await settle()
  await answer()
  assert.equal(done.length, 1_000)
  await answer()
  assert.equal(done.length, 1_500)
  const value = Buffer.alloc(1_500_000)
  const record = { topic, partition: 0, key: 'k', value, headers: {} } as const
  for (let offset = 1_500; offset < 1_506; offset++) push(offset, { records: [record] })
  await settle()
  assert.equal(commits.at(-1)?.records.length, 3)
})

test('an effect that nobody waits for is committed with the next one, when asked for, or after a while', async () => {
  const { commits, clock, push, settle, answer, group } = lane()
  push(0, { withinMs: MAX_LINGER_MS })
  await settle()
  assert.equal(commits.length, 0)
  push(1)
  await settle()
  assert.deepEqual(
    commits[0]?.positions.map(({ offset }) => offset),
    [2],
  )
  await answer()
  push(2, { withinMs: MAX_LINGER_MS })
  group.flush()
  await settle()
  assert.equal(commits.length, 2)
  await answer()
  push(3, { withinMs: MAX_LINGER_MS })
  await settle()
  assert.equal(commits.length, 2)
  await clock.run(clock.now() + MAX_LINGER_MS + 1, () => false)
  await settle()
  assert.equal(commits.length, 3)
})

test('an effect that may wait keeps to its own limit, also while a commit is under way', async () => {
  const { commits, clock, push, settle, answer } = lane()
  push(0)
  await settle()
  push(1, { withinMs: MAX_LINGER_MS })
  push(2, { withinMs: 50 })
  await answer()
  assert.equal(commits.length, 1, 'a commit that ends does not take them along by itself')
  await clock.run(clock.now() + 60, () => commits.length === 2)
  assert.deepEqual(commits[1]?.positions, [{ topic, offset: 3, metadata: '' }])
})

test('many effects that may wait are company enough', async () => {
  const { commits, push, settle } = lane()
  for (let offset = 0; offset < 99; offset++) push(offset, { withinMs: MAX_LINGER_MS })
  await settle()
  assert.equal(commits.length, 0)
  push(99, { withinMs: MAX_LINGER_MS })
  await settle()
  assert.equal(commits.length, 1)
})

test('commits are counted by their result, with their time and the handlings that share one', async () => {
  const measured: unknown[] = []
  const note = (name: string, value: number, labels?: object): void =>
    void measured.push([name, value, labels])
  const { push, answer, clock, settle } = lane({
    ...quietInstruments,
    count: note,
    observe: note,
    record: note,
  })
  push(0)
  push(1)
  await settle()
  await clock.run(clock.now() + 250, () => false)
  await answer()
  push(2)
  await settle()
  await answer(new LaneFenced('another owner'))
  const stage = 'router'
  assert.deepEqual(measured, [
    ['commits', 1, { stage, result: 'committed' }],
    ['commit', 0.25, { stage }],
    ['commit_handlings', 2, { stage }],
    ['commits', 1, { stage, result: 'fenced' }],
  ])
})
