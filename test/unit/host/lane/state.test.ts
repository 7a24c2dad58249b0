import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changedRows } from '../../../../runtime/decisions.ts'
import { LaneState, NewerState } from '../../../../runtime/host/lane/state.ts'
import { encodeKey } from '../../../../runtime/keys.ts'
import { MissingRow } from '../../../../runtime/errors/missing-row.ts'
import { memoryBlobs } from '../../../../runtime/testing/memory/store.ts'

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
    change('other', 'run', 0),
    state.timerChange('task', 'deadline', timer),
    state.timerChange('task/1', 'retry', timer),
  ])
  return state
}

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

test('view and cleared are symmetrical: what is left to see of a cleared key is what it inherits', () => {
  for (const key of ['task', 'task/1', 'other', 'nobody', 'nobody/1']) {
    const state = filled()
    const { inherited, before } = { inherited: state.inherited(key), before: [...state.rows()].length }
    const cleared = state.cleared(key)
    state.apply(cleared)
    assert.deepEqual(state.view(key), inherited, key)
    assert.equal([...state.rows()].length, before - cleared.length, `${key}: nobody else's rows`)
  }
})

test('cold rows are inherited, are written and cleared with the others, and cost a view nothing', async () => {
  const kinds = { isCold: (name: string) => name.startsWith('step:') }
  const state = new LaneState(1, kinds)
  const steps = Array.from({ length: 10_000 }, (_, index) => change('task', `step:${index}`, { index }))
  const changes = [change('task', 'run', 1), ...steps]
  state.apply(changes)
  const view = state.view('task')
  assert.deepEqual(
    [Object.keys(view), view['step:9999'], view['step:10000']],
    [['run'], { index: 9_999 }, undefined],
  )
  const copy = changedRows(view, { run: 2, 'step:10000': 'new' })
  assert.deepEqual([copy['run'], copy['step:10000'], copy['step:0']], [2, 'new', { index: 0 }])
  assert.equal(Object.keys(state.present('task')).length, 10_001)
  assert.equal([...state.rows()].length, 10_001)
  const before = process.cpuUsage()
  for (let times = 0; times < 10_000; times += 1) state.view('task')
  const { user } = process.cpuUsage(before)
  assert.ok(user < 1_000_000, `${user} µs: copying ten thousand rows each time takes seconds`)

  const restored = new LaneState(1, kinds)
  await restored.restore(await state.encode(changes, memoryBlobs(), LIMIT), memoryBlobs())
  assert.deepEqual(restored.view('task')['step:5'], { index: 5 })
  restored.apply([change('task', 'run', null)])
  assert.equal(restored.size, 1, 'its cold rows are there')
  const cleared = restored.cleared('task')
  assert.equal(cleared.length, 10_000)
  restored.apply(cleared)
  assert.deepEqual([restored.size, restored.view('task')['step:5']], [0, undefined])
})

test('a cold row that is gone fails when it is read, and nothing before', async () => {
  const kinds = { isCold: (name: string) => name.startsWith('step:') }
  const rows = await new LaneState(1).encode(
    [change('task', 'step:1', 'x'.repeat(100)), change('task', 'run', 1)],
    memoryBlobs(),
    50,
  )
  const state = new LaneState(1, kinds)
  await state.restore(rows, memoryBlobs())
  const copy = changedRows(state.view('task'), { run: 2 })
  assert.throws(() => copy['step:1'], { code: 'PAYLOAD_MISSING' })
  assert.deepEqual(state.present('task'), { run: 1 })
})

test('deleting what is not there is nothing; a key without rows is gone', () => {
  const state = filled()
  state.apply([change('nobody', 'x', null), change('other', 'y', null), change('other', 'run', null)])
  assert.equal(state.size, 2)
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

/** Restored where the blob store has nothing any more. */
async function withoutBlobs(changes: Parameters<LaneState['encode']>[0]): Promise<LaneState> {
  const rows = await new LaneState(1).encode(changes, memoryBlobs(), 50)
  const state = new LaneState(1)
  await state.restore(rows, memoryBlobs())
  return state
}

test('a large row whose blob is gone fails whoever reads it, and nobody else', async () => {
  const large = 'x'.repeat(100)
  const state = await withoutBlobs([
    change('task', 'large', large),
    change('task', 'run', 1),
    change('task/part', 'large', 'own'),
    change('other', 'run', 2),
  ])
  assert.equal(state.view('task')['run'], 1)
  assert.throws(() => state.view('task')['large'], { code: 'PAYLOAD_MISSING' })
  assert.throws(() => ({ ...state.view('task') }), { code: 'PAYLOAD_MISSING' })
  assert.deepEqual(state.present('task'), { run: 1 })
  assert.deepEqual(state.view('task/part'), { run: 1, large: 'own' })
  assert.deepEqual(state.view('other'), { run: 2 })
})

test('a missing row is written over and cleared like any other', async () => {
  const large = 'x'.repeat(100)
  const state = await withoutBlobs([change('a', 'large', large), change('b', 'large', large)])
  state.apply([change('a', 'large', 'again')])
  assert.deepEqual(state.view('a'), { large: 'again' })
  const cleared = state.cleared('b')
  assert.deepEqual(cleared, [change('b', 'large', null)])
  state.apply(cleared)
  assert.deepEqual(state.view('b'), {})
})

test('a row of the lane that is gone comes back as a MissingRow', async () => {
  const blobs = memoryBlobs()
  const rows = await new LaneState(1).encode([], blobs, 50, { window: 'x'.repeat(100), small: 1 })
  const found = new Map<string, unknown>()
  const index = () => ({ write: (name: string, value: unknown) => void found.set(name, value) })
  await new LaneState(1, { laneIndex: index }).restore(rows, memoryBlobs())
  assert.ok(found.get('window') instanceof MissingRow)
  assert.equal(found.get('small'), 1)
})

test('rows of the lane come back to it, and no key can be taken for it', async () => {
  const rows = new Map<string, unknown>()
  const index = () => ({ write: (name: string, value: unknown) => void rows.set(name, value) })
  const state = new LaneState(1, { laneIndex: index })
  state.writeLane({ window: ['t1'] })
  const encoded = await state.encode([], memoryBlobs(), LIMIT, { window: ['t1'] })
  const forgers = ['\u0000lane', ''].map((id) => change(encodeKey(id), 'window', ['forged']))
  const forged = await state.encode(forgers, memoryBlobs(), LIMIT)
  rows.clear()
  const restored = new LaneState(1, { laneIndex: index })
  await restored.restore([...encoded, ...forged], memoryBlobs())
  assert.deepEqual([...rows], [['window', ['t1']]])
  assert.equal(restored.size, 2)
})

test('rows that no release has written count as absent, are named, and hide no other', async () => {
  const [key, lane] = [encodeKey('task'), '\u0000lane\u0000window']
  const good = { key: `${key}\u0000run`, value: Buffer.from('{"v":1,"d":null}') }
  const texts = [
    '',
    'garbage',
    'null',
    '7',
    '{}',
    '{"v":"1","d":2}',
    '{"v":1}',
    '{"d":1}',
    '{"v":1,"blob":5}',
  ]
  const garbage = texts.flatMap((text, index) => [
    { key: `${key}\u0000r${index}`, value: Buffer.from(text) },
    { key: `${lane}${index}`, value: Buffer.from(text) },
  ])
  const strange = { key: 'no row of ours', value: Buffer.from('{"v":1,"d":1}') }
  const timers = ['"x"', 'null', '{"dueMs":"soon"}'].map((d, index) => {
    return { key: `${key}\u0000$timer:t${index}`, value: Buffer.from(`{"v":1,"d":${d}}`) }
  })
  const written: string[] = []
  const state = new LaneState(1, { laneIndex: () => ({ write: (name: string) => void written.push(name) }) })
  const rows = [...garbage, strange, ...timers, good]
  const { unreadable } = await state.restore(rows, memoryBlobs())
  assert.deepEqual(
    unreadable,
    rows.slice(0, -1).map((row) => row.key),
  )
  assert.deepEqual([state.view(key), [...state.timers()], written], [{ run: null }, [], []])
})

test('rows of the lane reach its index in turns too', async () => {
  const rows = Array.from({ length: 10_000 }, (_, i) => ({
    key: `\u0000lane\u0000answered:1:t-${i}`,
    value: Buffer.from(JSON.stringify({ v: 1, d: 1 })),
  }))
  let turns = 0
  const seen = new Set<number>()
  let written = 0
  const beat = setInterval(() => {
    turns++
    seen.add(written)
  }, 0)
  const state = new LaneState(1, { laneIndex: () => ({ write: () => void written++ }) })
  await state.restore(rows, memoryBlobs())
  clearInterval(beat)
  assert.equal(written, 10_000)
  assert.ok(turns >= 3 && seen.size >= 3, `${turns} turns of others, at ${[...seen].join()}`)
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
