// However a task ends: one result, the end told, nothing left. Long because every way to an end stands here once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure } from '../../../runtime/errors.ts'
import type { StageEvent } from '../../../runtime/stage.ts'
import { drive, type StageDriver } from '../../../runtime/testing/stage-driver.ts'
import type { TaskCompleted } from '../../../schemas/generated/events.ts'
import { createPlannerStage } from '../../../services/planner/stage.ts'
import type { OutputCheck } from '../../../services/planner/result/output-schema.ts'
import type { State } from '../../../services/planner/rows.ts'
import { fleetOf } from '../router/fleet.ts'
import {
  admitted,
  answerCode,
  answerTool,
  assertEnded,
  asked,
  calls,
  checkOutput,
  heardText,
  says,
  start,
  START,
  startTools,
  stepsOf,
  writes,
} from './task.ts'

const DAY_MS = 86_400_000
const noIndex = { write: () => {} }
const rome = '{"city":"Rome"}'

const cancel = (driver: StageDriver, reason: string | null = null) =>
  driver.send('tasks.control', 'TaskCancelled', { taskId: 't1', reason, requestedBy: null })

test('a cancel stops the model call at once', () => {
  const driver = start()
  driver.advance(500)
  cancel(driver, 'not needed')
  assertEnded(driver, 'cancelled', 'TASK_CANCELLED')
  const completed = driver.only('TaskCompleted')
  assert.match(completed.error?.message ?? '', /not needed/)
  assert.deepEqual([completed.steps, completed.executionTime, completed.usage.modelCalls], [[], 500, 0])
})

test('what an aborted call had used is counted', () => {
  const driver = start()
  driver.fail({ ...failure('CALL_ABORTED', 'stopped'), details: { inputTokens: 9, outputTokens: 3 } })
  assert.equal(driver.only('UsageRecorded').outputTokens, 3)
  cancel(driver)
  assert.equal(driver.only('TaskCompleted').usage.inputTokens, 9)
})

test('a cancel during tool calls: those still open are stopped, behind their requests; partial steps are kept', () => {
  const driver = startTools()
  driver.answer(calls(['get_weather', rome], ['get_weather', rome]))
  answerTool(driver, 't1.1.0', { output: 'warm' })
  const emitted = cancel(driver)
  assertEnded(driver, 'cancelled', 'TASK_CANCELLED')
  assert.deepEqual(emitted.map((emit) => [emit.topic, emit.type]).slice(0, 2), [
    ['tools.requested', 'WorkCancelled'],
    ['tasks.completed', 'TaskCompleted'],
  ])
  assert.deepEqual(driver.only('WorkCancelled').callIds, ['t1.1.1'])
  const [step] = stepsOf(driver)
  assert.deepEqual(
    step?.toolCalls.map((call) => [call.status, call.output]),
    [
      ['succeeded', 'warm'],
      ['requested', null],
    ],
  )
  assert.deepEqual(answerTool(driver, 't1.1.1'), [], 'a late reply is ignored')
})

test('a cancel during code stops the code', () => {
  const driver = start()
  driver.answer(writes('while True: pass'))
  cancel(driver)
  assertEnded(driver, 'cancelled', 'TASK_CANCELLED')
  const stop = driver.emitted.find((emit) => emit.type === 'WorkCancelled')
  assert.equal(stop?.topic, 'code.requested')
  assert.deepEqual(driver.only('WorkCancelled').callIds, ['t1.1'])
  assert.equal(stepsOf(driver)[0]?.code, 'while True: pass')
})

test('a cancel during a wait before a retry', () => {
  const driver = start()
  driver.fail('MODEL_UNAVAILABLE')
  cancel(driver)
  assertEnded(driver, 'cancelled', 'TASK_CANCELLED')
  assert.deepEqual(driver.advance(DAY_MS), [])
})

test('a second cancel emits nothing', () => {
  const driver = start()
  cancel(driver)
  assert.deepEqual(cancel(driver), [])
})

test('a cancel of a task that is not here leaves nothing; router passes it on behind the admission, and it ends the task', () => {
  const driver = drive(createPlannerStage(fleetOf()), { now: START })
  assert.deepEqual(cancel(driver, 'early'), [])
  assert.deepEqual([driver.rows('t1'), driver.timers('t1')], [{}, {}])
  driver.advance(1_000)
  driver.send('tasks.admitted', 'TaskAdmitted', admitted())
  driver.send('tasks.admitted', 'TaskCancelled', { taskId: 't1', reason: 'early', requestedBy: null })
  assertEnded(driver, 'cancelled', 'TASK_CANCELLED')
  assert.match(driver.only('TaskCompleted').error?.message ?? '', /early/)
  assert.deepEqual([driver.rows('t1'), driver.timers('t1')], [{}, {}])
})

test('a cancel after the end leaves nothing: the same id, run again later, is not cancelled by it', () => {
  const driver = startTools()
  driver.answer(says('done'))
  assert.equal(driver.only('TaskCompleted').status, 'succeeded')
  cancel(driver, 'too late')
  driver.advance(7 * DAY_MS)
  driver.send('tasks.admitted', 'TaskAdmitted', admitted({ mode: 'tools', deadlineMs: driver.now + 60_000 }))
  driver.answer(says('done again'))
  assert.deepEqual(
    driver.all('TaskCompleted').map(({ status }) => status),
    ['succeeded', 'succeeded'],
  )
})

test('the deadline ends the task wherever it stands, to the millisecond', () => {
  const places: [string, (driver: StageDriver) => void][] = [
    ['model', () => {}],
    ['second call', (driver) => (driver.answer(calls(['fly', '{}'])), void asked(driver))],
    ['tools', (driver) => driver.answer(calls(['get_weather', rome]))],
    ['retry', (driver) => (driver.advance(59_500), driver.fail('BREAKER_OPEN'))],
  ]
  for (const [place, go] of places) {
    const driver = startTools()
    go(driver)
    driver.advance(START + 59_999 - driver.now)
    assert.deepEqual(driver.all('TaskCompleted'), [], place)
    driver.advance(1)
    assertEnded(driver, 'timed_out', 'TASK_TIMED_OUT')
    assert.equal(driver.only('TaskCompleted').executionTime, 60_000)
    assert.equal(driver.all('WorkCancelled').length, place === 'tools' ? 1 : 0)
  }
})

test('a task that arrives after its deadline is timed out without a call', () => {
  const driver = drive(createPlannerStage(fleetOf()), { now: START + 60_000 })
  driver.send('tasks.admitted', 'TaskAdmitted', admitted())
  assertEnded(driver, 'timed_out', 'TASK_TIMED_OUT')
  assert.deepEqual(driver.all('UsageRecorded'), [])
})

test('the step limit ends the task, with every step in its result', () => {
  const driver = start({ maxSteps: 3 })
  for (const step of [1, 2, 3]) {
    driver.answer(writes(`x = ${step}`))
    answerCode(driver, { step })
  }
  assertEnded(driver, 'failed', 'STEP_LIMIT')
  assert.match(driver.only('TaskCompleted').error?.message ?? '', /within 3 steps/)
  assert.deepEqual(
    stepsOf(driver).map((step) => step.code),
    ['x = 1', 'x = 2', 'x = 3'],
  )
})

test('the last step may still give the result', () => {
  const driver = start({ maxSteps: 1 })
  driver.answer(writes('final_answer(1)'))
  answerCode(driver, { isFinal: true, finalAnswer: 1 })
  assertEnded(driver, 'succeeded', null)
})

test('the cost limit ends the task before the next call; a result that is paid for counts', () => {
  // One call costs 0.0065 dollars.
  const driver = start({ maxCost: 0.01 })
  driver.answer(writes('x'))
  answerCode(driver)
  driver.answer(writes('y'))
  answerCode(driver, { step: 2 })
  assertEnded(driver, 'failed', 'COST_LIMIT')
  assert.match(driver.only('TaskCompleted').error?.message ?? '', /\$0\.013000 of its maxCost \$0\.01/)
  const paid = startTools({ maxCost: 0.001 })
  paid.answer(says('done'))
  assertEnded(paid, 'succeeded', null)
})

test('an empty answer is reminded once, then it is a failure', () => {
  for (const begin of [start, startTools]) {
    const driver = begin()
    driver.answer(says(' \n'))
    assert.match(heardText(driver), /answer was empty/)
    driver.answer(says(''))
    assertEnded(driver, 'failed', 'OUTPUT_EMPTY')
  }
})

for (const value of [null, '', ' \n']) {
  test(`final_answer(${JSON.stringify(value)}) is empty`, () => {
    const driver = start()
    driver.answer(writes('final_answer(x)'))
    answerCode(driver, { isFinal: true, finalAnswer: value })
    assert.match(heardText(driver), /answer was empty/)
    driver.answer(writes('final_answer(x)'))
    answerCode(driver, { step: 2, isFinal: true, finalAnswer: value })
    assert.match(heardText(driver), /answer was empty/, 'code was run in between')
  })
}

for (const value of [[], {}, 0, false]) {
  test(`final_answer(${JSON.stringify(value)}) is a result`, () => {
    const driver = start()
    driver.answer(writes('final_answer(x)'))
    answerCode(driver, { isFinal: true, finalAnswer: value })
    assertEnded(driver, 'succeeded', null)
    assert.deepEqual(driver.only('TaskCompleted').output, value)
  })
}

test('an empty answer in the last step is a failure at once', () => {
  const driver = start({ maxSteps: 1 })
  driver.answer(says(''))
  assertEnded(driver, 'failed', 'OUTPUT_EMPTY')
})

const schema = { type: 'object', properties: { celsius: { type: 'number' } }, required: ['celsius'] }

test('a result that misses the schema goes back, and counts once it fits', async () => {
  const driver = start({ outputSchema: schema })
  assert.match(String(asked(driver).messages[0]?.content), /must fit this JSON Schema: \{"type":"object"/)
  driver.answer(writes('final_answer(21)'))
  answerCode(driver, { isFinal: true, finalAnswer: 21 })
  await checkOutput(driver)
  assert.match(
    heardText(driver),
    /does not fit the output schema: value: must be object, not 21\. Correct it/,
  )
  driver.answer(writes('final_answer({"celsius": 21})'))
  answerCode(driver, { step: 2, isFinal: true, finalAnswer: { celsius: 21 } })
  await checkOutput(driver)
  assertEnded(driver, 'succeeded', null)
  assert.equal(stepsOf(driver)[0]?.error?.code, 'OUTPUT_INVALID')
})

test('misses until the steps run out are OUTPUT_INVALID, with what was wrong', async () => {
  const driver = startTools({ outputSchema: schema, maxSteps: 2 })
  driver.answer(says('21 degrees'))
  await checkOutput(driver)
  driver.answer(says('{"celsius":"21"}'))
  await checkOutput(driver)
  assertEnded(driver, 'failed', 'OUTPUT_INVALID')
  assert.match(driver.only('TaskCompleted').error?.message ?? '', /celsius: must be number/)
})

test('a check that is stopped changes nothing; the cancel or deadline that stopped it shows the answer', () => {
  const text = startTools({ outputSchema: schema })
  text.answer(says('{"celsius":21}'))
  cancel(text)
  assertEnded(text, 'cancelled', 'TASK_CANCELLED')
  assert.deepEqual(
    stepsOf(text).map((step) => step.text),
    ['{"celsius":21}'],
  )
  const code = start({ outputSchema: schema })
  code.answer(writes('final_answer(1)'))
  answerCode(code, { isFinal: true, finalAnswer: 1 })
  assert.equal(code.pendingCall?.kind, 'check')
  code.advance(60_000)
  assertEnded(code, 'timed_out', 'TASK_TIMED_OUT')
})

test('what can not be checked does not fit: the model is told, and may answer more simply', () => {
  const driver = startTools({ outputSchema: schema, maxSteps: 2 })
  driver.answer(says('{"celsius":21}'))
  driver.fail('INTERNAL')
  assert.match(heardText(driver), /could not be checked: INTERNAL for the test/)
  driver.answer(says('{"celsius":21}'))
  driver.fail('INTERNAL')
  assertEnded(driver, 'failed', 'OUTPUT_INVALID')
})

test("a check says whether the schema is the agent's own, and a task without a schema is not checked", () => {
  const fleet = fleetOf({ agents: { default: { outputSchema: schema } } })
  for (const [outputSchema, isOwn] of [
    [schema, true],
    [{ type: 'object' }, false],
  ] as const) {
    const driver = startTools({ outputSchema }, fleet)
    driver.answer(says('{"celsius":21}'))
    assert.equal((driver.pendingCall?.request as OutputCheck).isOwn, isOwn)
  }
  const plain = startTools()
  plain.answer(says('{"celsius":21}'))
  assertEnded(plain, 'succeeded', null)
})

test('an answer that was cut off goes back, and is never a success', () => {
  const driver = startTools({ maxSteps: 2 })
  driver.answer(says('The answer is for', { finishReason: 'length' }))
  assert.match(heardText(driver), /cut off/)
  driver.answer(says('The answer is for', { finishReason: 'length' }))
  assertEnded(driver, 'failed', 'OUTPUT_INVALID')
})

test('a task that is admitted again while it runs changes nothing', () => {
  const driver = startTools()
  driver.answer(calls(['get_weather', rome]))
  assert.deepEqual(driver.send('tasks.admitted', 'TaskAdmitted', admitted({ text: 'other' })), [])
  answerTool(driver, 't1.1.0')
  driver.answer(says('done'))
  assertEnded(driver, 'succeeded', null)
})

test('feedback on a task that is not there changes nothing', () => {
  const driver = drive(createPlannerStage(fleetOf()))
  const taskId = 't1'
  const feedback = { taskId, userId: null, satisfaction: 1, comment: null }
  assert.deepEqual(driver.send('tasks.control', 'FeedbackGiven', feedback), [])
  assert.deepEqual(driver.rows('t1'), {})
})

/** Failed, and kept as ended until nobody can replay what was given up. */
function assertGivenUp(driver: ReturnType<typeof start>): void {
  assert.equal(driver.only('TaskCompleted').error?.code, 'HANDLER_FAILED')
  assert.deepEqual(driver.rows('t1'), { ended: { atMs: START } })
  const again = driver.send('tasks.admitted', 'TaskAdmitted', admitted())
  assert.deepEqual(
    again.map(({ type }) => type),
    ['TaskProgressed'],
  )
  driver.advance(7 * 86_400_000)
  assert.deepEqual(driver.rows('t1'), {})
}

test('an event that can not be handled fails its task, once', () => {
  const bug = failure('HANDLER_FAILED', 'the stage threw')
  const fresh = drive(createPlannerStage(fleetOf()), { now: START })
  fresh.poison('tasks.admitted', 'TaskAdmitted', admitted(), bug)
  assertGivenUp(fresh)
  const running = start()
  running.answer(writes('x'))
  running.poison(
    'tasks.control',
    'FeedbackGiven',
    { taskId: 't1', userId: null, satisfaction: 1, comment: null },
    bug,
  )
  assertGivenUp(running)
  assert.deepEqual(
    running.poison('tasks.control', 'TaskCancelled', { taskId: 't1', reason: null, requestedBy: null }, bug),
    [],
  )
})

test('every transition of a task is told in its history', () => {
  const driver = startTools()
  driver.answer(calls(['get_weather', rome]))
  answerTool(driver, 't1.1.0')
  driver.answer(says('done'))
  const lines = driver.all('TaskProgressed').map((line) => [line.kind, line.step])
  assert.deepEqual(lines, [
    ['model_called', 1],
    ['tool_requested', 1],
    ['step_completed', 1],
    ['model_called', 2],
    ['step_completed', 2],
    ['completed', 2],
  ])
})

test('a cancel and the deadline interrupt a call; a timer that nothing waits for asks no model', () => {
  const stage = createPlannerStage(fleetOf())
  const meta = { id: 'e', key: 't1', lane: 0, atMs: START, traceId: null }
  const timer = (name: string): StageEvent => ({ ...meta, type: 'TimerFired', data: { name } })
  const cancelled = { taskId: 't1', reason: null, requestedBy: null }
  assert.equal(stage.interrupts?.({ ...meta, type: 'TaskCancelled', data: cancelled }), true)
  assert.equal(stage.interrupts?.(timer('deadline')), true)
  assert.equal(stage.interrupts?.(timer('retry')), false)
  const driver = startTools()
  driver.answer(calls(['get_weather', rome]))
  const lane = { write: () => assert.fail('the planner has no rows of the lane') }
  assert.deepEqual(stage.decide(timer('retry'), driver.rows('t1') as State, lane), {})
})

test('a task whose own row is lost fails with a result of what is left, and the other stages hear of its end', () => {
  const driver = startTools()
  driver.answer(calls(['get_weather', rome]))
  const { task: _, ...rows } = driver.rows('t1') as State
  const meta = { id: 'e', key: 't1', lane: 0, atMs: START + 5, traceId: null }
  const event: StageEvent = { ...meta, type: 'TimerFired', data: { name: 'deadline' } }
  const reason = failure('PAYLOAD_MISSING', 'the state row task: gone')
  const { clear, emit = [] } = createPlannerStage(fleetOf()).poisoned?.(event, rows, reason, noIndex) ?? {}
  const data = emit.find(({ type }) => type === 'TaskCompleted')?.data as TaskCompleted
  assert.deepEqual([data.taskId, data.status, data.error], ['t1', 'failed', reason])
  assert.deepEqual(
    emit.filter(({ type }) => type === 'TaskClosed').map(({ topic }) => topic),
    ['tools.requested', 'code.requested'],
  )
  assert.equal(clear, true)
})
