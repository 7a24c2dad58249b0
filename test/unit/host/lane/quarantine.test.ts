// Events that kill their process, and events beside which processes are killed: real hosts over the memory log in virtual
// time. A killed process hears nothing more of the log, so whatever it still does is for nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCodec } from '../../../../runtime/codec/codec.ts'
import { createEmbeddedRegistry } from '../../../../runtime/codec/embedded-registry.ts'
import { CallMaker } from '../../../../runtime/host/calls/calls.ts'
import { openJournal } from '../../../../runtime/host/calls/journal.ts'
import { defaultHostOptions, type HostParts } from '../../../../runtime/host/context.ts'
import { Semaphore } from '../../../../runtime/host/calls/semaphore.ts'
import { StageHost } from '../../../../runtime/host/stage-host.ts'
import { openQuarantine } from '../../../../runtime/host/lane/quarantine.ts'
import { isGuilty, type Suspect } from '../../../../runtime/host/lane/suspects.ts'
import { createMemoryBroker } from '../../../../runtime/testing/memory/log/log.ts'
import type { OpenLane } from '../../../../runtime/log/port.ts'
import type { Stage } from '../../../../runtime/stage.ts'
import { memoryBlobs, memoryKeyValue } from '../../../../runtime/testing/memory/store.ts'
import { quietInstruments } from '../../../../runtime/telemetry/instruments.ts'
import { Random } from '../../../../runtime/testing/simulator/random.ts'
import { VirtualClock } from '../../../../runtime/testing/simulator/virtual-clock.ts'

const START = 1_750_000_000_000
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

/** One process at a time; a comment is how long the work takes, or `kill`, or `kill after` so long. */
class Fleet {
  readonly clock = new VirtualClock(START)
  readonly broker = createMemoryBroker({ partitions: 1, clock: this.clock })
  readonly keyValue = memoryKeyValue({ clock: this.clock })
  deaths = 0
  #kill: () => void = () => {}
  #host: StageHost | null = null

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
        const after = /^kill(?: after (\d+))?$/.exec(request)
        if (after) clock.schedule(Number(after[1] ?? 0), kill)
        else clock.schedule(Number(request), resolve)
      })
    const capacity = new Semaphore(500)
    const calls = new CallMaker({ journal, breakers, clock, instruments, capacity, callers: { work } })
    const parts = { codec, blobs: memoryBlobs(), journal, calls, clock, instruments, keyValue, instance: 'a' }
    this.#host = new StageHost({ ...parts, stage, log, options: defaultHostOptions })
    void this.#host.start()
  }

  async drain(): Promise<void> {
    await this.#host?.drain()
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

test('of events at work while processes are killed right after they have started, none is given up', async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const random = new Random(seed)
    const fleet = new Fleet()
    fleet.start()
    const tasks = 80
    for (let i = 0; i < tasks; i++) fleet.submit(`t-${i}`, String(random.between(0, 6_000)))
    for (let atMs = 200; atMs < 60_000; atMs += 1_000 + random.between(20, 3_000))
      fleet.clock.schedule(atMs, () => fleet.kill())
    await fleet.run(400_000)
    assert.deepEqual(await fleet.letters(), [], `seed ${seed}`)
    assert.equal(await fleet.done(), tasks, `seed ${seed}`)
    assert.ok(fleet.deaths >= 15)
  }
})

test('an event that kills its process after some time is given up too, and what is beside it is done meanwhile', async () => {
  const fleet = new Fleet()
  fleet.start()
  fleet.submit('deadly', 'kill after 3000')
  await fleet.run(30_000)
  for (let i = 0; i < 10; i++) fleet.submit(`innocent-${i}`, '100')
  await fleet.run(20_000)
  assert.equal(await fleet.done(), 10)
  await fleet.run(3_600_000)
  assert.deepEqual(await fleet.letters(), ['deadly'])
  assert.ok(fleet.deaths <= 9, `${fleet.deaths} deaths`)
})

test('one kill delays nothing of what was at work; what kills among many is found with two deaths more', async () => {
  const fleet = new Fleet()
  fleet.start()
  for (let i = 0; i < 100; i++) fleet.submit(`t-${i}`, '2000')
  await fleet.run(1_000)
  fleet.kill()
  await fleet.run(4_500)
  assert.equal(await fleet.done(), 100)
  for (let i = 0; i < 100; i++) fleet.submit(`u-${i}`, i === 50 ? 'kill' : '2000')
  await fleet.run(60_000)
  assert.deepEqual([fleet.deaths, await fleet.letters(), await fleet.done()], [6, ['u-50'], 199])
})

test('a drain does not wait for what is held back', async () => {
  const fleet = new Fleet()
  fleet.start()
  fleet.submit('deadly', 'kill')
  await fleet.run(2_500)
  assert.equal(fleet.deaths, 2)
  const startedMs = fleet.clock.now()
  let drainedMs = 0
  void fleet.drain().then(() => (drainedMs = fleet.clock.now()))
  await fleet.run(9_000)
  assert.ok(drainedMs > 0 && drainedMs - startedMs < 1_000, `${drainedMs - startedMs} ms`)
})

test('a death tells as much as a kill from outside would have had to be lucky', () => {
  const died = (...trials: ([beforeMs: number, livedMs: number] | null)[]): Suspect => ({
    deaths: trials.map((trial, epoch) => ({ epoch, beforeMs: trial?.[0] ?? null, livedMs: trial?.[1] ?? 0 })),
    epoch: null,
    diesBeforeMs: null,
    livedMs: 0,
    begunMs: START,
  })
  assert.equal(isGuilty(died(null, [10, 50])), false, 'two deaths')
  assert.equal(isGuilty(died(null, null, [10, 10_000])), false, 'one of them in a trial')
  assert.equal(isGuilty(died(null, [10, 50], [10, 10_000])), true)
  assert.equal(isGuilty(died(null, [10, 10_000], [10, 2_000])), false, 'not held back for long')
  assert.equal(isGuilty(died(null, [10, 50], [1_000, 10_000])), false, 'it may have been at work by chance')
  assert.equal(isGuilty(died(null, [10, 50], [1_000, 10_000], [1_000, 40_000])), false)
  assert.equal(isGuilty(died(null, [10, 50], [1_000, 10_000], [1_000, 40_000], [1_000, 160_000])), true)
})

test('rows under keys of the host that other programs have written say nothing', async () => {
  const texts = { life: ['garbage', '{"v":0,"d":"open"}'], 'suspect:e1': ['null', '{"v":0,"d":{}}'] }
  const rows = Object.entries(texts).flatMap(([key, of]) =>
    of.map((text) => ({ key: `\u0000host\u0000${key}`, value: Buffer.from(text) })),
  )
  const open = { lane: 0, epoch: 5, commit: () => Promise.resolve() } as unknown as OpenLane
  const parts = { clock: new VirtualClock(START) } as unknown as HostParts
  const { unclean, suspects, formerEpoch } = await openQuarantine(parts, open, rows, new Set())
  assert.deepEqual([unclean, suspects.size, formerEpoch], [false, 0, 0])
})
