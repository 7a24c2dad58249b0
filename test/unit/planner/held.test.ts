import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure } from '../../../runtime/errors.ts'
import type { StageDriver } from '../../../runtime/testing/stage-driver.ts'
import { held, released } from '../../support/held-events.ts'
import {
  answerCode,
  answerTool,
  assertEnded,
  calls,
  heardText,
  says,
  start,
  START,
  startTools,
  stepsOf,
  writes,
} from './task.ts'

const DAY = 86_400_000
const named = (callId: string, requester: 'planner' | 'code-sandbox' = 'planner') => ({
  taskId: 't1',
  callId,
  requester,
})
const hold = (driver: StageDriver, call: ReturnType<typeof named>, change = {}) =>
  driver.send('tools.completed', 'CallHeld', held(call, driver.now, change))
const release = (driver: StageDriver, call: ReturnType<typeof named>, change = {}) =>
  driver.send('tools.completed', 'CallReleased', released(call, driver.now, change))
const transfer: [string, string] = ['transfer_money', '{"amount":5}']

test('the deadline stands still while a call waits, and goes on with what was left', () => {
  const driver = startTools()
  driver.answer(calls(transfer))
  assert.equal(driver.only('ToolRequested').ask, false, 'it is requested as any other call')
  driver.advance(20_000)
  hold(driver, named('t1.1.0'))
  driver.advance(3 * DAY)
  assert.equal(driver.all('TaskCompleted').length, 0)
  release(driver, named('t1.1.0'))
  assert.equal(driver.timers('t1')['deadline'], START + 60_000 + 3 * DAY)
  answerTool(driver, 't1.1.0', { output: 'ok', approval: { outcome: 'approved' } })
  driver.answer(says('done'))
  assertEnded(driver, 'succeeded', null)
  const [step] = stepsOf(driver)
  assert.deepEqual(step?.toolCalls[0]?.approval, { outcome: 'approved' })
  assert.equal(driver.only('TaskCompleted').executionTime, 20_000, 'a wait for a person is no work')
})

test('two calls wait: the deadline goes on when the last one is released', () => {
  const driver = startTools()
  driver.answer(calls(transfer, transfer))
  hold(driver, named('t1.1.0'))
  driver.advance(DAY)
  hold(driver, named('t1.1.1'))
  release(driver, named('t1.1.0'))
  assert.equal(driver.timers('t1')['deadline'], undefined)
  driver.advance(DAY)
  release(driver, named('t1.1.1'))
  assert.equal(driver.timers('t1')['deadline'], START + 60_000 + 2 * DAY)
  driver.advance(60_000)
  assertEnded(driver, 'timed_out', 'TASK_TIMED_OUT')
})

test('a call of Python that waits stops the deadline too', () => {
  const driver = start()
  driver.answer(writes('transfer_money(5)'))
  hold(driver, named('t1.1.0', 'code-sandbox'))
  hold(driver, named('t1.7.0', 'code-sandbox'))
  driver.advance(DAY)
  release(driver, named('t1.1.0', 'code-sandbox'))
  const edited = { callId: 't1.1.0', tool: 'transfer_money', approval: { edited: { amount: 3 } } }
  answerCode(driver, { prints: 'paid', toolCalls: [edited] })
  assert.match(heardText(driver), /transfer_money: A person changed the arguments to \{"amount":3\}/)
  driver.answer(writes('final_answer(1)'))
  answerCode(driver, { step: 2, isFinal: true, finalAnswer: 1 })
  assertEnded(driver, 'succeeded', null)
})

test('a tool that says so fails the task when nobody decided', () => {
  const driver = startTools()
  driver.answer(calls(transfer))
  hold(driver, named('t1.1.0'))
  driver.advance(DAY)
  const failsTask = failure('APPROVAL_EXPIRED', 'nobody decided')
  release(driver, named('t1.1.0'), { outcome: 'expired', failsTask })
  assertEnded(driver, 'failed', 'APPROVAL_EXPIRED')
})

test('a task that ends while calls wait shows them as not made, and those in doubt as unknown', () => {
  const driver = startTools()
  driver.answer(calls(transfer, transfer))
  hold(driver, named('t1.1.0'))
  hold(driver, named('t1.1.1'), { why: 'doubt' })
  driver.send('tasks.control', 'TaskCancelled', { taskId: 't1', reason: null, requestedBy: null })
  assertEnded(driver, 'cancelled', 'TASK_CANCELLED')
  assert.deepEqual(
    stepsOf(driver)[0]?.toolCalls.map(({ status }) => status),
    ['awaiting_approval', 'unknown'],
  )
  assert.deepEqual(driver.only('WorkCancelled').callIds, ['t1.1.0', 't1.1.1'])
})

test('the model is told what a person changed, and that nobody decided', () => {
  const driver = startTools()
  driver.answer(calls(transfer))
  answerTool(driver, 't1.1.0', { output: 'ok', approval: { edited: { amount: 3 } } })
  assert.equal(heardText(driver), 'A person changed the arguments to {"amount":3}. Its result:\nok')
  driver.answer(calls(transfer))
  const error = failure('APPROVAL_EXPIRED', 'Nobody decided')
  answerTool(driver, 't1.2.0', { status: 'undecided', output: null, error })
  assert.equal(heardText(driver), 'Error APPROVAL_EXPIRED: Nobody decided')
})

test('what the step does not wait for holds nothing', () => {
  const driver = startTools()
  hold(driver, named('t1.1.0'))
  driver.answer(calls(transfer))
  hold(driver, named('t1.9.9'))
  release(driver, named('t1.1.0'))
  assert.equal(driver.timers('t1')['deadline'], START + 60_000)
})
