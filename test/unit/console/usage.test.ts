import assert from 'node:assert/strict'
import { test } from 'node:test'
import { beginOf, seriesByGroup, timesOf, valuesOf, type UsageLine } from '../../../console/src/cost/usage.ts'

const HOUR = 3_600_000
const usage = (group: string | null, fromMs: number, cost: number): UsageLine => ({
  group,
  fromMs,
  cost,
  executions: 1,
  rejected: 0,
  successRate: null,
  meanMs: 0,
  inputTokens: 0,
  outputTokens: 0,
  satisfaction: null,
  quality: null,
})

test('a range begins with a whole hour, or a whole day of many', () => {
  const nowMs = 100 * 24 * HOUR + 5.5 * HOUR
  assert.equal(beginOf({ ms: 24 * HOUR, per: 'hour' }, nowMs), 99 * 24 * HOUR + 5 * HOUR)
  assert.equal(beginOf({ ms: 7 * 24 * HOUR, per: 'day' }, nowMs), 93 * 24 * HOUR)
})

test('every hour has a place, also those in which nothing happened', () => {
  const times = timesOf({ fromMs: 10 * HOUR, toMs: 13 * HOUR + 5 }, 'hour')
  assert.deepEqual(
    times.map((ms) => ms / HOUR),
    [10, 11, 12, 13],
  )
  const lines = [usage(null, 12 * HOUR, 3)]
  assert.deepEqual(
    valuesOf(lines, times, ({ cost }) => cost, 0),
    [0, 0, 3, 0],
  )
  assert.deepEqual(
    valuesOf(lines, times, ({ successRate }) => successRate, null),
    [null, null, null, null],
  )
})

test('the groups behind the first five are one series, where figures can be added up', () => {
  const names = ['a', 'b', 'c', 'd', null, 'f', 'g']
  const lines = names.map((name, index) => usage(name, 0, 10 - index))
  const parts = names.flatMap((name, index) => [usage(name, 0, index), usage(name, HOUR, 1)])
  const series = seriesByGroup({ lines, parts }, [0, HOUR], ({ cost }) => cost)
  assert.deepEqual(
    series.map(({ name, values }) => [name, ...values]),
    [
      ['a', 0, 1],
      ['b', 1, 1],
      ['c', 2, 1],
      ['d', 3, 1],
      ['none', 4, 1],
      ['others', 11, 2],
    ],
  )
  assert.equal(seriesByGroup({ lines, parts }, [0], ({ successRate }) => successRate, null).length, 5)
})
