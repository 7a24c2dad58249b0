import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LaneState, NewerState, familyOf } from '../../../runtime/host/state.ts'
import { memoryBlobs } from '../../../runtime/store/memory.ts'

const LIMIT = 400_000
const change = (key: string, name: string, value: unknown) => ({ key, name, value })
const timer = { dueMs: 5, causeId: 'e1', traceparent: null }

function filled(): LaneState {
  const state = new LaneState(1)
  state.apply([
    change('task', 'run', { step: 1 }),
    change('task', 'mode', 'tools'),
    change('task/1', 'call', { n: 1 }),
    change('task/1', 'mode', 'own'),
    change('task/1/x', 'deep', true),
    change('other', 'run', 0),
    state.timerChange('task', 'deadline', timer),
    state.timerChange('task/1', 'retry', timer),
  ])
  return state
}

test('the family of a key is what stands before its first slash', () => {
  assert.deepEqual(['a', 'a/1', 'a/1/2'].map(familyOf), ['a', 'a', 'a'])
})

test('a part sees the rows of its root, and its own over them; timers are no rows', () => {
  const state = filled()
  assert.deepEqual(state.view('task'), { run: { step: 1 }, mode: 'tools' })
  assert.deepEqual(state.view('task/1'), { run: { step: 1 }, mode: 'own', call: { n: 1 } })
  assert.deepEqual(state.view('nobody'), {})
})

test('clearing a key clears its parts and timers, and nobody else', () => {
  const state = filled()
  state.apply(state.cleared('task'))
  assert.deepEqual([state.view('task'), state.view('task/1'), state.view('other')], [{}, {}, { run: 0 }])
  assert.deepEqual([...state.timers()], [])
  assert.equal(state.size, 1)
})

test('clearing a part leaves its root and its sisters', () => {
  const state = filled()
  state.apply([change('task/2', 'call', 2)])
  state.apply(state.cleared('task/1'))
  assert.deepEqual(state.view('task/2'), { run: { step: 1 }, mode: 'tools', call: 2 })
  assert.deepEqual(state.view('task/1'), { run: { step: 1 }, mode: 'tools' })
  assert.deepEqual(
    [...state.timers()].map(({ key, name }) => `${key} ${name}`),
    ['task deadline'],
  )
})

test('deleting what is not there is nothing; a key without rows is gone', () => {
  const state = filled()
  state.apply([change('nobody', 'x', null), change('other', 'y', null), change('other', 'run', null)])
  assert.equal(state.size, 3)
})

test('what is written is what is restored, timers and large rows included', async () => {
  const blobs = memoryBlobs()
  const state = new LaneState(3)
  const large = 'x'.repeat(LIMIT + 1)
  const changes = [
    change('task', 'run', { step: 1, nothing: null }),
    change('task', 'large', large),
    change('task', 'gone', null),
    state.timerChange('task', 'deadline', timer),
  ]
  const rows = await state.encode(changes, blobs, LIMIT)
  for (const { value } of rows) assert.ok((value?.length ?? 0) <= LIMIT, 'nothing large on the log')
  assert.equal(rows.find(({ key }) => key.endsWith('gone'))?.value, null)
  const restored = new LaneState(3)
  await restored.restore(rows, blobs)
  assert.deepEqual(restored.view('task'), { run: { step: 1, nothing: null }, large })
  assert.deepEqual(restored.timer('task', 'deadline'), timer)
})

test('a row of an older version is read; a newer one lets the lane go', async () => {
  const rows = await new LaneState(2).encode([change('task', 'run', 1)], memoryBlobs(), LIMIT)
  const newer = new LaneState(3)
  await newer.restore(rows, memoryBlobs())
  assert.deepEqual(newer.view('task'), { run: 1 })
  await assert.rejects(new LaneState(1).restore(rows, memoryBlobs()), NewerState)
})

test('a large row whose blob is gone says so', async () => {
  const rows = await new LaneState(1).encode([change('task', 'large', 'x'.repeat(100))], memoryBlobs(), 10)
  await assert.rejects(new LaneState(1).restore(rows, memoryBlobs()), { code: 'PAYLOAD_MISSING' })
})

test('rows of the lane come back to it, and no key can be taken for it', async () => {
  const rows = new Map<string, unknown>()
  const index = (from: Iterable<readonly [string, unknown]>) => {
    for (const [name, value] of from) rows.set(name, value)
    return { write: (name: string, value: unknown) => void rows.set(name, value) }
  }
  const state = new LaneState(1, index)
  state.writeLane({ window: ['t1'] })
  const encoded = await state.encode([], memoryBlobs(), LIMIT, { window: ['t1'] })
  const forgers = ['\u0000lane', ''].map((key) => change(key, 'window', ['forged']))
  const forged = await state.encode(forgers, memoryBlobs(), LIMIT)
  rows.clear()
  const restored = new LaneState(1, index)
  await restored.restore([...encoded, ...forged], memoryBlobs())
  assert.deepEqual([...rows], [['window', ['t1']]])
  assert.equal(restored.size, 2)
})

test('restoring many rows lets others have their turn, and keeps them all', async () => {
  const rows = Array.from({ length: 10_000 }, (_, i) => ({
    key: `t-${i}\u0000task`,
    value: Buffer.from(JSON.stringify({ v: 1, d: { answer: 'admitted', atMs: i } })),
  }))
  let turns = 0
  const beat = setInterval(() => turns++, 0)
  const state = new LaneState(1)
  await state.restore(rows, memoryBlobs())
  clearInterval(beat)
  assert.equal(state.size, 10_000)
  assert.ok(turns >= 3, `${turns} turns of others`)
})
