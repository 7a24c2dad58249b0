// The cost model of `flotilla capacity` against a fleet: what tasks of three steps write to the log.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { footprintOf } from '../../bench/capacity.ts'
import { topicCosts } from '../../cli/actions/capacity-model.ts'

const STEPS = 3

test('records and bytes of a task are what the model says', { timeout: 120_000 }, async () => {
  const measured = await footprintOf(STEPS)
  const further = STEPS - 1
  for (const [topic, { records, bytes, stepRecords, stepBytes }] of Object.entries(topicCosts)) {
    const { records: seen, bytes: size } = measured[topic] ?? { records: 0, bytes: 0 }
    assert.equal(seen, records + stepRecords * further, `records of ${topic}`)
    const expected = bytes + stepBytes * further
    assert.ok(Math.abs(size - expected) <= 0.15 * expected, `${topic}: ${size} bytes, modelled ${expected}`)
  }
  // What the model leaves out: tallies of outcomes, a record for many tasks, and none where the tasks end within a tick.
  const left = Object.keys(measured).filter((topic) => !(topic in topicCosts) && topic !== 'outcomes.tallied')
  assert.deepEqual(left, [])
})
