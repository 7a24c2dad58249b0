// Admission under limits: what the stage asks, and what a real store of limits answers, on a clock that stands still.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultLimits } from '../../../runtime/config/defaults.ts'
import type { BudgetLimits, Fleet, RateLimits } from '../../../runtime/config/fleet.ts'
import type { QueueLimits } from '../../../runtime/config/queue-limits.ts'
import { failure } from '../../../runtime/errors.ts'
import { memoryLimits } from '../../../runtime/testing/memory/limits.ts'
import { quietInstruments } from '../../../runtime/telemetry/instruments.ts'
import { directSchemaChecks } from '../../../runtime/testing/schema-checks.ts'
import { drive } from '../../../runtime/testing/stage-driver.ts'
import type { Json } from '../../../schemas/json.ts'
import type { TaskClosed, TaskSubmitted } from '../../../schemas/generated/events.ts'
import { createLimitsCaller } from '../../../services/router/caller.ts'
import type { LimitsRequest } from '../../../services/router/call.ts'
import { emptyTask } from '../../../schemas/task-fields.ts'
import { createRouterStage } from '../../../services/router/stage.ts'
import { fleetOf } from './fleet.ts'

const parts = { schemas: directSchemaChecks(), instruments: quietInstruments }
const START_MS = Date.UTC(2026, 10, 24, 12)
const unheard = { stream: () => {} }

interface Changes {
  budgets?: Partial<BudgetLimits>
  rates?: Partial<RateLimits>
  queue?: Partial<QueueLimits>
}

function limited({ budgets, rates, queue }: Changes = {}, models: Partial<Fleet['models']> = {}): Fleet {
  const limits = {
    ...defaultLimits,
    queue: { ...defaultLimits.queue, ...queue },
    budgets: { ...defaultLimits.budgets, ...budgets },
    rates: { ...defaultLimits.rates, ...rates },
  }
  return fleetOf({ limits, models })
}

/** A router whose limits are real, in memory. */
function router(fleet: Fleet) {
  const clock = { ms: START_MS, now: () => clock.ms, schedule: () => () => {} }
  const limits = memoryLimits({ clock })
  const call = createLimitsCaller({ fleet, limits, ...parts, clock })
  let submitted = 0
  const submit = async (changes: Partial<TaskSubmitted> = {}) => {
    const id = changes.taskId ?? `t${++submitted}`
    const driver = drive(createRouterStage(fleet), { now: clock.ms })
    driver.send('tasks.submitted', 'TaskSubmitted', {
      ...emptyTask,
      text: 'Hi.',
      userId: 'ann',
      ...changes,
      taskId: id,
    })
    const asked = driver.pendingCall
    if (asked) driver.answer(await call(asked.request as LimitsRequest, unheard))
    const [rejected] = driver.all('TaskCompleted')
    return {
      admitted: driver.all('TaskAdmitted')[0],
      error: rejected?.error ?? null,
      status: rejected?.status,
    }
  }
  return { clock, limits, submit }
}

test('100 requests of a user fit in any 60 s; the next is rejected with the time to wait', async () => {
  const { clock, submit } = router(limited({ rates: { userTokens: null } }))
  for (let request = 0; request < 100; request++) {
    assert.ok((await submit()).admitted, String(request))
    clock.ms += 100
  }
  const { status, error } = await submit()
  assert.equal(status, 'rejected')
  assert.equal(error?.code, 'RATE_LIMITED')
  assert.equal(error?.retryable, true)
  assert.equal(error?.retryAfterMs, 50_000)
  assert.match(
    error.message,
    /User "ann" has used 100 of 100 requests in 60 s \(limits\.rates\.userRequests\); 1 more fit in 50 s/,
  )
  assert.ok((await submit({ userId: 'bob' })).admitted, 'others are not concerned')
  clock.ms += 49_999
  assert.ok((await submit()).error)
  clock.ms += 1
  assert.ok((await submit()).admitted)
})

// R6: figure, what is set so that it is met at once, user, code, and whose limit the message names.
const defaults: [string, Changes, number, string, RegExp][] = [
  [
    '1,000,000 tokens a minute of a user',
    { budgets: { estimateTokens: 100_000 } },
    10,
    'RATE_LIMITED',
    /1,000,000 tokens in 60 s .*userTokens/,
  ],
  [
    '10,000,000 tokens a day of a user',
    {
      budgets: { estimateTokens: 500_000, fleetTokens: null, modelTokens: null },
      rates: { userTokens: null },
    },
    20,
    'BUDGET_EXCEEDED',
    /budget of user "ann" .*of 10,000,000 tokens, 0 are used and 10,000,000 reserved \(limits\.budgets\.userTokens\)/,
  ],
  [
    '10,000,000 tokens a day of the fleet',
    {
      budgets: { estimateTokens: 500_000, userTokens: null, modelTokens: null },
      rates: { userTokens: null },
    },
    20,
    'BUDGET_EXCEEDED',
    /budget of the fleet .*of 10,000,000 tokens.*fleetTokens/,
  ],
  [
    '10,000,000 tokens a day of a model',
    {
      budgets: { estimateTokens: 500_000, userTokens: null, fleetTokens: null },
      rates: { userTokens: null },
    },
    20,
    'BUDGET_EXCEEDED',
    /budget of model gpt-4o .*of 10,000,000 tokens.*modelTokens/,
  ],
  [
    '5,000 tokens where unknown',
    { budgets: { fleetTokens: 5_000 } },
    1,
    'BUDGET_EXCEEDED',
    /does not cover 5,000 more/,
  ],
  [
    'a budget of one user',
    { budgets: { users: { ann: 15_000 } } },
    3,
    'BUDGET_EXCEEDED',
    /user "ann" .*limits\.budgets\.users\.ann/,
  ],
  [
    'a budget of one model, by prefix',
    { budgets: { models: { 'gpt-4': 10_000 } } },
    2,
    'BUDGET_EXCEEDED',
    /model gpt-4o .*limits\.budgets\.models\.gpt-4/,
  ],
]
for (const [name, changes, fit, code, says] of defaults)
  test(`${name}: ${fit} tasks fit`, async () => {
    const { submit } = router(limited(changes))
    for (let request = 0; request < fit; request++) assert.ok((await submit()).admitted, String(request))
    const { error, admitted } = await submit()
    assert.equal(admitted, undefined)
    assert.equal(error?.code, code)
    assert.match(error.message, says)
  })

test('a refused budget says when it resets, and has room again then', async () => {
  const { clock, submit } = router(limited({ budgets: { fleetTokens: 5_000, resetHourUtc: 14 } }))
  assert.ok((await submit()).admitted)
  assert.match(
    String((await submit()).error?.message),
    /it resets at 2026-11-24T14:00:00\.000Z, in 120 minutes\.$/,
  )
  clock.ms = Date.UTC(2026, 10, 24, 14)
  assert.ok((await submit()).admitted)
  assert.ok((await submit()).error)
})

test('the next model of the profile is taken where the budget of the first one is spent', async () => {
  const profile = { temperature: 0, maxSteps: 1, timeoutMs: 60_000, executor: 'default' }
  const profiles = {
    dear: { ...profile, models: ['gpt-4o', 'groq/llama-3.3-70b-versatile', 'gpt-3.5-turbo'] },
  }
  const { submit } = router(limited({ budgets: { models: { 'gpt-4o': 5_000 } } }, { profiles }))
  assert.deepEqual((await submit({ profile: 'dear' })).admitted?.models, profiles.dear.models)
  const { admitted } = await submit({ profile: 'dear' })
  assert.deepEqual(admitted?.models, ['groq/llama-3.3-70b-versatile', 'gpt-3.5-turbo'])
  assert.equal(
    admitted?.modelReason,
    'first model of profile "dear"; in place of gpt-4o, whose daily token budget does not cover the task',
  )
})

test('a task that is asked for twice counts once; a reservation ends at the deadline of its task', async () => {
  const { clock, limits, submit } = router(limited({ budgets: { fleetTokens: 10_000 } }))
  for (let time = 0; time < 3; time++) assert.ok((await submit({ taskId: 'same' })).admitted)
  assert.deepEqual((await limits.budgets('2026-11-24:fleet'))[0]?.reserved, 5_000)
  assert.ok((await submit()).admitted)
  assert.ok((await submit()).error)
  clock.ms += 60_000
  assert.ok((await submit()).admitted)
})

test('a task without a user has no limits of users; without any limit nothing is asked', async () => {
  const { submit } = router(limited({ rates: { userRequests: 1 }, budgets: { userTokens: 1 } }))
  for (let request = 0; request < 3; request++) assert.ok((await submit({ userId: null })).admitted)
  const none = limited({ budgets: { fleetTokens: null, modelTokens: null } })
  const driver = drive(createRouterStage(none))
  driver.send('tasks.submitted', 'TaskSubmitted', { ...emptyTask, text: 'Hi.', taskId: 't' })
  assert.equal(driver.pendingCall, null)
  assert.equal(driver.all('TaskAdmitted').length, 1)
})

test('a request larger than its window goes when the window is empty, instead of never', async () => {
  const { clock, submit } = router(limited({ rates: { userTokens: 3_000 } }))
  assert.ok((await submit()).admitted)
  assert.equal((await submit()).error?.code, 'RATE_LIMITED')
  clock.ms += 60_000
  assert.ok((await submit()).admitted)
})

test('the call is repeated by the host, never journalled; a failure that can’t pass is a bug', () => {
  const driver = drive(createRouterStage(limited()))
  driver.send('tasks.submitted', 'TaskSubmitted', { ...emptyTask, text: 'Hi.', taskId: 't' })
  const { kind, journalled, idempotent } = driver.pendingCall ?? {}
  assert.deepEqual({ kind, journalled, idempotent }, { kind: 'limits', journalled: false, idempotent: true })
  assert.throws(() => driver.fail(failure('INTERNAL', 'broken')), /asking the limits: broken/)
})

test('messages of a session are admitted in their order', () => {
  const driver = drive(createRouterStage(limited()))
  const message = { ...emptyTask, text: 'Hi.', taskId: 't', sessionId: 'orders' }
  driver.send('tasks.submitted', 'TaskSubmitted', message)
  assert.equal(driver.pendingCall?.inOrderOf, 'orders')
})

test('a rejected task is remembered: a duplicate asks for nothing', () => {
  const driver = drive(createRouterStage(limited()))
  const send = () =>
    driver.send('tasks.submitted', 'TaskSubmitted', { ...emptyTask, text: 'Hi.', taskId: 't' })
  send()
  driver.answer({ granted: false, reason: failure('RATE_LIMITED', 'no') })
  assert.equal(driver.only('TaskCompleted').status, 'rejected')
  assert.deepEqual(send(), [])
  assert.equal(driver.pendingCall, null)
})

/** One lane with real limits: what is asked of them is answered at once, unless the store is away. */
function lane(changes: Changes) {
  const fleet = limited(changes)
  const driver = drive(createRouterStage(fleet), { now: START_MS })
  const clock = { now: () => driver.now, schedule: () => () => {} }
  const limits = memoryLimits({ clock })
  const call = createLimitsCaller({ fleet, limits, ...parts, clock })
  const answer = async () => {
    for (let asked = driver.pendingCall; asked; asked = driver.pendingCall)
      driver.answer(await call(asked.request as LimitsRequest, unheard))
  }
  const submit = (taskId: string, userId = 'ann') =>
    driver.send('tasks.submitted', 'TaskSubmitted', { ...emptyTask, text: 'Hi.', userId, taskId })
  const cancel = (taskId: string) =>
    driver.send('tasks.control', 'TaskCancelled', { taskId, reason: null, requestedBy: null })
  const reserved = async () => (await limits.budgets('2026-11-24:fleet'))[0]?.reserved
  return { driver, limits, answer, submit, cancel, reserved }
}

test('a task that is cancelled while it waits gives its estimate back at once, for whoever comes next', async () => {
  const { driver, answer, submit, cancel, reserved } = lane({
    queue: { inFlight: 1 },
    budgets: { fleetTokens: 10_000 },
  })
  for (const taskId of ['working', 'waiting']) {
    submit(taskId)
    await answer()
  }
  submit('refused')
  await answer()
  assert.equal(driver.only('TaskCompleted').error?.code, 'BUDGET_EXCEEDED')
  cancel('waiting')
  assert.equal(driver.all('TaskCompleted').at(-1)?.status, 'cancelled', 'its end waits for no store')
  assert.equal(await reserved(), 10_000)
  await answer()
  assert.equal(await reserved(), 5_000)
  assert.deepEqual([driver.rows('waiting'), driver.timers('waiting')], [{}, {}])
  submit('next')
  await answer()
  assert.equal(driver.all('TaskCompleted').length, 2, 'it fits now, and waits')
})

test('what is given back once more, as after a crash, gives back nothing of others', async () => {
  const { limits, driver, answer, submit, cancel, reserved } = lane({ queue: { inFlight: 1 } })
  for (const taskId of ['working', 'waiting']) {
    submit(taskId)
    await answer()
  }
  cancel('waiting')
  const asked = driver.pendingCall?.request as LimitsRequest
  const call = createLimitsCaller({ fleet: limited(), limits, ...parts, clock: { now: () => driver.now } })
  for (let time = 0; time < 3; time++) await call(asked, unheard)
  await answer()
  assert.equal(await reserved(), 5_000)
})

test('cancelled tasks stay requests of their user: who submits and cancels is limited as everybody', async () => {
  const { driver, answer, submit, cancel } = lane({ queue: { inFlight: 1 }, rates: { userRequests: 3 } })
  submit('working', 'bob')
  await answer()
  for (const taskId of ['a', 'b', 'c']) {
    submit(taskId)
    await answer()
    cancel(taskId)
    await answer()
  }
  submit('d')
  await answer()
  assert.equal(driver.all('TaskCompleted').at(-1)?.error?.code, 'RATE_LIMITED')
})

test('a task that finds the queue full gives its estimate back', async () => {
  const { driver, answer, submit, reserved } = lane({ queue: { inFlight: 1, waiting: 1 } })
  for (const taskId of ['working', 'waiting', 'refused']) {
    submit(taskId)
    await answer()
  }
  assert.equal(driver.only('TaskCompleted').error?.code, 'QUEUE_FULL')
  assert.equal(await reserved(), 10_000)
})

test('one that began to work while it was cancelled ends with the planner, and holds what it holds', async () => {
  const { driver, answer, submit, cancel, reserved } = lane({ queue: { inFlight: 1 } })
  for (const taskId of ['working', 'waiting']) {
    submit(taskId)
    await answer()
  }
  driver.send('tools.requested', 'TaskClosed', { taskId: 'working', status: 'succeeded', deadlineMs: null })
  cancel('waiting')
  assert.deepEqual([driver.all('TaskCompleted'), driver.pendingCall], [[], null])
  assert.equal(await reserved(), 10_000)
})

test('one that the planner ends before its first call gives its estimate back, and stays a request', async () => {
  const { driver, limits, answer, submit, reserved } = lane({ rates: { userRequests: 5 } })
  const close = (taskId: string, status: TaskClosed['status']) =>
    driver.send('tools.requested', 'TaskClosed', { taskId, status, deadlineMs: null })
  for (const taskId of ['cancelled', 'failed', 'asked', 'succeeded', 'late']) {
    submit(taskId)
    await answer()
  }
  await limits.reserve({ id: 'asked/1', alternatives: [[]], ttlMs: 60_000, replaces: 'asked' })
  assert.equal(await reserved(), 20_000)
  for (const status of ['cancelled', 'failed', 'succeeded'] as const) close(status, status)
  close('asked', 'cancelled')
  close('late', 'timed_out')
  assert.equal(await reserved(), 20_000, 'their ends wait for no store')
  await answer()
  assert.equal(await reserved(), 10_000)
  assert.deepEqual([driver.rows('failed'), driver.timers('failed')], [{}, {}])
  submit('sixth')
  await answer()
  assert.equal(driver.only('TaskCompleted').error?.code, 'RATE_LIMITED')
})

test('a task is rejected with the reason if a key of the limits is of another program; giving back ends too', async () => {
  const { driver, answer, submit, cancel } = lane({ queue: { inFlight: 1 } })
  const refusal = failure('STORE_UNAVAILABLE', 'reserve in Redis: WRONGTYPE; delete that key', false)
  submit('refused')
  driver.fail(refusal)
  const { status, error } = driver.only('TaskCompleted')
  assert.deepEqual([status, error?.message], ['rejected', refusal.message])
  for (const taskId of ['working', 'waiting']) {
    submit(taskId)
    await answer()
  }
  cancel('waiting')
  driver.fail(refusal)
  assert.deepEqual([driver.rows('waiting'), driver.timers('waiting'), driver.pendingCall], [{}, {}, null])
})

test('a schema that does not compile is rejected, after the rates of its user were asked, and holds no estimate', async () => {
  const { driver, answer, reserved } = lane({ rates: { userRequests: 2 } })
  const submitWith = async (taskId: string, outputSchema: Json) => {
    driver.send('tasks.submitted', 'TaskSubmitted', {
      ...emptyTask,
      text: 'Hi.',
      userId: 'ann',
      taskId,
      outputSchema,
    })
    await answer()
    return driver.all('TaskCompleted').find((completed) => completed.taskId === taskId)?.error
  }
  const wrong = await submitWith('a', { type: 'nonsense' })
  assert.equal(wrong?.code, 'TASK_INVALID')
  assert.match(wrong.message, /outputSchema is not a valid JSON Schema/)
  const slow = await submitWith('b', { type: 'string', pattern: '^(?=a+)+$' })
  assert.match(slow?.message ?? '', /pattern "\^\(\?=a\+\)\+\$" can't be used .*RE2/)
  assert.equal(await reserved(), 0)
  assert.equal((await submitWith('c', { type: 'number' }))?.code, 'RATE_LIMITED')
})

test('a schema is compiled where nothing is limited, too', async () => {
  const nothing = { fleetTokens: null, userTokens: null, modelTokens: null }
  const { submit } = router(limited({ budgets: nothing, rates: { userRequests: null, userTokens: null } }))
  assert.equal((await submit({ outputSchema: { type: 'nonsense' } })).error?.code, 'TASK_INVALID')
  assert.ok((await submit({ outputSchema: { type: 'number' } })).admitted)
})
