// Events that kill their process, and events beside which processes are killed: real hosts over the memory log in virtual
// time. A killed process hears nothing more of the log, so whatever it still does is for nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCodec } from '../../../runtime/codec/codec.ts'
import { createEmbeddedRegistry } from '../../../runtime/codec/embedded-registry.ts'
import { CallMaker } from '../../../runtime/host/calls.ts'
import { openJournal } from '../../../runtime/host/journal.ts'
import { defaultHostOptions } from '../../../runtime/host/parts.ts'
import { Semaphore } from '../../../runtime/host/semaphore.ts'
import { StageHost } from '../../../runtime/host/stage-host.ts'
import { isGuilty, type Suspect } from '../../../runtime/host/suspects.ts'
import { createMemoryBroker } from '../../../runtime/log/memory/log.ts'
import type { Stage } from '../../../runtime/stage.ts'
import { memoryBlobs, memoryKeyValue } from '../../../runtime/store/memory.ts'
import { quietInstruments } from '../../../runtime/telemetry/instruments.ts'
import { Random } from '../../../runtime/testing/simulator/random.ts'
import { VirtualClock } from '../../../runtime/testing/simulator/virtual-clock.ts'

const START = 1_750_000_000_000
const LIFE_MS = defaultHostOptions.assumedLifeMs
const codec = createCodec({ registry: createEmbeddedRegistry(), prefix: 'test' })
await codec.prepare()

const stage: Stage = {
  name: 'metering',
  version: 1,
  consumes: [{ topic: 'tasks.control' }],
  decide: (event) =>
    event.type === 'FeedbackGiven'
      ? {
          call: {
            kind: 'work',
            target: 'work',
            request: event.data.comment,
            timeoutMs: 60_000,
            idempotent: true,
            journalled: false,
          },
        }
      : {},
  conclude: (event) => ({
    emit: [
      {
        topic: 'tasks.control',
        type: 'TaskCancelled',
        data: { taskId: event.key, reason: 'done', requestedBy: null },
      },
    ],
  }),
}

/** One process at a time; a comment is how long the work takes, or `kill`. */
class Fleet {
  readonly clock = new VirtualClock(START)
  readonly broker = createMemoryBroker({ partitions: 1, clock: this.clock })
  readonly keyValue = memoryKeyValue({ clock: this.clock })
  deaths = 0
  #kill: () => void = () => {}

  start(): void {
    const log = this.broker.connect()
    const kill = () => {
      if (log.crashed) return
      log.crash()
      this.deaths++
      // Whatever restarts it takes a moment.
      this.clock.schedule(1_000, () => this.start())
    }
    this.#kill = kill
    const { clock, keyValue } = this
    const instruments = quietInstruments
    const journal = openJournal(keyValue, clock, { leaseMs: 0, keepMs: 1_000, forgottenMs: 0 })
    const breakers = { run: <T>(_: string, work: () => Promise<T>) => work() }
    const work = (request: string) =>
      new Promise<void>((resolve) => {
        if (request === 'kill') kill()
        else clock.schedule(Number(request), resolve)
      })
    const places = new Semaphore(500)
    const calls = new CallMaker({ journal, breakers, clock, instruments, places, callers: { work } })
    const parts = { codec, blobs: memoryBlobs(), journal, calls, clock, instruments, keyValue, instance: 'a' }
    void new StageHost({ ...parts, stage, log, options: defaultHostOptions }).start()
  }

  /** From outside. */
  kill(): void {
    this.#kill()
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

  async letters(): Promise<(string | null)[]> {
    return (await this.broker.connect().read('dead-letters', 0, 0, 100)).map(({ key }) => key)
  }

  /** Tasks whose work was done. */
  async done(): Promise<number> {
    const records = await this.broker.connect().read('tasks.control', 0, 0, 10_000)
    return records.filter(({ headers }) => headers['flotilla-schema'] === 'TaskCancelled').length
  }
}

test('an event that kills its process is given up after three deaths; those beside it are done', async () => {
  const fleet = new Fleet()
  fleet.start()
  for (let i = 0; i < 5; i++) fleet.submit(`innocent-${i}`, '1500')
  fleet.submit('deadly', 'kill')
  for (let i = 5; i < 10; i++) fleet.submit(`innocent-${i}`, '1500')
  await fleet.run(60_000)
  assert.deepEqual([fleet.deaths, await fleet.letters(), await fleet.done()], [3, ['deadly'], 10])
})

test('two of them are both given up, and nothing else', async () => {
  const fleet = new Fleet()
  fleet.start()
  for (let i = 0; i < 20; i++) fleet.submit(`t-${i}`, i === 3 || i === 12 ? 'kill' : '200')
  await fleet.run(300_000)
  assert.deepEqual(await fleet.letters(), ['t-3', 't-12'])
  assert.equal(await fleet.done(), 18)
  assert.ok(fleet.deaths <= 8, `${fleet.deaths} deaths`)
})

test('of events at work while processes are killed every few seconds, none is given up', async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const random = new Random(seed)
    const fleet = new Fleet()
    fleet.start()
    const tasks = 60
    for (let i = 0; i < tasks; i++)
      fleet.clock.schedule(i * 2_000, () => fleet.submit(`t-${i}`, String(random.between(0, 4_000))))
    for (let atMs = 3_000; atMs < tasks * 2_000; atMs += random.between(2_000, 9_000))
      fleet.clock.schedule(atMs, () => fleet.kill())
    await fleet.run(tasks * 2_000 + 60_000)
    assert.deepEqual(await fleet.letters(), [], `seed ${seed}`)
    assert.equal(await fleet.done(), tasks, `seed ${seed}`)
    assert.ok(fleet.deaths >= 15)
  }
})

test('what a lane has lived through says how much a death tells', () => {
  const died = (...beforeMs: (number | null)[]): Suspect => ({
    deaths: beforeMs.map((ms, epoch) => ({ epoch, beforeMs: ms })),
    epoch: null,
    diesBeforeMs: null,
    begunMs: START,
  })
  const life = (...ends: number[]) => ({
    epoch: 9,
    open: true,
    ends: ends.map((second) => START + second * 1_000),
  })
  assert.equal(isGuilty(died(null, 250), life(0, 5), LIFE_MS), false, 'two deaths')
  assert.equal(isGuilty(died(null, null, 250), life(0, 5, 10), LIFE_MS), false, 'one of them in a trial')
  assert.equal(isGuilty(died(null, 250, 250), life(0, 5, 10), LIFE_MS), true)
  assert.equal(
    isGuilty(died(null, 4_000, 4_000), life(0, 5, 10), LIFE_MS),
    false,
    'it may have been at work by chance',
  )
  const often = [-30, -25, -20, -15]
  assert.equal(
    isGuilty(died(null, 250, 250), life(...often, 0, 5, 10), LIFE_MS),
    false,
    'its processes die anyway',
  )
  assert.equal(
    isGuilty(died(null, 250, 250, 250, 250, 250, 250), life(...often, 0, 5, 10, 15, 20, 25, 30), LIFE_MS),
    true,
  )
})
