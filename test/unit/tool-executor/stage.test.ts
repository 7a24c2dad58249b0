import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineTool } from '../../../runtime/config/define.ts'
import { failure } from '../../../runtime/errors.ts'
import { encodeKey } from '../../../runtime/keys.ts'
import { drive } from '../../../runtime/testing/stage-driver.ts'
import type { EventMap } from '../../../runtime/stage.ts'
import {
  createToolExecutorStage,
  keyOfCall as callKey,
  REMEMBER_MS,
} from '../../../services/tool-executor/stage.ts'

const keyOfCall = (taskId: string, callId: string) => encodeKey(callKey(taskId, callId))
const START = 1_750_000_000_000
const input = { type: 'object' }
const run = () => null
const tools = [
  defineTool({ name: 'look_up', description: 'Reads.', input, idempotent: true, run }),
  defineTool({ name: 'send_mail', description: 'Has an effect.', input, timeoutMs: 5_000, run }),
  defineTool({ name: 'pay', description: 'Needs approval.', input, requiresApproval: true, run }),
]

const request = (change: Partial<EventMap['ToolRequested']> = {}): EventMap['ToolRequested'] => ({
  taskId: 't1',
  callId: 'c1',
  tool: 'look_up',
  arguments: { q: 1 },
  requester: 'planner',
  step: 2,
  deadlineMs: START + 60_000,
  userId: 'ann',
  cacheTtlMs: null,
  agent: 'helper',
  ask: false,
  delegation: null,
  ...change,
})

const start = () => drive(createToolExecutorStage({ tools }), { now: START })
type Driver = ReturnType<typeof start>
const ask = (driver: Driver, change: Partial<EventMap['ToolRequested']> = {}) =>
  driver.send('tools.requested', 'ToolRequested', request(change))
const cancel = (driver: Driver, callIds: string[]) =>
  driver.send('tools.requested', 'WorkCancelled', {
    taskId: 't1',
    callIds,
    reason: 'cancelled',
    deadlineMs: START + 3_600_000,
  })
const close = (driver: Driver, status = 'cancelled', deadlineMs: number | null = null) =>
  driver.send('tools.requested', 'TaskClosed', { taskId: 't1', status, deadlineMs })
const statuses = (driver: Driver) =>
  driver.all('ToolCompleted').map((reply) => `${reply.callId} ${reply.status}`)

test('a call is made, and its answer told to the requester, the ledger and the history', () => {
  const driver = start()
  ask(driver)
  assert.deepEqual(driver.pendingCall, {
    kind: 'tool',
    target: 'look_up',
    request: {
      taskId: 't1',
      tool: 'look_up',
      arguments: { q: 1 },
      cacheTtlMs: null,
      userId: 'ann',
      deadlineMs: START + 60_000,
      agent: 'helper',
    },
    timeoutMs: 30_000,
    untilMs: START + 60_000,
    idempotent: true,
  })
  driver.advance(250)
  const emitted = driver.answer({ output: { a: 1 }, cached: true })
  assert.equal(emitted.find((emit) => emit.type === 'ToolCompleted')?.requester, 'planner')
  assert.deepEqual(driver.only('ToolCompleted'), {
    taskId: 't1',
    callId: 'c1',
    tool: 'look_up',
    requester: 'planner',
    step: 2,
    status: 'succeeded',
    output: { a: 1 },
    error: null,
    startedAtMs: START,
    durationMs: 250,
    cached: true,
    approval: null,
    child: null,
  })
  const usage = driver.only('UsageRecorded')
  assert.deepEqual(
    [usage.kind, usage.tool, usage.succeeded, usage.cached, usage.userId],
    ['tool', 'look_up', true, true, 'ann'],
  )
  assert.equal(driver.only('TaskProgressed').kind, 'tool_called')
})

test('events are keyed by the task, whatever the key of the call', () => {
  const driver = start()
  ask(driver, { taskId: 'a/b', callId: 'c/d' })
  assert.ok(driver.pendingCallOf(keyOfCall('a/b', 'c/d')))
  assert.equal(keyOfCall('a/b', 'c/d'), 'a%2Fb/c%2Fd', 'ids with slashes make no further parts')
  const emitted = driver.answer({ output: null, cached: false })
  assert.deepEqual(new Set(emitted.map((emit) => emit.key)), new Set(['a/b']))
})

test('the calls of one task run at the same time', () => {
  const driver = start()
  ask(driver, { callId: 'c1' })
  ask(driver, { callId: 'c2' })
  driver.answer({ output: 2, cached: false }, { key: keyOfCall('t1', 'c2') })
  driver.answer({ output: 1, cached: false }, { key: keyOfCall('t1', 'c1') })
  assert.deepEqual(statuses(driver), ['c2 succeeded', 'c1 succeeded'])
})

test('an unknown tool fails, naming those that exist', () => {
  const driver = start()
  ask(driver, { tool: 'lookup' })
  const { status, error } = driver.only('ToolCompleted')
  assert.equal(status, 'failed')
  assert.equal(error?.code, 'TOOL_UNKNOWN')
  assert.match(error?.message ?? '', /lookup.*look_up, send_mail, pay/)
})

test('the time limit is cut to the deadline; a deadline in the past cancels', () => {
  const driver = start()
  ask(driver, { deadlineMs: START + 700 })
  assert.equal(driver.pendingCall?.timeoutMs, 700)
  ask(driver, { callId: 'late', deadlineMs: START })
  assert.deepEqual(statuses(driver), ['late cancelled'])
})

test('a retryable failure of an idempotent tool is tried again after 1 s and 2 s, then told', () => {
  const driver = start()
  const key = keyOfCall('t1', 'c1')
  ask(driver)
  for (const base of [1_000, 2_000]) {
    driver.fail('TOOL_UNAVAILABLE')
    const delay = (driver.timers(key)['retry'] ?? 0) - driver.now
    assert.ok(delay >= base && delay <= base * 1.25, `${delay}`)
    assert.equal(driver.pendingCallOf(key), null)
    driver.advance(delay)
    assert.ok(driver.pendingCallOf(key))
  }
  driver.fail('TOOL_UNAVAILABLE')
  assert.equal(driver.only('ToolCompleted').error?.code, 'TOOL_UNAVAILABLE')
  assert.equal(driver.all('UsageRecorded').length, 3)
  assert.deepEqual(
    driver.all('TaskProgressed').map((p) => p.kind),
    ['retry_scheduled', 'retry_scheduled', 'tool_called'],
  )
  assert.deepEqual([driver.rows(key), driver.timers(key)], [{}, {}])
})

test('a later try that works is the answer; its time counts from the first try', () => {
  const driver = start()
  ask(driver)
  driver.advance(100)
  driver.fail('TOOL_UNAVAILABLE')
  driver.advance(1_250)
  driver.advance(50)
  driver.answer({ output: 1, cached: false })
  assert.ok(driver.emitted.every((emit) => emit.key === 't1'))
  const reply = driver.only('ToolCompleted')
  assert.deepEqual([reply.status, reply.startedAtMs, reply.durationMs], ['succeeded', START, 1_400])
})

test('Retry-After is honoured, and a wait past the deadline is not begun', () => {
  const driver = start()
  ask(driver)
  driver.fail({ ...failure('TOOL_UNAVAILABLE', 'busy'), retryAfterMs: 20_000 })
  assert.equal(driver.timers(keyOfCall('t1', 'c1'))['retry'], START + 20_000)
  driver.advance(20_000)
  driver.fail({ ...failure('TOOL_UNAVAILABLE', 'busy'), retryAfterMs: 50_000 })
  assert.deepEqual(statuses(driver), ['c1 failed'])
})

test('a failure that is not retryable, and a tool that is not idempotent, are not tried again', () => {
  const driver = start()
  ask(driver)
  driver.fail('TOOL_FAILED')
  ask(driver, { callId: 'c2', tool: 'send_mail' })
  driver.fail('TOOL_UNAVAILABLE')
  ask(driver, { callId: 'c3', tool: 'send_mail' })
  driver.advance(5_000)
  assert.deepEqual(statuses(driver), ['c1 failed', 'c2 failed', 'c3 failed'])
  const timedOut = driver.all('ToolCompleted')[2]?.error
  assert.equal(timedOut?.code, 'TOOL_TIMEOUT')
  assert.match(timedOut?.message ?? '', /send_mail.*5 s.*may have taken effect/)
})

test('no retry policy makes a tool with effects run twice', () => {
  const [tool] = tools
  assert.ok(tool)
  const spec = { ...tool.spec, idempotent: false, retries: 2 }
  const driver = drive(createToolExecutorStage({ tools: [{ ...tool, spec }] }), { now: START })
  ask(driver)
  driver.fail('TOOL_UNAVAILABLE')
  assert.deepEqual(statuses(driver), ['c1 failed'])
})

test('a tool with effects whose outcome is lost is reported as unknown', () => {
  const driver = start()
  ask(driver, { tool: 'send_mail' })
  driver.fail('CALL_OUTCOME_UNKNOWN')
  assert.equal(driver.only('ToolCompleted').status, 'unknown')
  assert.equal(driver.only('UsageRecorded').errorCode, 'CALL_OUTCOME_UNKNOWN', 'it may have been made')
})

test('an open breaker is waited for until shortly before the deadline, without using up retries', () => {
  const driver = start()
  const key = keyOfCall('t1', 'c1')
  ask(driver, { tool: 'send_mail', deadlineMs: START + 12_000 })
  for (let asked = 1; driver.pendingCallOf(key) && asked < 10; asked++) {
    driver.fail('BREAKER_OPEN')
    driver.advance((driver.timers(key)['retry'] ?? driver.now) - driver.now)
  }
  const reply = driver.only('ToolCompleted')
  assert.deepEqual([reply.status, reply.error?.code], ['failed', 'BREAKER_OPEN'])
  assert.equal(reply.startedAtMs + reply.durationMs, START + 11_000)
  assert.deepEqual(
    driver.all('TaskProgressed').map((p) => p.kind),
    ['waiting', 'tool_called'],
  )
  assert.equal(driver.all('UsageRecorded').length, 0)
})

test('WorkCancelled stops the named calls, running, waiting or still to come, and no other', () => {
  const driver = start()
  for (const callId of ['running', 'waiting', 'other']) ask(driver, { callId })
  driver.fail('TOOL_UNAVAILABLE', { key: keyOfCall('t1', 'waiting') })
  cancel(driver, ['running', 'waiting', 'coming'])
  assert.deepEqual(statuses(driver), ['running cancelled'])
  driver.advance(1_250)
  ask(driver, { callId: 'coming' })
  assert.deepEqual(statuses(driver), ['running cancelled', 'waiting cancelled', 'coming cancelled'])
  assert.ok(driver.pendingCallOf(keyOfCall('t1', 'other')))
})

test('WorkCancelled without names stops all work so far; a later request runs', () => {
  const driver = start()
  ask(driver)
  cancel(driver, [])
  driver.send('tools.requested', 'ToolRequested', request({ callId: 'c2' }))
  assert.deepEqual(
    statuses(driver),
    ['c1 cancelled', 'c2 cancelled'],
    'c2 has the time of the cancel: it was on its way',
  )
  driver.advance(1)
  ask(driver, { callId: 'c3' })
  assert.ok(driver.pendingCallOf(keyOfCall('t1', 'c3')))
})

test('nothing starts after TaskClosed: running calls stop, waiting ones vanish, late requests are refused', () => {
  const driver = start()
  for (const callId of ['running', 'waiting']) ask(driver, { callId })
  driver.fail('TOOL_UNAVAILABLE', { key: keyOfCall('t1', 'waiting') })
  close(driver)
  assert.deepEqual(statuses(driver), ['running cancelled'])
  driver.advance(5_000)
  ask(driver, { callId: 'late' })
  assert.deepEqual(statuses(driver), ['running cancelled', 'late cancelled'])
  assert.equal(driver.pendingCall, null)
  driver.advance(REMEMBER_MS)
  for (const key of ['t1', keyOfCall('t1', 'waiting')])
    assert.deepEqual([driver.rows(key), driver.timers(key)], [{}, {}])
})

test('a closed task is remembered until its deadline: until then code that lags may still ask for its tools', () => {
  const driver = start()
  const deadlineMs = START + 4 * 3_600_000
  close(driver, 'cancelled', deadlineMs)
  for (const hours of [1, 2, 3]) {
    driver.advance(3_600_000)
    ask(driver, { callId: `late ${hours}`, deadlineMs })
  }
  assert.deepEqual(statuses(driver), ['late 1 cancelled', 'late 2 cancelled', 'late 3 cancelled'])
  assert.equal(driver.pendingCall, null)
  driver.advance(3_600_000 + REMEMBER_MS)
  assert.deepEqual([driver.rows('t1'), driver.timers('t1')], [{}, {}])
})

test('a cancelled call of a task that runs is remembered until its deadline too', () => {
  const driver = start()
  cancel(driver, ['c1'])
  driver.advance(3_000_000)
  ask(driver, { deadlineMs: START + 3_600_000 })
  assert.deepEqual(statuses(driver), ['c1 cancelled'])
  assert.equal(driver.pendingCall, null)
})

test('a task that succeeded leaves nothing behind', () => {
  const driver = start()
  ask(driver)
  driver.answer({ output: 1, cached: false })
  close(driver, 'succeeded')
  assert.deepEqual([driver.rows('t1'), driver.timers('t1')], [{}, {}])
})

test('the end of a task is remembered and forgotten, also where its handling, or its timer’s, was given up', () => {
  const driver = start()
  const died = failure('PROCESS_DIED', 'it kills')
  ask(driver)
  const end = { taskId: 't1', status: 'cancelled', deadlineMs: null }
  driver.poison('tools.requested', 'TaskClosed', end, died)
  assert.deepEqual(driver.rows('t1'), { closed: { status: 'cancelled' } })
  assert.deepEqual(Object.keys(driver.timers('t1')), ['forget'])
  const timer = { id: 'e', key: 't1', lane: 0, atMs: START, traceId: null }
  const given = createToolExecutorStage({ tools }).poisoned?.(
    { type: 'TimerFired', data: { name: 'forget' }, ...timer },
    { closed: { status: 'cancelled' } },
    died,
    { write: () => {} },
  )
  assert.deepEqual(given, { clear: true })
})

test('a handling that keeps throwing is told to the requester', () => {
  const driver = start()
  driver.poison('tools.requested', 'ToolRequested', request(), failure('HANDLER_FAILED', 'a bug'))
  assert.equal(driver.only('ToolCompleted').error?.code, 'HANDLER_FAILED')
})
