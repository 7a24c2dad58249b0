import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Holders } from '../../../services/gateway/holders.ts'

test('the last request that waits for a task is the one that ends with nobody left', () => {
  const holders = new Holders()
  const [first, second, other] = [holders.join('a'), holders.join('a'), holders.join('b')]
  assert.deepEqual([first(), other(), second()], [false, true, true])
  assert.equal(holders.join('a')(), true)
})
