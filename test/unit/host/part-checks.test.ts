// Parts of a process that are asked: one that says nothing is a problem like one that refuses.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { askParts, problemSeries } from '../../../runtime/host/part-checks.ts'

test('a part that does not answer is one that does not work, and delays the others for its time only', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const asked = askParts([
    { name: 'log', check: async () => {} },
    { name: 'database', check: () => new Promise(() => {}) },
    { name: 'registry', check: () => Promise.reject(new Error('it is away')) },
    {
      name: 'metering',
      check: () => {
        throw new Error('it throws')
      },
    },
  ])
  await new Promise(setImmediate)
  t.mock.timers.tick(5_000)
  const parts = await asked
  assert.deepEqual(parts, [
    { name: 'log', problem: null },
    { name: 'database', problem: 'no answer within 5 s' },
    { name: 'registry', problem: 'it is away' },
    { name: 'metering', problem: 'it throws' },
  ])
  assert.deepEqual(
    problemSeries(parts).map(({ labels, value }) => [labels.part, value]),
    [
      ['log', 0],
      ['database', 1],
      ['registry', 1],
      ['metering', 1],
    ],
  )
})
