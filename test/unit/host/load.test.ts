// How much a stage runs at once, by bytes of events and state.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Stop } from '../../../runtime/host/calls/stop.ts'
import { Load, loadBytes } from '../../../runtime/host/load.ts'
import type { CallContext, Stage } from '../../../runtime/stage.ts'
import { VirtualClock } from '../../../runtime/testing/simulator/virtual-clock.ts'
import { homeOf } from '../../../runtime/log/home.ts'
import type { OutgoingRecord } from '../../../runtime/log/port.ts'
import { cancel, startWorld } from './lane/world.ts'

const KB = 1_000
const START = 1_750_000_000_000

function startLoad(limitBytes: number) {
  const clock = new VirtualClock(START)
  const seen = { rooms: 0 }
  const load = new Load(clock, limitBytes, () => void seen.rooms++)
  /** Whether it has entered. */
  const enter = (bytes: number, ...signals: Stop[]): { in: boolean } => {
    const one = { in: false }
    const room = load.enter(bytes, () => signals)
    if (room === null) one.in = true
    else void room.then(() => (one.in = true))
    return one
  }
  return { clock, load, seen, enter, soon: () => new Promise((resolve) => setImmediate(resolve)) }
}

test('what has room enters at once, the rest in its order as others leave; what is small never waits', async () => {
  const { load, seen, enter, soon } = startLoad(100 * KB)
  const [first, second, third, fourth] = [enter(60 * KB), enter(40 * KB), enter(30 * KB), enter(20 * KB)]
  assert.deepEqual([first?.in, second?.in, third?.in, fourth?.in], [true, true, false, false])
  assert.equal(enter(10 * KB).in, true)
  assert.equal(load.isFull, true)
  load.leave(40 * KB)
  await soon()
  assert.deepEqual([third?.in, fourth?.in, load.isFull, seen.rooms], [true, false, true, 0])
  load.leave(60 * KB)
  await soon()
  assert.deepEqual([fourth?.in, load.isFull, seen.rooms], [true, false, 1])
})

test('a single one of any size runs; one that is stopped waits no longer, and counts', async () => {
  const { load, enter, soon } = startLoad(100 * KB)
  assert.equal(enter(500 * KB).in, true)
  const stop = new Stop()
  const stopped = enter(50 * KB, stop)
  const behind = enter(80 * KB)
  stop.abort()
  await soon()
  assert.deepEqual([stopped.in, behind.in], [true, false])
  load.leave(500 * KB)
  await soon()
  assert.equal(behind.in, false)
  load.leave(50 * KB)
  await soon()
  assert.equal(behind.in, true)
})

test('each death halves the room, until the process has lived for a while', async () => {
  const { clock, load, enter, soon } = startLoad(800 * KB)
  load.narrow(0)
  load.narrow(3)
  load.narrow(1)
  enter(60 * KB)
  const [second, third] = [enter(60 * KB), enter(200 * KB)]
  assert.deepEqual([second.in, third.in], [false, false])
  await clock.run(START + 61_000, () => false)
  await soon()
  assert.deepEqual([second.in, third.in], [true, false])
  await clock.run(START + 125_000, () => false)
  await soon()
  assert.equal(third.in, true)
})

test('the room is a part of the memory that the process may use', () => {
  assert.ok(loadBytes() >= 4_000_000 && loadBytes() < 1_000_000_000, String(loadBytes()))
})

/** Keeps the text of each task, and calls outside at once, or when a timer fires. */
const keeping = (isLater: boolean): Stage => ({
  name: 'planner',
  version: 1,
  consumes: [{ topic: 'tasks.submitted' }, { topic: 'tasks.control' }],
  forwardsHome: true,
  decide(event) {
    if (event.type === 'TaskCancelled') return {}
    if (event.type !== 'TimerFired' && isLater)
      return { rows: { text: 'x'.repeat(100 * KB) }, timers: { next: event.atMs } }
    return {
      call: { kind: 'ask', target: 'x', request: null, timeoutMs: 600_000, idempotent: true },
    }
  },
  conclude: () => ({ clear: true }),
  interrupts: ({ type }) => type === 'TaskCancelled',
})

function submission(taskId: string, bytes: number, partitions: number): OutgoingRecord {
  const value = Buffer.from(JSON.stringify({ taskId, text: 'x'.repeat(bytes) }))
  return { topic: 'tasks.submitted', partition: homeOf(taskId, partitions), key: taskId, value, headers: {} }
}

/** Tasks of 100 KB on several lanes, of which the stage may run four at once. */
async function startLarge({ isLater, bytes = 100 * KB }: { isLater: boolean; bytes?: number }) {
  const partitions = 3
  const running = new Map<number, () => void>()
  let started = 0
  const caller = (_request: never, { signal }: CallContext) => {
    const id = started++
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    running.set(id, () => resolve('answer'))
    signal.addEventListener('abort', () => reject(signal.reason as Error))
    return promise.finally(() => running.delete(id))
  }
  const options = { maxRunningBytes: 420 * KB }
  const world = await startWorld({ stage: keeping(isLater), callers: { ask: caller }, partitions, options })
  const tasks = Array.from({ length: 20 }, (_, at) => submission(`large-${at}`, bytes, partitions))
  await world.publish(...tasks)
  return { world, partitions, running, started: () => started }
}

for (const [what, options] of [
  ['events', { isLater: false }],
  ['state', { isLater: true, bytes: 1 }],
] as const)
  test(`a stage runs no more at once than there is room for its ${what}, over all lanes; the rest follows`, async () => {
    const { world, partitions, running, started } = await startLarge(options)
    assert.equal(running.size, 4)
    await world.publish(submission('small', 100, partitions))
    for (let turn = 0; turn < 40 && running.size > 0; turn++) {
      assert.ok(running.size <= 5)
      for (const answer of [...running.values()]) answer()
      await world.within(2_000)
    }
    assert.equal(started(), 21)
    assert.deepEqual(world.rows(), [])
  })

test('a task that waits for room is cancelled at once', async () => {
  const { world, partitions, running } = await startLarge({ isLater: true, bytes: 1 })
  const waiting = [...Array(20).keys()].map((at) => `large-${at}`)
  for (const id of waiting) await world.publish({ ...cancel(id), partition: homeOf(id, partitions) })
  await world.within(5_000)
  assert.equal(running.size, 0)
  for (let lane = 0; lane < partitions; lane++) assert.deepEqual(world.rows(lane), [])
})
