import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keepNewest } from '../../runtime/keep-newest.ts'

test('the oldest entries go, of a set as of a map; a full one keeps all', () => {
  const set = new Set(['a', 'b', 'c'])
  keepNewest(set, 2)
  assert.deepEqual([...set], ['b', 'c'])
  const map = new Map([
    ['a', 1],
    ['b', 2],
  ])
  keepNewest(map, 2)
  assert.equal(map.size, 2)
})
