import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure } from '../../../runtime/errors.ts'
import type { StageDriver } from '../../../runtime/testing/stage-driver.ts'
import { delegationHeld, held, released } from '../../support/held-events.ts'
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

const askedBy = { taskId: 't0', callId: 't0.2.1', agents: ['boss'] }
const ofAbove = (driver: StageDriver) =>
  driver.emitted.flatMap(({ type, key, topic, data }) =>
    type === 'DelegationHeld' ? [{ key, topic, ...data }] : [],
  )
const follow = (driver: StageDriver, call: ReturnType<typeof named>, releasedAtMs: number | null = null) =>
  driver.send('tools.completed', 'DelegationHeld', delegationHeld(call, driver.now, releasedAtMs))

test('the task that asked for this one is held with it: once, until none of its calls waits', () => {
  const driver = startTools({ askedBy })
  driver.answer(calls(transfer, transfer))
  driver.advance(10_000)
  const sinceMs = driver.now
  for (const callId of ['t1.1.0', 't1.1.0', 't1.1.1']) hold(driver, named(callId))
  const record = { key: 't0', topic: 'tools.completed', taskId: 't0', callId: 't0.2.1', child: 't1' }
  assert.deepEqual(ofAbove(driver), [{ ...record, heldAtMs: sinceMs, releasedAtMs: null }])
  driver.advance(DAY)
  release(driver, named('t1.1.0'))
  assert.equal(ofAbove(driver).length, 1)
  driver.advance(DAY)
  release(driver, named('t1.1.1'))
  release(driver, named('t1.1.1'))
  assert.deepEqual(ofAbove(driver).slice(1), [
    { ...record, heldAtMs: sinceMs, releasedAtMs: sinceMs + 2 * DAY },
  ])
})

test('a task that ends while a call waits releases the one that asked for it, before it answers', () => {
  for (const end of ['cancel', 'expiry'] as const) {
    const driver = startTools({ askedBy })
    driver.answer(calls(transfer))
    hold(driver, named('t1.1.0'))
    driver.advance(DAY)
    const failsTask = failure('APPROVAL_EXPIRED', 'nobody decided')
    if (end === 'expiry') release(driver, named('t1.1.0'), { outcome: 'expired', failsTask })
    else driver.send('tasks.control', 'TaskCancelled', { taskId: 't1', reason: null, requestedBy: null })
    const order = driver.emitted.flatMap(({ type }) => (type.startsWith('Delegation') ? [type] : []))
    assert.deepEqual(order, ['DelegationHeld', 'DelegationHeld', 'DelegationEnded'])
    assert.equal(ofAbove(driver)[1]?.releasedAtMs, driver.now)
  }
})

test('a task waits with the tasks that its calls became, and has those above wait with it', () => {
  const driver = startTools({ askedBy })
  driver.answer(calls(transfer, transfer))
  driver.advance(20_000)
  const sinceMs = driver.now
  follow(driver, named('t1.1.0'))
  follow(driver, named('t1.1.0'))
  driver.advance(3 * DAY)
  assert.equal(driver.all('TaskCompleted').length, 0)
  follow(driver, named('t1.1.1'))
  follow(driver, named('t1.1.0'), driver.now)
  answerTool(driver, 't1.1.0', { output: 'found' })
  driver.advance(DAY)
  follow(driver, named('t1.1.1'), driver.now)
  assert.equal(driver.timers('t1')['deadline'], START + 60_000 + 4 * DAY)
  assert.deepEqual(
    ofAbove(driver).map(({ heldAtMs, releasedAtMs }) => [heldAtMs, releasedAtMs]),
    [
      [sinceMs, null],
      [sinceMs, driver.now],
    ],
  )
  follow(driver, named('t1.1.1'))
  driver.send('tasks.control', 'TaskCancelled', { taskId: 't1', reason: null, requestedBy: null })
  const [step] = stepsOf(driver)
  assert.equal(step?.toolCalls[1]?.status, 'requested', 'it is at work: it was made')
  assert.equal(driver.only('TaskCompleted').executionTime, 20_000)
})

test('an answer that came in is held by nothing, and so is another step', () => {
  const driver = startTools()
  driver.answer(calls(transfer, transfer))
  answerTool(driver, 't1.1.0', { output: 'found' })
  follow(driver, named('t1.1.0'))
  follow(driver, named('t1.0.0'))
  assert.equal(driver.timers('t1')['deadline'], START + 60_000)
  const python = start()
  python.answer(writes('ask_helper(1)'))
  follow(python, named('t1.1.4', 'code-sandbox'))
  assert.equal(python.timers('t1')['deadline'], undefined, 'a call of Python is held as well')
  answerCode(python, { prints: 'given up' })
  python.answer(writes('1'))
  assert.equal(python.timers('t1')['deadline'], START + 60_000, 'the step is over, whatever it waited for')
})
