import assert from 'node:assert/strict'
import { test } from 'node:test'
import { drive } from '../../../runtime/testing/stage-driver.ts'
import { createMeteringStage } from '../../../services/metering/stage.ts'
import { emptyTask } from '../../../schemas/task-fields.ts'
import { completed, used } from './events.ts'

const start = () => drive(createMeteringStage(), { now: 5_000 })
const requestOf = (driver: ReturnType<typeof start>, kind: string) =>
  (driver.pendingCall?.request as Record<string, Record<string, unknown>>)[kind] ?? {}

test('usage is written once for each event id, outside the journal', () => {
  const driver = start()
  driver.send('usage.recorded', 'UsageRecorded', used({ costIsGuess: true }), { id: 'e1' })
  const call = driver.pendingCall
  assert.deepEqual(
    [call?.kind, call?.target, call?.journalled, call?.idempotent],
    ['ledger', 'usage', false, true],
  )
  const row = requestOf(driver, 'usage')
  assert.deepEqual([row['event_id'], row['cost_is_guess'], row['succeeded'], row['cached']], ['e1', 1, 1, 0])
  driver.answer(null)
  assert.deepEqual(driver.rows('t1'), {})
})

test('a task is written with its steps counted', () => {
  const driver = start()
  driver.send('tasks.completed', 'TaskCompleted', completed({ status: 'failed' }))
  const row = requestOf(driver, 'task')
  assert.deepEqual([row['steps'], row['status'], row['execution_ms']], [2, 'failed', 1_500])
})

test('a submission opens its task, under the key that its record gives it', () => {
  const driver = start()
  const task = { ...emptyTask, text: 'count', userId: 'ann', taskId: 't1' }
  driver.send('tasks.submitted', 'TaskSubmitted', task)
  const { task_id, user_id, text, submitted_at_ms } = requestOf(driver, 'submitted')
  assert.deepEqual([task_id, user_id, text, submitted_at_ms], ['t1', 'ann', 'count', 5_000])
})

test('what is said of a task is written as said, and leaves no state', () => {
  const driver = start()
  const feedback = { taskId: 't1', userId: 'ann', satisfaction: 0.8, comment: 'fine' }
  driver.send('tasks.control', 'FeedbackGiven', feedback)
  assert.deepEqual(requestOf(driver, 'feedback'), {
    task_id: 't1',
    satisfaction: 0.8,
    comment: 'fine',
    given_by: 'ann',
    given_at_ms: 5_000,
  })
  driver.answer(null)
  driver.send('tasks.control', 'QualityScored', { taskId: 't1', quality: 0.5, scorer: 'judge' })
  assert.deepEqual(requestOf(driver, 'feedback'), {
    task_id: 't1',
    quality: 0.5,
    scorer: 'judge',
    scored_at_ms: 5_000,
  })
  driver.answer(null)
  assert.deepEqual([driver.rows('t1'), driver.timers('t1')], [{}, {}])
})

test('other control events are not its business, and a row that can never be written is a bug', () => {
  const driver = start()
  driver.send('tasks.control', 'TaskCancelled', { taskId: 't1', reason: null, requestedBy: null })
  assert.equal(driver.pendingCall, null)
  driver.send('usage.recorded', 'UsageRecorded', used())
  assert.throws(() => driver.fail('INTERNAL'), /writing the usage ledger/)
})

test('each score and rating is passed on to alert rules, once it is written; what is no share is not', () => {
  const driver = start()
  const score = (quality: number) => {
    driver.send('tasks.control', 'QualityScored', { taskId: 't1', quality, scorer: null })
    assert.equal(driver.all('OutcomesTallied').length, tallied)
    driver.answer(null)
  }
  let tallied = 0
  score(0.25)
  tallied = 1
  const [first] = driver.all('OutcomesTallied')
  assert.deepEqual(
    [first?.bucketMs, first?.quality, first?.satisfaction, first?.failed],
    [5_000, 0.25, null, 0],
  )
  for (const quality of [1e9, -1, Number.NaN]) score(quality)
  driver.send('tasks.control', 'FeedbackGiven', {
    taskId: 't1',
    userId: null,
    satisfaction: 1,
    comment: null,
  })
  driver.answer(null)
  assert.deepEqual(
    driver.all('OutcomesTallied').map(({ satisfaction }) => satisfaction),
    [null, 1],
  )
})
