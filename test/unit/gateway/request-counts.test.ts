import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestCounts } from '../../../services/gateway/request-counts.ts'

test('the last request that waits for a task is the one that ends with nobody left', () => {
  const requestCounts = new RequestCounts()
  const [first, second, other] = [requestCounts.join('a'), requestCounts.join('a'), requestCounts.join('b')]
  assert.deepEqual([first(), other(), second()], [false, true, true])
  assert.equal(requestCounts.join('a')(), true)
})
