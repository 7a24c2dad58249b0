// The situation of a task after a change: services/planner/rows.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { change, put, situation, type Situation, type Step } from '../../../services/planner/rows.ts'
import { firstRun } from '../../../services/planner/step.ts'
import { admitted, START } from './task.ts'

function begun(): Situation {
  const task = { ...admitted(), traceId: null, promptVersion: '1' }
  const run = firstRun(task, START)
  const event = {
    type: 'TimerFired',
    data: { name: 'turn' },
    id: 'e',
    key: 't1',
    lane: 0,
    atMs: START,
  } as const
  // Cold rows are inherited.
  const cold = Object.assign(Object.create({ 'step:1': { step: 1 } as Step }) as object, { task, run })
  const found = situation({ ...event, traceId: null }, cold, START)
  assert.ok(found)
  return found
}

test('a change of the progress alone is seen as it, and copies no rows', () => {
  const from = begun()
  const { to, rows } = change(from, { run: { ...from.run, step: 2 } })
  assert.equal(to.run.step, 2)
  assert.equal(to.rows, from.rows)
  assert.deepEqual(Object.keys(rows), ['run'])
})

test('other rows are changed in a copy, which inherits what the rows did', () => {
  const from = begun()
  const { to } = change(from, { ...put('heard:0', []), run: { ...from.run, step: 3 } })
  assert.deepEqual([to.rows['heard:0'], to.run.step, to.rows['step:1']?.step], [[], 3, 1])
  assert.equal(from.rows['heard:0'], undefined)
  const gone = change(to, put('heard:0', null)).to
  assert.ok(!('heard:0' in gone.rows) && 'step:1' in gone.rows)
})
