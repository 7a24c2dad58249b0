import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultLimits } from '../../../runtime/config/defaults.ts'
import type { Fleet } from '../../../runtime/config/fleet.ts'
import { failure } from '../../../runtime/errors.ts'
import { SCRIPTED_MODEL } from '../../../runtime/models/names.ts'
import { drive } from '../../../runtime/testing/stage-driver.ts'
import type { TaskSubmitted } from '../../../schemas/generated/events.ts'
import { ANSWER_BUCKET_MS } from '../../../services/router/constants.ts'
import { createRouterStage } from '../../../services/router/stage.ts'
import { fleetOf } from './fleet.ts'

const DAY_MS = 86_400_000

function task(changes: Partial<TaskSubmitted> = {}): TaskSubmitted {
  return {
    text: 'How warm is it in Rome?',
    taskId: 't1',
    userId: null,
    agent: null,
    mode: null,
    profile: null,
    model: null,
    maxSteps: null,
    timeoutMs: null,
    maxCost: null,
    priority: null,
    sessionId: null,
    outputSchema: null,
    parent: null,
    strategy: null,
    complexity: null,
    quality: null,
    estimatedTokens: null,
    history: null,
    metadata: null,
    temperature: null,
    maxOutputTokens: null,
    forkedFrom: null,
    forkedFromStep: null,
    toolPolicy: null,
    instructions: null,
    recording: null,
    whenBusy: null,
    ...changes,
  }
}

function submit(changes: Partial<TaskSubmitted> = {}, fleet: Fleet = fleetOf()) {
  const driver = drive(createRouterStage(fleet))
  driver.send('tasks.submitted', 'TaskSubmitted', task(changes), { key: 't1', traceId: 'trace' })
  if (driver.pendingCall) driver.answer({ granted: true, model: 0 })
  return driver
}

/** Without limits on tokens and users, so that nothing is asked. */
const unlimited = fleetOf({
  limits: { ...defaultLimits, budgets: { ...defaultLimits.budgets, fleetTokens: null, modelTokens: null } },
})

/** The rejection; its shape is checked on the way. */
function rejection(changes: Partial<TaskSubmitted>, fleet?: Fleet) {
  const driver = submit(changes, fleet)
  assert.deepEqual(driver.all('TaskAdmitted'), [])
  const completed = driver.only('TaskCompleted')
  assert.equal(completed.status, 'rejected')
  assert.ok(completed.error)
  return completed.error
}

test('a task is admitted with every default filled in', () => {
  const driver = submit({ text: '  How warm?  ' })
  const admitted = driver.only('TaskAdmitted')
  assert.deepEqual(admitted, {
    taskId: 't1',
    text: 'How warm?',
    userId: null,
    agent: 'default',
    mode: 'code',
    profile: null,
    models: ['gpt-4o'],
    modelReason: 'default model of the fleet',
    temperature: 0.2,
    maxSteps: 10,
    timeoutMs: 60_000,
    deadlineMs: driver.now + 60_000,
    maxCost: null,
    maxOutputTokens: 4096,
    executor: 'default',
    tools: ['get_weather', 'transfer_money'],
    toolCacheTtlMs: null,
    priority: 0,
    sessionId: null,
    outputSchema: null,
    parent: null,
    estimatedTokens: null,
    history: null,
    forkedFrom: null,
    forkedFromStep: null,
    toolPolicy: null,
    policyTools: null,
    instructions: null,
    recording: null,
    askedBy: null,
    variables: null,
    submittedAtMs: driver.now,
  })
  assert.equal(driver.only('TaskProgressed').kind, 'admitted')
})

// R2: model, temperature, steps, timeout, executor, cache.
const profiles = [
  ['fast', 'groq/llama-3.3-70b-versatile', 0.1, 5, 10_000, 'default', null],
  ['accurate', 'gpt-4o', 0.3, 15, 60_000, 'default', null],
  ['economy', 'gpt-3.5-turbo', 0.2, 8, 30_000, 'default', null],
  ['local', 'local/Mistral-7B-Instruct', 0.2, 10, 60_000, 'docker', null],
  ['secure', 'gpt-4o', 0.3, 5, 30_000, 'e2b', null],
  ['throughput', 'groq/llama-3.3-70b-versatile', 0.1, 3, 10_000, 'default', 3_600_000],
] as const

for (const [profile, model, temperature, maxSteps, timeoutMs, executor, toolCacheTtlMs] of profiles) {
  test(`profile ${profile} has the figures that users were promised`, () => {
    const providers = { ...fleetOf().models.providers, local: { baseUrl: 'http://127.0.0.1:8080/v1' } }
    const fleet = fleetOf({ executors: ['wasm', 'docker', 'e2b'], models: { providers } })
    const admitted = submit({ profile }, fleet).only('TaskAdmitted')
    assert.deepEqual(
      [admitted.models, admitted.temperature, admitted.maxSteps, admitted.timeoutMs, admitted.executor],
      [[model], temperature, maxSteps, timeoutMs, executor],
    )
    assert.equal(admitted.toolCacheTtlMs, toolCacheTtlMs)
    assert.equal(admitted.profile, profile)
  })
}

test('what the task says wins over the profile, and the profile over the agent', () => {
  const agents = { analyst: { mode: 'tools' as const, profile: 'economy', tools: ['get_weather'] } }
  const fleet = fleetOf({ agents, overrides: { mode: true, profile: true, model: true } })
  const ofAgent = submit({ agent: 'analyst' }, fleet).only('TaskAdmitted')
  assert.deepEqual(
    [ofAgent.models[0], ofAgent.mode, ofAgent.tools],
    ['gpt-3.5-turbo', 'tools', ['get_weather']],
  )
  const own = { agent: 'analyst', mode: 'code', profile: 'accurate', model: 'groq/x', maxSteps: 2 } as const
  const ofTask = submit({ ...own, timeoutMs: 5_000, priority: 9, maxCost: 0.5 }, fleet).only('TaskAdmitted')
  assert.deepEqual(
    [ofTask.models, ofTask.mode, ofTask.maxSteps, ofTask.timeoutMs, ofTask.temperature, ofTask.priority],
    [['groq/x'], 'code', 2, 5_000, 0.3, 9],
  )
})

test('the output schema of the agent holds where the task brings none', () => {
  const fleet = fleetOf({ agents: { default: { outputSchema: { type: 'number' } } } })
  assert.deepEqual(submit({}, fleet).only('TaskAdmitted').outputSchema, { type: 'number' })
  const own = submit({ outputSchema: { type: 'string' } }, fleet).only('TaskAdmitted')
  assert.deepEqual(own.outputSchema, { type: 'string' })
})

// R7
const forbidden = [
  ['read __globals__ of it', String.raw`__\w+__`],
  ['import os and list files', String.raw`\bimport\s`],
  ['call exec("x")', String.raw`\bexec\s*\(`],
  ['call eval (x)', String.raw`\beval\s*\(`],
] as const

for (const [text, pattern] of forbidden) {
  test(`"${text}" is rejected, naming the pattern and the setting`, () => {
    const error = rejection({ text })
    assert.equal(error.code, 'TASK_TEXT_FORBIDDEN')
    assert.ok(error.message.includes(pattern), error.message)
    assert.ok(error.message.includes('limits.input.forbiddenPatterns'))
    const open = fleetOf({
      limits: { ...fleetOf().limits, input: { ...fleetOf().limits.input, forbiddenPatterns: [] } },
    })
    assert.equal(submit({ text }, open).all('TaskAdmitted').length, 1)
  })
}

for (const text of [
  'an important matter',
  'medieval (500 to 1500) towns',
  'the __ line',
  'the executive (CEO)',
]) {
  test(`"${text}" is not taken for code`, () => {
    assert.equal(submit({ text }).all('TaskAdmitted').length, 1)
  })
}

const invalid: [Partial<TaskSubmitted>, RegExp][] = [
  [{ text: '' }, /text is empty/],
  [{ text: ' \n\t ' }, /text is empty/],
  [{ text: 'x'.repeat(10_001) }, /10001 characters, at most 10000/],
  [{ text: `${' '.repeat(10_000)}x` }, /10001 characters, at most 10000/],
  [
    { text: 'half \ud83d' },
    /text has half of a surrogate pair, such as \\ud83d, .*: send the whole character/,
  ],
  [{ instructions: '\udea2 half' }, /instructions has half of a surrogate pair/],
  [{ maxSteps: 0 }, /maxSteps is 0, it must be a whole number from 1 to 10000/],
  [{ maxSteps: 10_001 }, /maxSteps/],
  [{ maxSteps: 1.5 }, /maxSteps/],
  [{ timeoutMs: 0 }, /timeoutMs/],
  [{ timeoutMs: 30 * DAY_MS + 1 }, /timeoutMs/],
  [{ maxCost: 0 }, /maxCost/],
  [{ maxCost: Number.NaN }, /maxCost/],
  [{ priority: 10 }, /priority/],
  [{ userId: '' }, /userId/],
  [{ sessionId: 'x'.repeat(201) }, /sessionId/],
  [{ outputSchema: 'number' }, /outputSchema must be a JSON Schema object/],
  [{ outputSchema: { $async: true } }, /outputSchema: #\/\$async is not allowed/],
]

for (const [changes, message] of invalid) {
  test(`${JSON.stringify(changes).slice(0, 60)} is rejected`, () => {
    const error = rejection(changes)
    assert.equal(error.code, 'TASK_INVALID')
    assert.match(error.message, message)
  })
}

for (const chars of [1, 10_000])
  test(`a text of ${chars} characters is accepted`, () => {
    const text = 'x'.repeat(chars)
    assert.equal(submit({ text }).only('TaskAdmitted').text, text)
  })

for (const chars of [1, 9_998])
  test(`a text of ${chars} characters within white space is accepted, and trimmed`, () => {
    const text = 'x'.repeat(chars)
    assert.equal(submit({ text: ` ${text}\n` }).only('TaskAdmitted').text, text)
  })

test('all mistakes are told at once', () => {
  const { message } = rejection({ text: '', maxSteps: -1, timeoutMs: 0, maxCost: -2, priority: 77 })
  for (const field of ['text', 'maxSteps', 'timeoutMs', 'maxCost', 'priority'])
    assert.ok(message.includes(field))
})

test('an unknown profile is named, with those that exist', () => {
  const error = rejection({ profile: 'turbo' })
  assert.equal(error.code, 'PROFILE_UNKNOWN')
  assert.match(error.message, /"turbo".*accurate, economy, fast, local, secure, throughput/)
})

test('names that every object has are not taken for configured ones', () => {
  assert.equal(rejection({ profile: 'constructor' }).code, 'PROFILE_UNKNOWN')
  assert.equal(rejection({ agent: 'toString' }).code, 'AGENT_UNKNOWN')
  assert.equal(rejection({ model: '__proto__/x' }).code, 'MODEL_NOT_CONFIGURED')
})

test('an executor that is not configured rejects the task, and names the profile', () => {
  const error = rejection({ profile: 'secure' })
  assert.equal(error.code, 'EXECUTOR_NOT_CONFIGURED')
  assert.match(error.message, /Profile "secure".*"e2b"/)
})

test('a provider without its key rejects the task, and names the variable', () => {
  const fleet = fleetOf({ models: { keysPresent: ['OPENAI_API_KEY'] } })
  assert.equal(submit({ profile: 'accurate' }, fleet).all('TaskAdmitted').length, 1)
  const error = rejection({ profile: 'fast' }, fleet)
  assert.equal(error.code, 'MODEL_NOT_CONFIGURED')
  assert.match(error.message, /Profile "fast".*GROQ_API_KEY/)
})

test('fallbacks that are not configured are left out, and the reason says so', () => {
  const accurate = { ...fleetOf().models.profiles['accurate']!, models: ['gpt-4o', 'groq/a', 'openai/b'] }
  const fleet = fleetOf({ models: { profiles: { accurate }, keysPresent: ['OPENAI_API_KEY'] } })
  const admitted = submit({ profile: 'accurate' }, fleet).only('TaskAdmitted')
  assert.deepEqual(admitted.models, ['gpt-4o', 'openai/b'])
  assert.match(admitted.modelReason, /not configured here: groq\/a/)
})

const scriptedServer = { scripted: { baseUrl: 'http://127.0.0.1:1/v1' } }
for (const providers of [{}, scriptedServer]) {
  const where = 'scripted' in providers ? 'even where the scripted model runs' : 'nothing set'
  test(`without a model, ${where}, the rejection says how to connect one`, () => {
    const error = rejection({}, fleetOf({ models: { default: null, providers } }))
    assert.equal(error.code, 'MODEL_NOT_CONFIGURED')
    assert.match(error.message, /OPENAI_API_KEY.*OLLAMA_HOST.*FLOTILLA_MODEL=scripted/)
  })
}

test('the scripted model answers only if it is named: by the task, or as the default', () => {
  const models = { default: null, providers: scriptedServer }
  assert.deepEqual(submit({ model: 'scripted' }, fleetOf({ models })).only('TaskAdmitted').models, [
    SCRIPTED_MODEL,
  ])
  const named = fleetOf({ models: { ...models, default: SCRIPTED_MODEL } })
  assert.deepEqual(submit({}, named).only('TaskAdmitted').models, [SCRIPTED_MODEL])
  const error = rejection({}, fleetOf({ models: { default: SCRIPTED_MODEL, providers: {} } }))
  assert.match(error.message, /scripted\/conversations.*FLOTILLA_MODEL=scripted/)
})

test('an agent with a tool that does not exist is rejected', () => {
  const error = rejection({ agent: 'a' }, fleetOf({ agents: { a: { tools: ['get_weather', 'fly'] } } }))
  assert.deepEqual([error.code, /: fly\./.test(error.message)], ['TOOL_UNKNOWN', true])
})

test('a rejection is a whole result', () => {
  const driver = submit({ profile: 'turbo', userId: 'u', sessionId: 's' })
  const completed = driver.only('TaskCompleted')
  assert.deepEqual(
    [completed.taskId, completed.userId, completed.sessionId, completed.traceId, completed.executionTime],
    ['t1', 'u', 's', 'trace', 0],
  )
  assert.deepEqual([completed.output, completed.steps, completed.usage.cost], [null, [], 0])
})

test('a duplicate within seven days emits nothing, whatever it says; later the id is new', () => {
  for (const first of [task(), task({ text: '' })]) {
    const driver = drive(createRouterStage(unlimited))
    driver.send('tasks.submitted', 'TaskSubmitted', first)
    driver.advance(7 * DAY_MS - 1)
    assert.deepEqual(driver.send('tasks.submitted', 'TaskSubmitted', task({ text: 'other' })), [])
    driver.advance(1 + ANSWER_BUCKET_MS)
    assert.deepEqual(
      Object.keys(driver.laneRows()).filter((row) => row.startsWith('answered')),
      [],
    )
    assert.equal(driver.send('tasks.submitted', 'TaskSubmitted', task()).length, 2)
  }
})

test('the id is the key of the record, where the data has none', () => {
  const driver = drive(createRouterStage(unlimited))
  driver.send('tasks.submitted', 'TaskSubmitted', task({ taskId: null }), { key: 'given' })
  assert.equal(driver.only('TaskAdmitted').taskId, 'given')
})

test('a cancel that comes first ends the task on arrival, once, and is kept for a day', () => {
  const driver = drive(createRouterStage(fleetOf()))
  const cancel = { taskId: 't1', reason: 'changed my mind', requestedBy: null }
  assert.deepEqual(driver.send('tasks.control', 'TaskCancelled', cancel), [])
  driver.advance(DAY_MS - 1)
  driver.send('tasks.submitted', 'TaskSubmitted', task())
  const completed = driver.only('TaskCompleted')
  assert.equal(completed.status, 'cancelled')
  assert.match(completed.error?.message ?? '', /changed my mind/)
  assert.deepEqual(driver.all('TaskAdmitted'), [])
  assert.deepEqual(driver.send('tasks.submitted', 'TaskSubmitted', task()), [])
  driver.advance(7 * DAY_MS + ANSWER_BUCKET_MS)
  assert.deepEqual([driver.rows('t1'), driver.laneRows(), driver.timers('t1')], [{}, {}, {}])
})

test('what is said of an admitted task is left to the planner; a cancel is passed on behind its admission', () => {
  const driver = submit()
  const control = (type: 'ApprovalDecided' | 'TaskCancelled' | 'FeedbackGiven', data: object) =>
    driver.send('tasks.control', type, { taskId: 't1', reason: null, ...data } as never)
  const passedOn = control('TaskCancelled', { requestedBy: null }).map(({ topic, type, key }) => [
    topic,
    type,
    key,
  ])
  assert.deepEqual(passedOn, [['tasks.admitted', 'TaskCancelled', 't1']])
  driver.send('tools.requested', 'TaskClosed', { taskId: 't1', status: 'cancelled', deadlineMs: null })
  assert.deepEqual(control('TaskCancelled', { requestedBy: null }), [], 'of a task that has ended')
  assert.deepEqual(control('ApprovalDecided', { callId: 'c', approved: true, decidedBy: null }), [])
  assert.deepEqual(control('FeedbackGiven', { userId: null, satisfaction: 1, comment: null }), [])
})

test('a task that can not be handled fails, once', () => {
  const driver = drive(createRouterStage(fleetOf()))
  const bug = failure('HANDLER_FAILED', 'the stage threw')
  driver.poison('tasks.submitted', 'TaskSubmitted', task(), bug)
  assert.deepEqual(driver.only('TaskCompleted').error, bug)
  assert.equal(driver.only('TaskCompleted').status, 'failed')
  assert.deepEqual(driver.poison('tasks.submitted', 'TaskSubmitted', task(), bug), [])
  assert.deepEqual(driver.send('tasks.submitted', 'TaskSubmitted', task()), [])
})

test('a cancel whose task never comes is forgotten after seven days', () => {
  const driver = drive(createRouterStage(unlimited))
  driver.send('tasks.control', 'TaskCancelled', { taskId: 't1', reason: null, requestedBy: null })
  assert.deepEqual(driver.rows('t1'), {}, 'a row of the lane, whose number is bounded')
  driver.advance(7 * DAY_MS)
  assert.deepEqual([driver.rows('t1'), driver.laneRows()], [{}, {}])
  driver.send('tasks.submitted', 'TaskSubmitted', task())
  assert.equal(driver.all('TaskAdmitted').length, 1)
})
