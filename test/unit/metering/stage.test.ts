import assert from 'node:assert/strict'
import { test } from 'node:test'
import { drive } from '../../../runtime/testing/stage-driver.ts'
import { createMeteringStage } from '../../../services/metering/stage.ts'
import { completed, used } from './events.ts'

const start = () => drive(createMeteringStage())
const feedback = { taskId: 't1', userId: null, satisfaction: 0.8, comment: null }

test('usage is written once for each event id, outside the journal', () => {
  const driver = start()
  driver.send('usage.recorded', 'UsageRecorded', used({ costIsGuess: true }), { id: 'e1' })
  const call = driver.pendingCall
  assert.deepEqual([call?.kind, call?.journalled, call?.idempotent], ['ledger', false, true])
  const { usage } = call?.request as { usage: Record<string, unknown> }
  assert.deepEqual(
    [usage['event_id'], usage['cost_is_guess'], usage['succeeded'], usage['cached']],
    ['e1', 1, 1, 0],
  )
  driver.answer({ rows: 1 })
  assert.deepEqual(driver.rows('t1'), {})
})

test('a task is written with its steps counted', () => {
  const driver = start()
  driver.send('tasks.completed', 'TaskCompleted', completed({ status: 'failed' }))
  const { task } = driver.pendingCall?.request as { task: Record<string, unknown> }
  assert.deepEqual(
    [task['steps'], task['status'], task['satisfaction'], task['execution_ms']],
    [2, 'failed', null, 1_500],
  )
})

test('feedback that overtakes its task waits for it', () => {
  const driver = start()
  driver.send('tasks.control', 'FeedbackGiven', feedback)
  driver.answer({ rows: 0 })
  driver.send('tasks.completed', 'TaskCompleted', completed())
  const { task } = driver.pendingCall?.request as { task: Record<string, unknown> }
  assert.equal(task['satisfaction'], 0.8)
  driver.answer({ rows: 1 })
  assert.deepEqual([driver.rows('t1'), driver.timers('t1')], [{}, {}])
})

test('feedback on a task that is known leaves no row; on one that never comes it is dropped after a week', () => {
  const driver = start()
  driver.send('tasks.control', 'FeedbackGiven', feedback)
  driver.answer({ rows: 1 })
  assert.deepEqual(driver.rows('t1'), {})
  driver.send('tasks.control', 'FeedbackGiven', feedback)
  driver.answer({ rows: 0 })
  driver.advance(7 * 86_400_000)
  assert.deepEqual([driver.rows('t1'), driver.timers('t1')], [{}, {}])
})

test('other control events are not its business, and a row that can never be written is a bug', () => {
  const driver = start()
  driver.send('tasks.control', 'TaskCancelled', { taskId: 't1', reason: null, requestedBy: null })
  assert.equal(driver.pendingCall, null)
  driver.send('usage.recorded', 'UsageRecorded', used())
  assert.throws(() => driver.fail('INTERNAL'), /writing the usage ledger/)
})
