// What the error of a task says that a limit ended: where it stood, and the last thing that went wrong.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure } from '../../../runtime/errors.ts'
import { drive, type StageDriver } from '../../../runtime/testing/stage-driver.ts'
import { createPlannerStage } from '../../../services/planner/stage.ts'
import { fleetOf } from '../router/fleet.ts'
import {
  admitted,
  answerCode,
  answerTool,
  assertEnded,
  calls,
  start,
  START,
  startTools,
  writes,
} from './task.ts'

const rome = '{"city":"Rome"}'
const messageOf = (driver: StageDriver): string => driver.only('TaskCompleted').error?.message ?? ''

function timedOut(driver: StageDriver): string {
  while (driver.all('TaskCompleted').length === 0) driver.advance(1_000)
  assertEnded(driver, 'timed_out', 'TASK_TIMED_OUT')
  return messageOf(driver)
}

test('the step limit names the last error of the steps', () => {
  const driver = start({ maxSteps: 2 })
  for (const step of [1, 2]) {
    driver.answer(writes('x ='))
    answerCode(driver, { step, error: failure('CODE_SYNTAX', `invalid syntax ${step}`) })
  }
  assertEnded(driver, 'failed', 'STEP_LIMIT')
  assert.match(
    messageOf(driver),
    /within 2 steps \(maxSteps\)\. The last error, in step 2, was CODE_SYNTAX: invalid syntax 2$/,
  )
})

test('one step is one step', () => {
  const driver = start({ maxSteps: 1 })
  driver.answer(writes('x = 1'))
  answerCode(driver)
  assert.equal(messageOf(driver), 'The model did not finish within 1 step (maxSteps)')
})

test('a time-out names what the step waited for', () => {
  const model = start()
  assert.equal(
    timedOut(model),
    'The task did not end within 60 s (timeoutMs): gpt-4o had not finished its answer in step 1',
  )
  const code = start({ timeoutMs: 90_500 })
  code.answer(writes('x'))
  assert.match(timedOut(code), /within 90\.5 s \(timeoutMs\): the Python of step 1 had not ended$/)
  const one = startTools()
  one.answer(calls(['get_weather', rome], ['get_weather', rome]))
  assert.match(timedOut(one), /: step 1 had no reply from get_weather$/)
  const two = startTools()
  two.answer(calls(['get_weather', rome], ['transfer_money', '{"amount":1}']))
  assert.match(timedOut(two), /: step 1 had no reply from get_weather and 1 other tool$/)
})

test('a task that comes after its deadline had no step', () => {
  const driver = drive(createPlannerStage(fleetOf()), { now: START + 60_000 })
  driver.send('tasks.admitted', 'TaskAdmitted', admitted())
  assert.match(messageOf(driver), /its first step had not begun$/)
})

test("a time-out names the last error of a step, of a tool and of the model's calls", () => {
  const code = start()
  code.answer(writes('x ='))
  answerCode(code, { error: failure('CODE_MEMORY', 'too much') })
  assert.match(
    timedOut(code),
    /gpt-4o had not finished its answer in step 2\. The last error, in step 1, was CODE_MEMORY: too much$/,
  )
  const tool = startTools()
  tool.answer(calls(['get_weather', rome], ['get_weather', rome]))
  answerTool(tool, 't1.1.0', { status: 'failed', error: failure('TOOL_TIMEOUT', 'no answer') })
  assert.match(timedOut(tool), /The last error, in step 1, was TOOL_TIMEOUT: no answer$/)
  const model = start()
  model.advance(58_000)
  model.fail('MODEL_UNAVAILABLE')
  assert.match(timedOut(model), /in step 1\. The last error, in step 1, was MODEL_UNAVAILABLE: /)
})

test('a failed call of the model counts after the steps before it, and no longer when its step has ended', () => {
  const driver = startTools()
  driver.answer(calls(['get_weather', rome]))
  answerTool(driver, 't1.1.0', { status: 'failed', error: failure('TOOL_FAILED', 'no weather') })
  driver.fail('MODEL_RATE_LIMITED')
  driver.advance(5_000)
  assert.ok('failedCall' in driver.rows('t1'))
  driver.answer(calls(['get_weather', rome]))
  answerTool(driver, 't1.2.0', { step: 2 })
  assert.match(timedOut(driver), /The last error, in step 1, was TOOL_FAILED: no weather$/)
})

test('an open breaker does not hide why it opened', () => {
  const driver = start()
  driver.fail('MODEL_UNAVAILABLE')
  for (let second = 0; driver.all('TaskCompleted').length === 0; second++) {
    if (driver.pendingCall) driver.fail('BREAKER_OPEN')
    driver.advance(1_000)
  }
  assert.match(messageOf(driver), /The last error, in step 1, was MODEL_UNAVAILABLE: /)
})
