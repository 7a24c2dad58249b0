import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkOnlyIfWaiting, type RequestQueue } from '../../../../runtime/log/kafka/request-queue.ts'

function queueOf(pending: unknown[], throttledUntil: number): RequestQueue & { checks: number } {
  const queue = {
    pending,
    throttledUntil,
    throttleCheckTimeoutId: null,
    checks: 0,
    checkPendingRequests: () => void queue.checks++,
    scheduleCheckPendingRequests: () => assert.fail('it was not replaced'),
  }
  checkOnlyIfWaiting(queue)
  return queue
}

test('nothing is set for an empty queue', () => {
  const queue = queueOf([], -1)
  queue.scheduleCheckPendingRequests()
  assert.equal(queue.throttleCheckTimeoutId, null)
})

test('a queue in which something waits is checked soon, and once; a throttled one when its pause ends', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 })
  const full = queueOf([{}], -1)
  full.scheduleCheckPendingRequests()
  full.scheduleCheckPendingRequests()
  t.mock.timers.tick(10)
  assert.deepEqual([full.checks, full.throttleCheckTimeoutId], [1, null])
  const throttled = queueOf([{}], 1_000_510)
  throttled.scheduleCheckPendingRequests()
  t.mock.timers.tick(499)
  assert.equal(throttled.checks, 0)
  t.mock.timers.tick(1)
  assert.equal(throttled.checks, 1)
})
