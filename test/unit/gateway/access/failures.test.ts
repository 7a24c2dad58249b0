import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failures } from '../../../../services/gateway/access/failures.ts'

test('ten wrong credentials in a minute are enough; then room comes back one by one', () => {
  let nowMs = 0
  const failures = new Failures(() => nowMs)
  for (let index = 0; index < 10; index++) {
    assert.equal(failures.refusedForMs('a'), null)
    failures.count('a')
    nowMs += 1_000
  }
  assert.equal(failures.refusedForMs('a'), 50_000)
  nowMs += 0.25
  assert.equal(failures.refusedForMs('a'), 50_000, 'a whole number')
  nowMs -= 0.25
  assert.equal(failures.refusedForMs('b'), null, 'other addresses are not concerned')
  nowMs = 60_000
  assert.equal(failures.refusedForMs('a'), null)
  failures.count('a')
  assert.equal(failures.refusedForMs('a'), 1_000)
})

test('addresses without number do not fill the memory', () => {
  const failures = new Failures(() => 0)
  for (let index = 0; index < 10; index++) failures.count('first')
  for (let index = 0; index < 10_000; index++) failures.count(`other ${index}`)
  assert.equal(failures.refusedForMs('first'), null, 'the oldest is forgotten')
})

test('a bounded number of keys is looked up for addresses that are refused', () => {
  let nowMs = 0
  const failures = new Failures(() => nowMs)
  const looks = () => Array.from({ length: 200 }, () => failures.mayLook()).filter(Boolean).length
  assert.equal(looks(), 50)
  nowMs = 999
  assert.equal(looks(), 0)
  nowMs = 1_000
  assert.equal(looks(), 50)
})
