// Figures and times that are none end no page.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as format from '../../../console/src/format.ts'

const none = [NaN, Infinity, null, undefined, 'x', {}] as unknown as number[]

test('what is no figure is shown as none', () => {
  const { bytes, cost, count, duration, exactTime, figure, moment, time } = format
  for (const show of [bytes, cost, count, duration, exactTime, figure, moment, time])
    for (const value of none) assert.equal(show(value), '–', `${show.name} of ${String(value)}`)
})

test('figures beyond all sense stay short, times beyond the calendar are none', () => {
  assert.equal(format.cost(1e300), '$1.0e300')
  assert.equal(format.cost(-5), '-$5.00')
  assert.equal(format.count(1e300), '1.0e300')
  assert.equal(format.duration(1e300), '1.2e292 d')
  for (const show of [format.exactTime, format.moment, format.time]) assert.equal(show(1e20), '–')
})

test('a clock that is ahead is said to be, and another year is shown', () => {
  const nowMs = Date.UTC(2026, 5, 1, 12)
  assert.equal(format.ago(nowMs + 5_000, nowMs), 'just now')
  assert.equal(format.ago(nowMs + 7_200_000, nowMs), 'in 2 h 00 min by its clock')
  assert.match(format.moment(nowMs + 400 * 86_400_000, nowMs), /2027/)
  assert.doesNotMatch(format.moment(nowMs - 3 * 86_400_000, nowMs), /2026/)
})

test('a time that was chosen is said in the unit in which it is whole', () => {
  const { period } = format
  const shown = [30_000, 90_000, 300_000, 3_600_000, 86_400_000, 172_800_000, 1_500, 0, NaN].map(period)
  assert.deepEqual(shown, ['30 s', '90 s', '5 min', '1 h', '24 h', '2 d 0 h', '1.50 s', '0 ms', '–'])
})

test('the ticks of an axis of dollars have the same digits', () => {
  const { costTicks } = format
  assert.deepEqual(costTicks([0, 0.25, 0.5, 0.75, 1]), ['$0', '$0.25', '$0.50', '$0.75', '$1.00'])
  assert.deepEqual(costTicks([0, 20, 40]), ['$0', '$20', '$40'])
  assert.deepEqual(costTicks([0, 0.0005, 0.001]), ['$0', '$0.0005', '$0.0010'])
  assert.deepEqual(costTicks([0, 1_000, 2_000]), ['$0', '$1,000', '$2,000'])
})
