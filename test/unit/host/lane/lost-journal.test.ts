// A process dies during a call, and the store loses its journal: whatever may have been begun is not made again unless it may
// be. Real hosts over the memory log in virtual time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCodec } from '../../../../runtime/codec/codec.ts'
import { createEmbeddedRegistry } from '../../../../runtime/codec/embedded-registry.ts'
import { CallMaker } from '../../../../runtime/host/calls/calls.ts'
import { openJournal } from '../../../../runtime/host/calls/journal.ts'
import { Semaphore } from '../../../../runtime/host/calls/semaphore.ts'
import { defaultHostOptions } from '../../../../runtime/host/context.ts'
import { StageHost } from '../../../../runtime/host/stage-host.ts'
import { StoreIdentity } from '../../../../runtime/host/store-identity.ts'
import type { Stage } from '../../../../runtime/stage.ts'
import type { KeyValue } from '../../../../runtime/store/port.ts'
import { quietInstruments } from '../../../../runtime/telemetry/instruments.ts'
import { createMemoryBroker } from '../../../../runtime/testing/memory/log/log.ts'
import { memoryBlobs, memoryKeyValue } from '../../../../runtime/testing/memory/store.ts'
import { VirtualClock } from '../../../../runtime/testing/simulator/virtual-clock.ts'

const CALL_MS = 5_000
const codec = createCodec({ registry: createEmbeddedRegistry(), prefix: 'test' })
await codec.prepare()

/** Keys of events that said that their call was begun before. */
let begun: string[] = []

/** Each feedback is a call; a comment says `once` if it must not be made twice. */
const stage: Stage = {
  name: 'metering',
  version: 1,
  consumes: [{ topic: 'tasks.control' }],
  mayHaveBegun: (event) => (event.type === 'FeedbackGiven' ? { kind: 'work', target: 'work' } : null),
  decide: (event) => {
    if (event.type !== 'FeedbackGiven') return {}
    if (event.begun) begun.push(event.key)
    const options = { timeoutMs: 60_000, idempotent: event.data.comment !== 'once' }
    return { call: { kind: 'work', target: 'work', request: event.key, ...options } }
  },
  conclude: (event, _rows, _call, outcome) => {
    const reason = outcome.ok ? 'done' : outcome.failure.code
    const data = { taskId: event.key, reason, requestedBy: null }
    return { emit: [{ topic: 'tasks.control', type: 'TaskCancelled', key: event.key, data }] }
  },
}

class Fleet {
  readonly clock = new VirtualClock(1_750_000_000_000)
  readonly broker = createMemoryBroker({ partitions: 1, clock: this.clock })
  readonly calls: string[] = []
  readonly #identities: StoreIdentity[] = []
  #store = memoryKeyValue({ clock: this.clock })
  #log: ReturnType<Fleet['broker']['connect']> | null = null
  #host: StageHost | null = null

  start(): void {
    const log = this.broker.connect()
    const { clock, calls: made } = this
    const keyValue: KeyValue = {
      ...this.#store,
      get: (key) => this.#store.get(key),
      set: (...args) => this.#store.set(...args),
      compareAndSet: (...args) => this.#store.compareAndSet(...args),
      delete: (keys) => this.#store.delete(keys),
    }
    const instruments = quietInstruments
    const storeIdentity = new StoreIdentity(keyValue, instruments)
    this.#identities.push(storeIdentity)
    const journal = openJournal(keyValue, clock, { leaseMs: 2_000, keepMs: 86_400_000, forgottenMs: 60_000 })
    const breakers = { run: <T>(_: string, work: () => Promise<T>) => work() }
    const work = (request: string) => {
      made.push(request)
      return new Promise<void>((resolve) => clock.schedule(CALL_MS, resolve))
    }
    const shared = { journal, clock, instruments }
    const calls = new CallMaker({ ...shared, breakers, capacity: new Semaphore(500), callers: { work } })
    const parts = { ...shared, codec, blobs: memoryBlobs(), calls, keyValue, storeIdentity }
    const options = defaultHostOptions
    this.#host = new StageHost({ ...parts, stage, log, options, instance: `p${this.#identities.length}` })
    this.#log = log
    void this.#host.start()
  }

  kill(): void {
    this.#log?.crash()
  }

  async drain(): Promise<void> {
    const drained = this.#host?.drain()
    await this.run(30_000)
    await drained
  }

  flush(): void {
    this.#store = memoryKeyValue({ clock: this.clock })
  }

  submit(taskId: string, comment: string): void {
    const data = { taskId, userId: null, satisfaction: 1, comment }
    const value = codec.encode('FeedbackGiven', data, 'tasks.control')
    void this.broker
      .connect()
      .publish([{ topic: 'tasks.control', partition: 0, key: taskId, value, headers: {} }])
  }

  run(ms: number): Promise<boolean> {
    return this.clock.run(this.clock.now() + ms, () => false)
  }

  /** How the calls of each task ended. */
  async ends(): Promise<Record<string, string[]>> {
    const ends: Record<string, string[]> = {}
    for (const { value } of await this.broker.connect().read('tasks.control', 0, 0, 10_000)) {
      const { type, data } = await codec.decode(value as Uint8Array, 'tasks.control')
      if (type === 'TaskCancelled') (ends[data.taskId] ??= []).push(String(data.reason))
    }
    return ends
  }

  close(): void {
    for (const identity of this.#identities) identity.close()
  }
}

test('killed during calls, and the journal lost: one that must not be repeated is unknown, the other is made again', async (t) => {
  const fleet = new Fleet()
  t.after(() => fleet.close())
  fleet.start()
  await fleet.run(100)
  fleet.submit('charge', 'once')
  fleet.submit('look', 'again')
  await fleet.run(1_000)
  assert.deepEqual(fleet.calls.toSorted(), ['charge', 'look'])
  fleet.kill()
  fleet.flush()
  fleet.start()
  await fleet.run(1_000)
  fleet.submit('later', 'once')
  await fleet.run(60_000)
  assert.deepEqual(fleet.calls.toSorted(), ['charge', 'later', 'look', 'look'])
  assert.deepEqual(await fleet.ends(), { charge: ['CALL_OUTCOME_UNKNOWN'], look: ['done'], later: ['done'] })
})

test('drained before the journal was lost: what waits is made, because nothing had been begun', async (t) => {
  const fleet = new Fleet()
  t.after(() => fleet.close())
  fleet.start()
  await fleet.run(100)
  fleet.submit('first', 'once')
  await fleet.run(10_000)
  await fleet.drain()
  fleet.submit('second', 'once')
  fleet.flush()
  fleet.start()
  await fleet.run(60_000)
  assert.deepEqual(fleet.calls, ['first', 'second'])
  assert.deepEqual(await fleet.ends(), { first: ['done'], second: ['done'] })
})

test('lost while its process lives, which writes it again: the next owner doubts nothing', async (t) => {
  const fleet = new Fleet()
  t.after(() => fleet.close())
  fleet.start()
  await fleet.run(100)
  fleet.submit('charge', 'once')
  await fleet.run(1_000)
  fleet.flush()
  await fleet.run(60_000)
  assert.deepEqual([fleet.calls, await fleet.ends()], [['charge'], { charge: ['done'] }])
})

test('killed during a call: its event says that it was begun, one that waited behind it does not', async (t) => {
  begun = []
  const fleet = new Fleet()
  t.after(() => fleet.close())
  fleet.start()
  await fleet.run(100)
  fleet.submit('charge', 'once')
  fleet.submit('charge', 'once, behind it')
  await fleet.run(1_000)
  fleet.kill()
  fleet.start()
  await fleet.run(60_000)
  assert.deepEqual(begun, ['charge'])
  assert.deepEqual(fleet.calls, ['charge', 'charge'])
  // The first was answered after all: here a process that is killed hears nothing more of the log, and goes on.
  assert.deepEqual(await fleet.ends(), { charge: ['done', 'done'] })
})
