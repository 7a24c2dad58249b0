import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TimerQueue } from '../../../runtime/host/lane/timers.ts'
import { VirtualClock } from '../../../runtime/testing/simulator/virtual-clock.ts'

test('held timers fire once they are no longer held, in the order in which they came due', async () => {
  const clock = new VirtualClock(1_000)
  const fired: string[] = []
  let held = true
  const timers = new TimerQueue(
    clock,
    ({ name }) => void fired.push(name),
    () => held,
  )
  for (const [name, dueMs] of [
    ['b', 1_200],
    ['a', 1_100],
    ['c', 9_000],
  ] as const)
    timers.arm({ key: 'k', name, causeId: 'x', dueMs, traceparent: null })
  await clock.run(2_000, () => false)
  assert.deepEqual(fired, [])
  held = false
  timers.proceed()
  await clock.run(2_100, () => false)
  assert.deepEqual(fired, ['a', 'b'])
  await clock.run(10_000, () => false)
  assert.deepEqual(fired, ['a', 'b', 'c'])
})
