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

test('of many, the oldest eighth goes at once, and no more', () => {
  const set = new Set<number>()
  for (let each = 0; each < 1_000; each++) {
    set.add(each)
    keepNewest(set, 80)
    assert.ok(set.size <= 80 && set.size >= Math.min(each + 1, 70), `${set.size} after ${each}`)
    assert.equal([...set].at(-1), each)
  }
})
