import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure } from '../../../runtime/errors.ts'
import { fleetOf } from '../router/fleet.ts'
import {
  answerCode,
  assertEnded,
  asked,
  heardText,
  ran,
  says,
  start,
  START,
  stepsOf,
  writes,
} from './task.ts'

test('the model is asked with the prompt, the task and its limits', () => {
  const driver = start()
  const { model, messages, temperature, maxOutputTokens, stream, tools } = asked(driver)
  assert.deepEqual(
    [model, temperature, maxOutputTokens, stream, tools],
    ['gpt-4o', 0.3, 1000, true, undefined],
  )
  assert.deepEqual(
    messages.map((message) => message.role),
    ['system', 'user'],
  )
  assert.match(String(messages[0]?.content), /def get_weather\(city: str, days: int = 1\) -> dict:/)
  assert.equal(messages[1]?.content, 'How warm is it in Rome?')
  const call = driver.pendingCall
  assert.deepEqual(
    [call?.kind, call?.target, call?.timeoutMs, call?.idempotent],
    ['model', 'openai', 60_000, true],
  )
})

test('code runs in the sandbox, what it printed goes back, and final_answer ends the task', () => {
  const driver = start()
  driver.advance(400)
  driver.answer(writes('w = get_weather("Rome")\nprint(w)'))
  assert.deepEqual(driver.only('CodeRequested'), {
    taskId: 't1',
    requestId: 't1.1',
    step: 1,
    code: 'w = get_weather("Rome")\nprint(w)',
    executor: 'default',
    tools: ['get_weather', 'transfer_money'],
    toolCacheTtlMs: null,
    userId: 'u1',
    timeoutMs: 30_000,
    deadlineMs: START + 60_000,
    agent: 'default',
    delegation: null,
    toolPolicy: null,
    policyTools: null,
    recording: null,
    prior: null,
    keepLog: false,
  })
  driver.advance(100)
  const toolCalls = [
    {
      callId: 'x',
      tool: 'get_weather',
      arguments: { city: 'Rome' },
      status: 'succeeded',
      durationMs: 9,
      cached: true,
    },
  ]
  answerCode(driver, { prints: "{'celsius': 21}\n", output: 21, toolCalls })
  assert.equal(heardText(driver), "Printed:\n{'celsius': 21}\n\n\nLast value:\n21")
  assert.deepEqual(
    asked(driver).messages.map((message) => message.role),
    ['system', 'user', 'assistant', 'user'],
  )
  driver.advance(500)
  driver.answer(writes('final_answer(w["celsius"])'))
  answerCode(driver, { step: 2, isFinal: true, finalAnswer: 21 })
  assertEnded(driver, 'succeeded', null)
  const completed = driver.only('TaskCompleted')
  assert.deepEqual([completed.output, completed.executionTime, completed.traceId], [21, 1_000, 'trace'])
  assert.deepEqual([completed.model, completed.modelReason], ['gpt-4o', 'default model of the fleet'])
  // gpt-4o: 5 and 15 dollars a million.
  const cost = completed.usage.cost
  assert.ok(Math.abs(cost - (2 * (1_000 * 5 + 100 * 15)) / 1e6) < 1e-12)
  assert.deepEqual(
    { ...completed.usage, cost: 0 },
    { inputTokens: 2_000, outputTokens: 200, cost: 0, costIsGuess: false, modelCalls: 2, toolCalls: 1 },
  )
})

test('a last value that is blank text is shown in quotes', () => {
  for (const [output, shown] of [
    ['', '""'],
    [' \n', '" \\n"'],
    ['text', 'text'],
  ] as const) {
    const driver = start()
    driver.answer(writes('x'))
    answerCode(driver, { output })
    assert.equal(heardText(driver), `Last value:\n${shown}`)
  }
})

test('the result shows each step: code, calls, observation, times and usage', () => {
  const driver = start()
  driver.advance(400)
  driver.answer(writes('get_weather("Rome")'))
  driver.advance(100)
  const toolCalls = [
    {
      callId: 'x',
      tool: 'get_weather',
      arguments: { city: 'Rome' },
      status: 'succeeded',
      durationMs: 9,
      cached: true,
    },
  ]
  answerCode(driver, { output: 21, toolCalls })
  driver.answer(writes('final_answer(21)'))
  answerCode(driver, { step: 2, isFinal: true, finalAnswer: 21 })
  const [first, second, ...rest] = stepsOf(driver)
  assert.equal(rest.length, 0)
  assert.deepEqual(
    [first?.step, first?.kind, first?.model, first?.code],
    [1, 'code', 'gpt-4o', 'get_weather("Rome")'],
  )
  assert.deepEqual([first?.observation, first?.error], ['Last value:\n21', null])
  assert.deepEqual([first?.startedAtMs, first?.durationMs, first?.usage.modelCalls], [START, 500, 1])
  assert.deepEqual(first?.toolCalls, [{ ...toolCalls[0], error: null }])
  assert.deepEqual([second?.step, second?.startedAtMs, second?.observation], [2, START + 500, null])
  assert.deepEqual([second?.usage.modelCalls, second?.usage.inputTokens], [1, 1_000])
})

test('an error of the code goes back with its traceback, and the model may mend it', () => {
  const driver = start()
  driver.answer(writes('1/0'))
  const error = failure(
    'CODE_FAILED',
    'Traceback (most recent call last):\n  line 1\nZeroDivisionError: division by zero',
  )
  answerCode(driver, { status: 'failed', error, prints: 'before' })
  assert.match(
    heardText(driver),
    /^Printed:\nbefore\n\nError:\nCODE_FAILED: Traceback.*\n.*\nZeroDivisionError/,
  )
  driver.answer(writes('final_answer(0)'))
  answerCode(driver, { step: 2, isFinal: true, finalAnswer: 0 })
  assertEnded(driver, 'succeeded', null)
  assert.equal(driver.only('TaskCompleted').output, 0)
  assert.equal(stepsOf(driver)[0]?.error?.code, 'CODE_FAILED')
})

for (const code of [
  'CODE_TIMEOUT',
  'CODE_MEMORY',
  'CODE_PERMISSION',
  'CODE_LIMIT',
  'NONDETERMINISM',
] as const) {
  test(`${code} ends the step, not the task`, () => {
    const driver = start()
    driver.answer(writes('x'))
    answerCode(driver, { status: 'failed', error: failure(code, 'stopped') })
    assert.match(heardText(driver), new RegExp(`Error:\n${code}: stopped`))
  })
}

test('a sandbox that can not start ends the task: the model can not mend that', () => {
  const driver = start()
  driver.answer(writes('x'))
  answerCode(driver, { status: 'failed', error: failure('SANDBOX_UNAVAILABLE', 'no executor') })
  assertEnded(driver, 'failed', 'SANDBOX_UNAVAILABLE')
})

test('code that prints nothing is not silence to the model', () => {
  const driver = start()
  driver.answer(writes('x = 1'))
  answerCode(driver)
  assert.equal(heardText(driver), 'The code ran. It printed nothing.')
})

test('a long observation is cut in its middle, with a note; the step in the result is not longer', () => {
  const driver = start()
  driver.answer(writes('print(x)'))
  answerCode(driver, { prints: `head${'x'.repeat(50_000)}tail` })
  const told = heardText(driver)
  assert.ok(told.length < 12_200, String(told.length))
  assert.match(told, /^Printed:\nheadx+\n\[… 38008 characters left out of 50008: ask for less …\]\nx+tail$/)
})

test('prose without code is reminded once, then it is the result', () => {
  const driver = start()
  driver.answer(says('It is 21 degrees.'))
  assert.match(heardText(driver), /no Python in your answer/)
  driver.answer(says('As I said: 21.'))
  assertEnded(driver, 'succeeded', null)
  assert.equal(driver.only('TaskCompleted').output, 'As I said: 21.')
  assert.deepEqual(
    stepsOf(driver).map((step) => step.kind),
    ['answer', 'answer'],
  )
})

test('after code, prose is reminded of anew', () => {
  const driver = start()
  driver.answer(says('Hm.'))
  driver.answer(writes('x = 1'))
  answerCode(driver, { step: 2 })
  driver.answer(says('Hm again.'))
  assert.match(heardText(driver), /no Python/)
})

test('in the last step prose is the result at once', () => {
  const driver = start({ maxSteps: 1 })
  driver.answer(says('21'))
  assertEnded(driver, 'succeeded', null)
})

test('the last turn is announced', () => {
  const driver = start({ maxSteps: 2 })
  assert.doesNotMatch(heardText(driver), /last turn/)
  driver.answer(writes('x'))
  answerCode(driver, { output: 1 })
  assert.match(heardText(driver), /^Last value:\n1\n\nThis is your last turn: call final_answer/)
})

test('what nothing waits for changes nothing: twice, of another step, of an ended task', () => {
  const driver = start()
  assert.deepEqual(answerCode(driver), [])
  driver.answer(writes('x'))
  assert.deepEqual(answerCode(driver, { step: 3 }), [])
  answerCode(driver)
  driver.answer(writes('y'))
  assert.deepEqual(answerCode(driver), [], 'the first step is over')
  answerCode(driver, { step: 2, isFinal: true, finalAnswer: 1 })
  assertEnded(driver, 'succeeded', null)
  assert.deepEqual(answerCode(driver, { step: 2, isFinal: true, finalAnswer: 2 }), [])
  assert.deepEqual(driver.rows('t1'), {})
})

test('an event that comes while the model is asked waits its turn', () => {
  const driver = start()
  driver.send('code.completed', 'CodeCompleted', ran())
  driver.answer(writes('x'))
  // The early reply named the step that is now under way: it is taken.
  assert.equal(asked(driver).messages.length, 4)
})

test('tools that need approval are offered to code too', () => {
  const driver = start()
  assert.match(String(asked(driver).messages[0]?.content), /transfer_money/)
})

test('instructions and a prompt of the agent are used', () => {
  const agents = { default: { instructions: 'Speak Latin.', systemPrompt: 'Tools: {{tools}} Go.' } }
  const system = String(asked(start({}, fleetOf({ agents }))).messages[0]?.content)
  assert.match(system, /^Tools: def get_weather[\s\S]* Go\.\n\nSpeak Latin\./)
})

for (const [what, text, code, finishReason] of [
  ['at its end', '<think>\nI know.\n```python\nfinal_answer(1)\n```\n', 'final_answer(1)', 'stop'],
  [
    'behind a draft',
    '<think>Perhaps\n```python\nx\n```\nno:\n```py\nfinal_answer(2)\n```',
    'final_answer(2)',
    'stop',
  ],
  ['unclosed', '<thinking>\n```python\nfinal_answer(3)', 'final_answer(3)', 'stop'],
  ['in a cut answer', '<think>\n```python\nfinal_answer(1)\n```', null, 'length'],
  ['before more words', '<think>\n```python\nx\n```\nor rather', null, 'stop'],
  ['as data', '<think>\n```json\n{}\n```', null, 'stop'],
] as const) {
  test(`code within a thought that is never closed, ${what}: ${code ?? 'not run'}`, () => {
    const driver = start()
    driver.answer(says(text, { finishReason }))
    assert.equal(driver.all('CodeRequested')[0]?.code ?? null, code)
  })
}
