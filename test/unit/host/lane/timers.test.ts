import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CATCH_UP_MS, TimerQueue } from '../../../../runtime/host/lane/timers.ts'
import { Random } from '../../../../runtime/testing/simulator/random.ts'
import { VirtualClock } from '../../../../runtime/testing/simulator/virtual-clock.ts'

function timers() {
  const clock = new VirtualClock(1_000)
  const fired: { name: string; atMs: number }[] = []
  const queue = new TimerQueue(clock, ({ name }) => fired.push({ name, atMs: clock.now() }))
  const arm = (name: string, dueMs: number) =>
    queue.arm({ key: 'k', name, causeId: name, dueMs, traceparent: null })
  const until = (atMs: number) => clock.run(atMs, () => false)
  return { clock, queue, fired, arm, until, names: () => fired.map(({ name }) => name) }
}

test('timers fire in the order of their due times, at their due times', async () => {
  const { arm, until, fired } = timers()
  arm('late', 5_000)
  arm('early', 2_000)
  arm('middle', 3_000)
  await until(4_000)
  assert.deepEqual(fired, [
    { name: 'early', atMs: 2_000 },
    { name: 'middle', atMs: 3_000 },
  ])
  await until(5_000)
  assert.deepEqual(fired.at(-1), { name: 'late', atMs: 5_000 })
})

test('a time that is past fires at once', async () => {
  const { arm, until, fired } = timers()
  arm('past', 10)
  await until(1_000)
  assert.deepEqual(fired, [{ name: 'past', atMs: 1_000 }])
})

test('armed while another waits, an earlier one is not late', async () => {
  const { arm, until, names } = timers()
  arm('far', 100_000)
  await until(1_500)
  arm('near', 1_600)
  await until(1_600)
  assert.deepEqual(names(), ['near'])
})

test('a timer armed while one fires is heard', async () => {
  const clock = new VirtualClock(0)
  const fired: string[] = []
  const queue: TimerQueue = new TimerQueue(clock, ({ name }) => {
    fired.push(name)
    if (name === 'first')
      queue.arm({ key: 'k', name: 'second', causeId: 'c', dueMs: clock.now(), traceparent: null })
  })
  queue.arm({ key: 'k', name: 'first', causeId: 'c', dueMs: 5, traceparent: null })
  await clock.run(10, () => false)
  assert.deepEqual(fired, ['first', 'second'])
})

test('timers of an opening are armed in turns, and none fires before the last one is', async () => {
  const { clock, queue, until, fired } = timers()
  const timer = (n: number) => ({ dueMs: n - 10_000, causeId: `${n}`, traceparent: null })
  let heard = 0
  let turns = 0
  const beat = setInterval(() => turns++, 0)
  const restored = (function* () {
    for (let n = 0; n < 10_000; n++) {
      heard = fired.length
      yield { key: `k${n}`, name: `${n}`, timer: timer(n) }
    }
  })()
  await queue.restore(restored)
  clearInterval(beat)
  assert.deepEqual([heard, fired.length], [0, 0])
  assert.ok(turns >= 3, `${turns} turns of others`)
  await until(clock.now() + CATCH_UP_MS + 1)
  assert.deepEqual(
    fired.map(({ name }) => name),
    Array.from({ length: 10_000 }, (_, n) => `${n}`),
  )
})

test('of many that are due at once, others have their turn between some', async () => {
  const { clock, queue, until, fired } = timers()
  for (let n = 0; n < 5_000; n++)
    queue.arm({ key: 'k', name: `${n}`, causeId: 'c', dueMs: 0, traceparent: null })
  const seen: number[] = []
  const look = (): void => {
    seen.push(fired.length)
    if (fired.length < 5_000) clock.schedule(0, look)
  }
  clock.schedule(0, look)
  await until(clock.now() + 1)
  assert.equal(fired.length, 5_000)
  assert.ok(seen.length > 5, `looked at ${seen.join()}`)
})

test('stopped: nothing fires any more', async () => {
  const { arm, queue, until, names } = timers()
  arm('a', 2_000)
  queue.stop()
  arm('b', 1_500)
  await until(10_000)
  assert.deepEqual(names(), [])
})

test('many random timers: each fires once, never early, in order', async () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = new Random(seed)
    const { arm, until, fired } = timers()
    const due = new Map<string, number>()
    for (let index = 0; index < 60; index++) {
      const dueMs = random.between(1_000, 60_000)
      due.set(String(index), dueMs)
      arm(String(index), dueMs)
    }
    await until(60_000)
    assert.equal(fired.length, 60)
    for (const { name, atMs } of fired) assert.equal(atMs, due.get(name), `seed ${seed}`)
  }
})

test('what came due before the opening waits for a cancel to be read; what is armed after it does not wait', async () => {
  const { queue, arm, until, fired } = timers()
  const restored = (name: string, dueMs: number) => ({
    ...{ key: 'k', name },
    timer: { dueMs, causeId: name, traceparent: null },
  })
  await queue.restore([restored('past', 10), restored('later', 2_000)])
  arm('new', 1_000)
  await until(1_000 + CATCH_UP_MS - 1)
  assert.deepEqual(fired, [{ name: 'new', atMs: 1_000 }])
  await until(2_000)
  assert.deepEqual(fired.slice(1), [
    { name: 'past', atMs: 1_000 + CATCH_UP_MS },
    { name: 'later', atMs: 2_000 },
  ])
})
