// R9: what follows from a failed model call.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure, type ErrorCode } from '../../../runtime/errors.ts'
import type { CallFailure } from '../../../runtime/stage.ts'
import type { StageDriver } from '../../../runtime/testing/stage-driver.ts'
import { retryDelayMs } from '../../../services/planner/retries.ts'
import { assertEnded, asked, says, start, START, startTools } from './task.ts'

const models = ['gpt-4o', 'groq/llama-3.3-70b-versatile', 'ollama/x']
const long = { timeoutMs: 600_000 }

const failing = (code: ErrorCode, changes: Partial<CallFailure> = {}): CallFailure => ({
  ...failure(code, 'test'),
  ...changes,
})

const kinds = (driver: StageDriver) => driver.all('TaskProgressed').map((line) => line.kind)

/** Fails the call under way; how long until the model is asked again, and which. */
function failAndWait(driver: StageDriver, error: CallFailure): [waitedMs: number, model: string] {
  const from = driver.now
  driver.fail(error)
  if (!driver.pendingCall) driver.advance((driver.timers('t1')['retry'] ?? from) - from)
  return [driver.now - from, asked(driver).model]
}

const inRange = (value: number, least: number) =>
  assert.ok(value >= least && value <= least * 1.25, `${value} is not within ${least} and a quarter more`)

for (const code of [
  'MODEL_RATE_LIMITED',
  'MODEL_TIMEOUT',
  'MODEL_UNAVAILABLE',
  'MODEL_ANSWER_MALFORMED',
  'CALL_TIMEOUT',
] as const) {
  test(`${code} is retried after 1, 2 and 4 s and a little, then the next model is used`, () => {
    const driver = startTools({ ...long, models })
    for (const least of [1_000, 2_000, 4_000]) {
      const [waited, model] = failAndWait(driver, failing(code))
      inRange(waited, least)
      assert.equal(model, 'gpt-4o')
    }
    assert.deepEqual(failAndWait(driver, failing(code)), [0, 'groq/llama-3.3-70b-versatile'])
    assert.equal(driver.pendingCall?.target, 'groq')
    assert.deepEqual(kinds(driver), [
      'retry_scheduled',
      'retry_scheduled',
      'retry_scheduled',
      'model_changed',
    ])
    driver.answer(says('done'))
    assertEnded(driver, 'succeeded', null)
    const completed = driver.only('TaskCompleted')
    assert.equal(completed.model, 'groq/llama-3.3-70b-versatile')
    assert.equal(completed.modelReason, `default model of the fleet; in place of gpt-4o (${code})`)
    // Retries are no steps, and each call made counts.
    assert.deepEqual([(completed.steps as unknown[]).length, completed.usage.modelCalls], [1, 5])
  })
}

for (const code of [
  'MODEL_QUOTA_EXCEEDED',
  'MODEL_AUTH_FAILED',
  'MODEL_CONTEXT_TOO_LONG',
  'MODEL_REQUEST_REFUSED',
  'MODEL_UNKNOWN_ERROR',
  'MODEL_NOT_CONFIGURED',
] as const) {
  test(`${code} is not retried: the next model at once, or the end`, () => {
    const driver = startTools({ ...long, models: models.slice(0, 2) })
    assert.deepEqual(failAndWait(driver, failing(code)), [0, 'groq/llama-3.3-70b-versatile'])
    driver.fail(failing(code))
    assertEnded(driver, 'failed', code)
    const { error, steps } = driver.only('TaskCompleted')
    assert.equal(error?.severity, failure(code, '').severity)
    assert.match(error?.message ?? '', /^groq\/llama-3.3-70b-versatile: test$/)
    assert.deepEqual(steps, [])
  })
}

test('quota and key are critical', () => {
  for (const code of ['MODEL_QUOTA_EXCEEDED', 'MODEL_AUTH_FAILED'] as const) {
    const driver = start()
    driver.fail(code)
    assert.equal(driver.only('TaskCompleted').error?.severity, 'critical')
  }
})

test('retries that are used up end a task with one model, which says how often it was tried', () => {
  const driver = start(long)
  for (let retry = 0; retry < 3; retry += 1) failAndWait(driver, failing('MODEL_UNAVAILABLE'))
  driver.fail(failing('MODEL_UNAVAILABLE'))
  assertEnded(driver, 'failed', 'MODEL_UNAVAILABLE')
  assert.match(driver.only('TaskCompleted').error?.message ?? '', /after 3 retries/)
})

test('Retry-After is honoured where it is longer', () => {
  const driver = start(long)
  inRange(failAndWait(driver, failing('MODEL_RATE_LIMITED', { retryAfterMs: 20_000 }))[0], 20_000)
  inRange(failAndWait(driver, failing('MODEL_RATE_LIMITED', { retryAfterMs: 5 }))[0], 2_000)
})

test('a retry that would pass the deadline is not waited for', () => {
  const alone = start()
  alone.fail(failing('MODEL_RATE_LIMITED', { retryAfterMs: 60_000 }))
  assertEnded(alone, 'failed', 'MODEL_RATE_LIMITED')
  const driver = start({ models })
  assert.deepEqual(failAndWait(driver, failing('MODEL_RATE_LIMITED', { retryAfterMs: 60_000 })), [
    0,
    models[1],
  ])
})

test('each step has its own retries', () => {
  const driver = startTools(long)
  for (const step of [1, 2]) {
    for (let retry = 0; retry < 3; retry += 1) failAndWait(driver, failing('MODEL_UNAVAILABLE'))
    if (step === 1) driver.answer(says(''))
  }
  driver.answer(says('done'))
  assertEnded(driver, 'succeeded', null)
})

test('the jitter is the same for the same event, and differs between events', () => {
  const delays = Array.from({ length: 50 }, (_, index) => retryDelayMs(0, undefined, `event-${index}`))
  assert.equal(retryDelayMs(0, undefined, 'event-3'), delays[3])
  assert.ok(new Set(delays).size > 40)
  delays.forEach((delay) => inRange(delay, 1_000))
})

test('an open breaker means another model at once, without a retry and without cost', () => {
  const driver = startTools({ ...long, models })
  assert.deepEqual(failAndWait(driver, failing('BREAKER_OPEN')), [0, models[1]])
  assert.deepEqual(failAndWait(driver, failing('BREAKER_OPEN')), [0, models[2]])
  assert.deepEqual(driver.all('UsageRecorded'), [])
})

test('while every breaker is open the task waits, told once, and then finishes', () => {
  const driver = startTools({ ...long, models: models.slice(0, 2) })
  for (let round = 0; round < 20; round += 1) {
    assert.deepEqual(failAndWait(driver, failing('BREAKER_OPEN')), [0, models[1]])
    const [waited, model] = failAndWait(driver, failing('BREAKER_OPEN'))
    inRange(waited, 5_000)
    assert.equal(model, models[0])
  }
  assert.equal(kinds(driver).filter((kind) => kind === 'waiting').length, 1)
  driver.answer(says('done'))
  assertEnded(driver, 'succeeded', null)
  assert.deepEqual(driver.only('TaskCompleted').modelReason, 'default model of the fleet')
})

test('a wait for breakers ends at the deadline as a time-out, never as a failure', () => {
  const driver = start()
  while (driver.all('TaskCompleted').length === 0) {
    if (driver.pendingCall) driver.fail('BREAKER_OPEN')
    driver.advance(1_000)
  }
  assertEnded(driver, 'timed_out', 'TASK_TIMED_OUT')
  assert.equal(driver.only('TaskCompleted').executionTime, 60_000)
})

test('a model that was given up is not used again, also while the others wait', () => {
  const driver = startTools({ ...long, models: models.slice(0, 2) })
  failAndWait(driver, failing('MODEL_QUOTA_EXCEEDED'))
  for (let round = 0; round < 3; round += 1) {
    assert.equal(failAndWait(driver, failing('BREAKER_OPEN'))[1], models[1])
  }
})

test('a fallback stays for the steps that follow', () => {
  const driver = startTools({ ...long, models })
  failAndWait(driver, failing('MODEL_QUOTA_EXCEEDED'))
  driver.answer(says(''))
  assert.equal(asked(driver).model, models[1])
})

test('every call made is recorded with its cost, failed ones too', () => {
  const driver = startTools({ ...long, models: ['groq/llama-3.3-70b-versatile'] })
  driver.advance(250)
  failAndWait(driver, failing('MODEL_TIMEOUT', { details: { inputTokens: 10, outputTokens: 20 } }))
  driver.answer(says('done', { inputTokens: 1_000_000, outputTokens: 1_000_000 }))
  const [failed, made] = driver.all('UsageRecorded')
  assert.deepEqual(
    [failed?.succeeded, failed?.errorCode, failed?.inputTokens, failed?.outputTokens],
    [false, 'MODEL_TIMEOUT', 10, 20],
  )
  assert.equal(failed?.durationMs, 250)
  // R3: 0.099 and 0.30 dollars a million.
  assert.ok(made && Math.abs(made.cost - 0.399) < 1e-9)
  assert.deepEqual(
    [made.succeeded, made.provider, made.model, made.userId, made.costIsGuess],
    [true, 'groq', 'groq/llama-3.3-70b-versatile', 'u1', false],
  )
  assert.notEqual(made.callId, failed?.callId)
  const { usage } = driver.only('TaskCompleted')
  assert.deepEqual([usage.inputTokens, usage.outputTokens, usage.modelCalls], [1_000_010, 1_000_020, 2])
})

test('the price of an unknown model is a guess, and says so', () => {
  const driver = startTools({ models: ['openai/brand-new'] })
  driver.answer(says('done', { inputTokens: 500_000, outputTokens: 500_000 }))
  const { usage } = driver.only('TaskCompleted')
  assert.deepEqual([usage.cost, usage.costIsGuess], [1, true])
})

test('a call that runs into the deadline times the task out', () => {
  const driver = start({ models })
  driver.advance(60_000)
  assertEnded(driver, 'timed_out', 'TASK_TIMED_OUT')
  assert.equal(driver.now, START + 60_000)
})

test('a single model call is limited even where the deadline is far, behind the limit of its caller', () => {
  const driver = start({ timeoutMs: 7_200_000, models })
  assert.equal(driver.pendingCall?.timeoutMs, 1_805_000)
  driver.advance(1_805_000)
  assert.deepEqual(kinds(driver), ['retry_scheduled'])
})

test('where the task ends first, its end is the limit', () => {
  const driver = start({ timeoutMs: 1_804_000, models })
  assert.equal(driver.pendingCall?.timeoutMs, 1_804_000)
  assert.equal(driver.pendingCall?.untilMs, driver.now + 1_804_000)
})
