// Large payloads of events lie in the blob store, which may be away, and may have lost one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resolve } from '../../../../runtime/codec/claim-check.ts'
import type { Decision, Json, Stage } from '../../../../runtime/stage.ts'
import { memoryBlobs } from '../../../../runtime/testing/memory/store.ts'
import type { BlobStore } from '../../../../runtime/store/port.ts'
import { samples } from '../../../golden/samples.ts'
import { cancel, feedback, letters, record, startWorld, type World } from './world.ts'

const told = (taskId: string, reason: string): Decision => ({
  emit: [
    {
      topic: 'tools.requested',
      type: 'WorkCancelled',
      data: { taskId, callIds: [], reason, deadlineMs: null },
    },
  ],
})

/** Says how long each output is. */
const reading: Stage = {
  name: 'planner',
  version: 1,
  consumes: [{ topic: 'tools.completed' }],
  decide: (event) =>
    event.type === 'ToolCompleted' ? told(event.key, `${JSON.stringify(event.data.output).length}`) : {},
  poisoned: (event, _rows, failure) => told(event.key, failure.code),
}

const completed = (taskId: string, output: Json) =>
  record('tools.completed', 'ToolCompleted', { ...samples.ToolCompleted, taskId, output, error: null })

async function heard(world: World): Promise<string[]> {
  const found = await world.read('tools.requested')
  return found.map(({ data }) => {
    const { taskId, reason } = data as { taskId: string; reason: string }
    return `${taskId}: ${reason}`
  })
}

/** Counts what is read, and is away while `away`. */
function watchedBlobs() {
  const store = memoryBlobs()
  const watched = { away: false, gets: 0 }
  const get = async (hash: string) => {
    watched.gets++
    if (watched.away) throw new Error('the store is away')
    return store.get(hash)
  }
  return { watched, blobs: { ...store, get } satisfies BlobStore }
}

const reference = async (blobs: BlobStore, value: unknown) => {
  const bytes = Buffer.from(JSON.stringify(value))
  return { $blob: await blobs.put(bytes), bytes: bytes.length }
}

test('a payload is read once', async () => {
  const { watched, blobs } = watchedBlobs()
  const world = await startWorld({ stage: reading, blobs })
  await world.publish(completed('a', await reference(blobs, 'x'.repeat(1_000))))
  assert.deepEqual([await heard(world), watched.gets], [['a: 1002'], 1])
})

test('while the store is away its events wait, nothing else does, and no rejection is dropped', async () => {
  const { watched, blobs } = watchedBlobs()
  const dropped: unknown[] = []
  const drop = (error: unknown) => dropped.push(error)
  process.on('unhandledRejection', drop)
  try {
    watched.away = true
    const world = await startWorld({ stage: reading, blobs })
    await world.publish(completed('a', await reference(blobs, 'x'.repeat(1_000))), completed('b', 'small'))
    assert.deepEqual(await heard(world), ['b: 7'], 'the one behind it went ahead')
    await world.within(60_000)
    watched.away = false
    await world.within(10_000)
    assert.deepEqual(await heard(world), ['b: 7', 'a: 1002'])
    assert.deepEqual([dropped, await letters(world)], [[], []])
  } finally {
    process.off('unhandledRejection', drop)
  }
})

for (const [what, hash] of [
  ['that is gone', 'a'.repeat(64)],
  ['whose name is none', 'x\u0000y'],
] as const)
  test(`a payload ${what} fails the event that names it: its requester is told, a dead letter is left`, async () => {
    const world = await startWorld({ stage: reading })
    await world.publish(completed('a', { $blob: hash, bytes: 9 }), completed('b', 'small'))
    assert.deepEqual((await heard(world)).sort(), ['a: PAYLOAD_MISSING', 'b: 7'])
    const [letter, ...others] = await letters(world)
    assert.deepEqual([letter?.code, letter?.key, others.length], ['PAYLOAD_MISSING', 'a', 0])
    assert.equal(world.position('tools.completed'), world.end('tools.completed'))
    assert.deepEqual(world.host.status().problems, [])
  })

test('a stage to which payloads are optional gets null for one that is gone, and waits for one that is away', async () => {
  const { watched, blobs } = watchedBlobs()
  const optional: Stage = { ...reading, consumes: [{ topic: 'tools.completed', payloads: 'optional' }] }
  const world = await startWorld({ stage: optional, blobs })
  watched.away = true
  const cut = { $blob: await blobs.put(Buffer.from('{"cut')), bytes: 5 }
  await world.publish(
    completed('gone', { $blob: 'a'.repeat(64), bytes: 9 }),
    completed('cut', cut),
    completed('there', await reference(blobs, 'x'.repeat(1_000))),
  )
  assert.deepEqual(await heard(world), [])
  watched.away = false
  await world.within(60_000)
  assert.deepEqual((await heard(world)).sort(), ['cut: 4', 'gone: 4', 'there: 1002'])
  assert.deepEqual(await letters(world), [])
})

test('a payload that a task can do without is null where it is gone; any other beside it is needed', async () => {
  const granted: Stage = {
    ...reading,
    consumes: [{ topic: 'sessions.turns' }],
    decide: (event) =>
      event.type === 'TurnGranted' ? told(event.key, JSON.stringify(event.data.variables)) : {},
  }
  const world = await startWorld({ stage: granted })
  const gone = { $blob: 'a'.repeat(64), bytes: 9 }
  const turn = (taskId: string, changes: object) =>
    record('sessions.turns', 'TurnGranted', { ...samples.TurnGranted, taskId, ...changes })
  await world.publish(turn('a', { variables: gone }), turn('b', { variables: gone, history: gone }))
  assert.deepEqual((await heard(world)).sort(), ['a: null', 'b: PAYLOAD_MISSING'])
})

test('a stage that reads no payloads never asks the store for one', async () => {
  const { watched, blobs } = watchedBlobs()
  const blind: Stage = { ...reading, consumes: [{ topic: 'tools.completed', payloads: 'unread' }] }
  const world = await startWorld({ stage: blind, blobs })
  await world.publish(completed('a', await reference(blobs, 'x'.repeat(1_000))), completed('b', 'small'))
  assert.deepEqual([(await heard(world)).sort(), watched.gets], [['a: 4', 'b: 7'], 0])
})

test('a payload that is no JSON is as good as missing', async () => {
  const blobs = memoryBlobs()
  const data = { output: { $blob: await blobs.put(Buffer.from('{"cut')), bytes: 5 } }
  await assert.rejects(async () => resolve('ToolCompleted', data as never, blobs), {
    code: 'PAYLOAD_MISSING',
  })
})

test('what looks like a reference inside a payload is left as it is', async () => {
  const blobs = memoryBlobs()
  const world = await startWorld({ stage: reading, blobs })
  const inner = { $blob: 'b'.repeat(64), bytes: 1 }
  await world.publish(completed('a', await reference(blobs, inner)))
  assert.deepEqual(await heard(world), [`a: ${JSON.stringify(inner).length}`])
})

/** Keeps a large row of each task, and reads it when it hears of the task again. */
const keeping: Stage = {
  name: 'planner',
  version: 1,
  consumes: [{ topic: 'tools.completed' }],
  decide(event, rows) {
    if (event.type !== 'ToolCompleted') return {}
    if (event.data.output === 'end') return { clear: true, ...told(event.key, 'ended') }
    if (event.data.output === 'read') return told(event.key, `${JSON.stringify(rows['large']).length}`)
    const call = { kind: 'model', target: 'x', request: {}, timeoutMs: 1_000, idempotent: true }
    if (event.data.output === 'call') return { call }
    if (event.data.output === 'replace') return { rows: { large: 'new' }, call }
    return { rows: { large: event.data.output } }
  },
  conclude: (event) => told(event.key, 'called'),
  poisoned: (event, _rows, failure) => ({ clear: true, ...told(event.key, failure.code) }),
}

test('a state row whose payload is gone fails its task when it is read; the lane opens, and every other task goes on', async () => {
  const store = memoryBlobs()
  const lost = new Set<string>()
  const blobs: BlobStore = { ...store, get: async (hash) => (lost.has(hash) ? null : store.get(hash)) }
  let refuse = false
  const world = await startWorld({
    stage: keeping,
    blobs,
    callers: { model: async () => null },
    options: { maxRowBytes: 100 },
    // A refusal is a reason to open the lane again.
    refuses: () => (refuse ? 'record' : null),
  })
  await world.publish(
    completed('a', 'x'.repeat(200)),
    completed('b', 'y'.repeat(200)),
    completed('c', 'z'.repeat(200)),
    completed('e', 'v'.repeat(200)),
    completed('f', 'w'.repeat(200)),
  )
  for (const task of ['x', 'z', 'v', 'w'])
    lost.add(await store.put(Buffer.from(JSON.stringify({ v: 1, d: task.repeat(200) }))))
  refuse = true
  const reopening = world.publish(completed('d', 'read'))
  await world.within(20)
  refuse = false
  await reopening
  await world.publish(completed('a', 'read'), completed('b', 'read'), completed('c', 'end'))
  await world.publish(completed('e', 'call'), completed('f', 'replace'))
  await world.publish(completed('f', 'read'), completed('e', 'end'))
  const said = await heard(world)
  assert.ok(said.includes('a: PAYLOAD_MISSING'), said.join())
  assert.ok(said.includes('b: 202'))
  assert.ok(said.includes('c: ended'), 'who does not read it does not miss it')
  assert.ok(said.includes('e: called'), 'after a call neither')
  assert.deepEqual([said.includes('f: called'), said.includes('f: 5')], [true, true], 'it may be replaced')
  assert.deepEqual(
    world.rows().map(({ key }) => key),
    ['b', 'f'],
    'the rows of what ended are gone, the missing ones too',
  )
})

/** Keeps a row of that many characters for each task, and none for a task that is cancelled. */
const resting: Stage = {
  name: 'metering',
  version: 1,
  consumes: [{ topic: 'tasks.control' }],
  decide: (event) => {
    if (event.type === 'TaskCancelled') return { clear: true }
    if (event.type !== 'FeedbackGiven') return {}
    return { rows: { text: event.key.repeat(Number(event.data.comment)) } }
  },
}

test('payloads of rows are renewed for as long as the rows are there', async () => {
  const renewals: (readonly string[])[] = []
  const store = memoryBlobs()
  const blobs = { ...store, renew: async (hashes: readonly string[]) => void renewals.push(hashes) }
  const world = await startWorld({ stage: resting, blobs, options: { maxRowBytes: 1_000 } })
  const week = 7 * 86_400_000
  await world.publish(feedback('resting', '500'), feedback('small', '1'), feedback('shrinking', '500'))
  await world.within(week)
  assert.deepEqual(
    renewals.map((hashes) => hashes.length),
    [2],
  )
  await world.publish(feedback('shrinking', '1'))
  await world.within(week)
  assert.deepEqual(renewals.map((hashes) => hashes.length).slice(1), [1])
  await world.publish(cancel('resting'))
  await world.within(3 * week)
  assert.equal(renewals.length, 2, 'nothing is left to renew')
})
