// R6 in mid-task: a rate is waited for, a budget or a cost that is spent ends the task with what it has.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure } from '../../../runtime/errors.ts'
import type { CallFailure } from '../../../runtime/stage.ts'
import { answerCode, assertEnded, asked, calls, says, start, startTools, writes } from './task.ts'

const rated = (retryAfterMs: number): CallFailure => ({ ...failure('RATE_LIMITED', 'full'), retryAfterMs })
const spent = failure('BUDGET_EXCEEDED', 'the daily token budget of model gpt-4o does not cover 5 more')

test('a rate is waited for with the same model, without a retry, a cost, or a record of use', () => {
  const driver = startTools({ timeoutMs: 600_000, models: ['gpt-4o', 'groq/llama-3.3-70b-versatile'] })
  for (let time = 0; time < 6; time++) {
    driver.fail(rated(2_000))
    assert.equal(driver.pendingCall, null)
    driver.advance(40_000)
    assert.equal(asked(driver).model, 'gpt-4o')
  }
  assert.deepEqual(driver.all('UsageRecorded'), [])
  assert.deepEqual(
    driver.all('TaskProgressed').map(({ kind }) => kind),
    ['waiting'],
  )
  driver.answer(says('done'))
  assertEnded(driver, 'succeeded', null)
  assert.equal(driver.only('TaskCompleted').usage.modelCalls, 1)
})

test('it asks again when there is room, then less and less often, at most every 30 s and a little', () => {
  const driver = startTools({ timeoutMs: 600_000 })
  for (const least of [2_000, 2_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
    driver.fail(rated(2_000))
    const waitMs = Number(driver.timers('t1')['retry']) - driver.now
    assert.ok(waitMs >= least && waitMs <= least * 1.25, `${waitMs} for ${least}`)
    driver.advance(waitMs)
  }
  driver.answer(calls(['get_weather', '{"city":"Rome"}']))
  assert.equal((driver.rows('t1')['run'] as { waits?: number }).waits, 8)
})

test('waiting ends at the deadline as a time-out', () => {
  const driver = startTools({ timeoutMs: 5_000 })
  driver.fail(rated(50_000))
  driver.advance(5_000)
  assertEnded(driver, 'timed_out', 'TASK_TIMED_OUT')
})

test('a model whose budget is spent is passed over', () => {
  const driver = startTools({ models: ['gpt-4o', 'groq/llama-3.3-70b-versatile'] })
  driver.fail(spent)
  assert.equal(asked(driver).model, 'groq/llama-3.3-70b-versatile')
  driver.answer(says('done'))
  const { modelReason, usage } = driver.only('TaskCompleted')
  assert.equal(modelReason, 'default model of the fleet; in place of gpt-4o (BUDGET_EXCEEDED)')
  assert.equal(usage.modelCalls, 1)
})

test('a budget that runs out in mid-task ends it with its steps and what the model said last', () => {
  const driver = start()
  driver.answer(writes('x = 1'))
  answerCode(driver, { prints: '1' })
  driver.fail(spent)
  assertEnded(driver, 'failed', 'BUDGET_EXCEEDED')
  const { output, steps, error } = driver.only('TaskCompleted')
  assert.match(String(output), /Thought\.\n```python\nx = 1/)
  assert.equal((steps as unknown[]).length, 1)
  assert.match(error?.message ?? '', /^gpt-4o: the daily token budget of model gpt-4o/)
})

test('before the first answer there is no output', () => {
  const driver = start()
  driver.fail(spent)
  assertEnded(driver, 'failed', 'BUDGET_EXCEEDED')
  assert.equal(driver.only('TaskCompleted').output, null)
})

test('maxCost does the same, also where failed calls have spent it', () => {
  const driver = start({ maxCost: 0.005 })
  driver.answer(writes('y'))
  answerCode(driver)
  assertEnded(driver, 'failed', 'COST_LIMIT')
  assert.match(String(driver.only('TaskCompleted').output), /Thought\./)
  const failing = start({ maxCost: 0.005 })
  failing.fail({ ...failure('MODEL_TIMEOUT', 'late'), details: { inputTokens: 1_000, outputTokens: 0 } })
  assertEnded(failing, 'failed', 'COST_LIMIT')
})
