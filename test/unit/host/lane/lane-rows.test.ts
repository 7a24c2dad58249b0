// Rows of the lane on a real host over the memory log. The stage counts the feedback that it has seen; a comment that is
// large makes its effect wait for the blob store.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCodec } from '../../../../runtime/codec/codec.ts'
import { createEmbeddedRegistry } from '../../../../runtime/codec/embedded-registry.ts'
import { CallMaker } from '../../../../runtime/host/calls/calls.ts'
import { openJournal } from '../../../../runtime/host/calls/journal.ts'
import { defaultHostOptions } from '../../../../runtime/host/context.ts'
import { Semaphore } from '../../../../runtime/host/calls/semaphore.ts'
import { StageHost } from '../../../../runtime/host/stage-host.ts'
import { createMemoryBroker, type MemoryBroker } from '../../../../runtime/testing/memory/log/log.ts'
import type { Caller, Decision, LaneIndex, Stage } from '../../../../runtime/stage.ts'
import type { BlobStore } from '../../../../runtime/store/port.ts'
import { memoryBlobs, memoryKeyValue } from '../../../../runtime/testing/memory/store.ts'
import { quietInstruments } from '../../../../runtime/telemetry/instruments.ts'
import { VirtualClock } from '../../../../runtime/testing/simulator/virtual-clock.ts'

const START = 1_750_000_000_000

class Counted implements LaneIndex {
  readonly rows = new Map<string, unknown>()
  write(name: string, value: unknown): void {
    if (value === null) this.rows.delete(name)
    else this.rows.set(name, value)
  }
}

/** Emits for each feedback how many were seen before it; `comment` is written to a row of the lane. */
const counting: Stage<Record<string, never>, Counted> = {
  name: 'metering',
  version: 1,
  consumes: [{ topic: 'tasks.control' }],
  laneIndex: () => new Counted(),
  decide(event, _rows, lane): Decision<Record<string, never>> {
    if (event.type !== 'FeedbackGiven') return {}
    const emitted = { taskId: event.key, reason: String(lane.rows.size), requestedBy: null }
    return {
      lane: { [event.key]: event.data.comment },
      emit: [{ topic: 'tasks.control', type: 'TaskCancelled', data: emitted }],
    }
  },
}

interface World {
  readonly clock: VirtualClock
  readonly broker: MemoryBroker
  readonly blobs: BlobStore
}

const codec = createCodec({ registry: createEmbeddedRegistry(), prefix: 'test' })
await codec.prepare()

function worldOf(blobs: BlobStore = memoryBlobs()): World {
  const clock = new VirtualClock(START)
  return { clock, blobs, broker: createMemoryBroker({ partitions: 1, clock }) }
}

function hostOf(
  { clock, broker, blobs }: World,
  stage: Stage = counting as unknown as Stage,
  callers: Readonly<Record<string, Caller>> = {},
) {
  const log = broker.connect()
  const instruments = quietInstruments
  const keyValue = memoryKeyValue({ clock })
  const journal = openJournal(keyValue, clock, { leaseMs: 0, keepMs: 1_000, forgottenMs: 0 })
  const breakers = { run: <T>(_: string, work: () => Promise<T>) => work() }
  const calls = new CallMaker({
    journal,
    breakers,
    clock,
    instruments,
    capacity: new Semaphore(8),
    callers,
  })
  const options = { ...defaultHostOptions, maxRowBytes: 1_000 }
  const shared = { codec, blobs, journal, calls, clock, instruments, options, instance: 'a' }
  return { host: new StageHost({ ...shared, stage, log }), log }
}

async function startHost(...parts: Parameters<typeof hostOf>) {
  const { host, log } = hostOf(...parts)
  const started = host.start()
  await within(parts[0], 10)
  await started
  return { host, log }
}

test('a stage has a problem until its group has said which lanes are whose, and these are open', async () => {
  const world = worldOf()
  const { host } = hostOf(world)
  assert.deepEqual(host.status().problems, ['joining its consumer group'])
  const started = host.start()
  await within(world, 10)
  await started
  assert.deepEqual([host.status().problems, host.openLanes()], [[], [0]])
})

const feedback = (taskId: string, comment: string) => ({
  topic: 'tasks.control' as const,
  partition: 0,
  key: taskId,
  value: codec.encode('FeedbackGiven', { taskId, userId: null, satisfaction: 1, comment }, 'tasks.control'),
  headers: {},
})

/** Published, and everything that follows from it at rest. */
async function publish(world: World, ...records: ReturnType<typeof feedback>[]): Promise<void> {
  void world.broker.connect().publish(records)
  await within(world, 1_000)
}

/** What the stage emitted, in the order of the log: task → how many it had seen. */
async function seen({ broker }: World): Promise<string[]> {
  const records = await broker.connect().read('tasks.control', 0, 0, 100)
  const events = await Promise.all(
    records.map(async ({ value }) => codec.decode(value as Uint8Array, 'tasks.control')),
  )
  return events.flatMap(({ type, data }) =>
    type === 'TaskCancelled' ? [`${data.taskId} after ${data.reason}`] : [],
  )
}

const within = (world: World, ms: number) => world.clock.run(world.clock.now() + ms, () => false)

/** A store whose writes wait until they are let go; what was written stays. */
function heldBlobs() {
  const store = memoryBlobs()
  const waiting: (() => void)[] = []
  let held = true
  const put = async (bytes: Uint8Array) => {
    if (held) await new Promise<void>((resume) => waiting.push(resume))
    return store.put(bytes)
  }
  const release = () => {
    held = false
    for (const resume of waiting) resume()
  }
  return { blobs: { ...store, put }, release, waiting }
}

test('every key of the lane sees what the others wrote, in the turn in which they wrote it', async () => {
  const world = worldOf()
  await startHost(world)
  await publish(world, feedback('a', '1'), feedback('b', '2'), feedback('c', '3'))
  assert.deepEqual(await seen(world), ['a after 0', 'b after 1', 'c after 2'])
})

test('of calls answered in the same turn, each conclusion sees what the one before it wrote', async () => {
  const call = { kind: 'ask', target: 'x', request: null, timeoutMs: 60_000, idempotent: true } as const
  const asking: Stage<Record<string, never>, Counted> = {
    ...counting,
    decide: (event) => (event.type === 'FeedbackGiven' ? { call: { ...call, journalled: false } } : {}),
    conclude: (event, rows, _call, _outcome, lane) => counting.decide(event, rows, lane),
  }
  const answers: (() => void)[] = []
  const ask = () => new Promise<void>((resume) => answers.push(resume))
  const world = worldOf()
  await startHost(world, asking as unknown as Stage, { ask })
  await publish(world, feedback('a', '1'), feedback('b', '2'), feedback('c', '3'))
  assert.equal(answers.length, 3)
  for (const answer of answers) answer()
  await within(world, 500)
  assert.deepEqual(await seen(world), ['a after 0', 'b after 1', 'c after 2'])
})

test('a lane opened by another process has the rows of the lane, large ones too', async () => {
  const world = worldOf()
  const first = await startHost(world)
  await publish(world, feedback('a', 'x'.repeat(5_000)), feedback('b', '2'))
  first.log.crash()
  await within(world, 1_000)
  await startHost(world)
  await publish(world, feedback('c', '3'))
  assert.deepEqual(await seen(world), ['a after 0', 'b after 1', 'c after 2'])
})

test('an effect that waits for a store is waited for by those decided after it', async () => {
  const store = heldBlobs()
  const world = worldOf(store.blobs)
  await startHost(world)
  await publish(world, feedback('a', 'x'.repeat(5_000)), feedback('b', '2'))
  assert.equal(store.waiting.length, 1)
  assert.deepEqual(await seen(world), [], 'b saw the row of a, so it may not be committed before it')
  store.release()
  await within(world, 1_000)
  assert.deepEqual(await seen(world), ['a after 0', 'b after 1'])
})

test('after a crash the lane is as the last committed decision left it', async () => {
  const store = heldBlobs()
  const world = worldOf(store.blobs)
  const first = await startHost(world)
  await publish(world, feedback('a', '1'))
  await publish(world, feedback('b', 'x'.repeat(5_000)), feedback('c', '3'))
  first.log.crash()
  store.release()
  await within(world, 1_000)
  await startHost(world)
  assert.deepEqual(await seen(world), ['a after 0', 'b after 1', 'c after 2'])
})

test('rows of the lane beside a call are a bug of the stage: the event goes to dead-letters', async () => {
  const world = worldOf()
  const call = { kind: 'x', target: 'x', request: null, timeoutMs: 1, idempotent: true }
  const wrong: Stage = { ...counting, decide: () => ({ lane: { a: 1 }, call }), conclude: () => ({}) }
  await startHost(world, wrong)
  await publish(world, feedback('a', '1'))
  const [letter] = await world.broker.connect().read('dead-letters', 0, 0, 10)
  const { data } = await codec.decode(letter?.value as Uint8Array, 'dead-letters')
  assert.match((data as { message: string }).message, /written by conclude/)
})
