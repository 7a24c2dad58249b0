import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exactTime, plural } from '../../../runtime/text/quantities.ts'

test('a count has its noun in the right number', () => {
  assert.equal(plural(0, 'step'), '0 steps')
  assert.equal(plural(1, 'step'), '1 step')
  assert.equal(plural(1_200, 'entry', 'entries'), '1,200 entries')
})

const times: [ms: number, shown: string][] = [
  [0, '0 ms'],
  [999, '999 ms'],
  [1_000, '1 s'],
  [1_500, '1.5 s'],
  [60_000, '60 s'],
  [90_500, '90.5 s'],
  [300_000, '5 min'],
  [301_000, '301 s'],
  [3_600_000, '60 min'],
  [7_200_000, '2 h'],
]
for (const [ms, shown] of times)
  test(`${ms} ms is shown exactly, as ${shown}`, () => assert.equal(exactTime(ms), shown))
