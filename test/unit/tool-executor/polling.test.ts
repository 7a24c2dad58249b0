// Calls that an MCP server goes on with as a task of its own.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineTool } from '../../../runtime/config/define.ts'
import { failure } from '../../../runtime/errors.ts'
import { encodeKey } from '../../../runtime/keys.ts'
import { drive } from '../../../runtime/testing/stage-driver.ts'
import type { EventMap } from '../../../runtime/stage.ts'
import type { ToolCall } from '../../../services/tool-executor/call.ts'
import { createToolExecutorStage, keyOfCall, REMEMBER_MS } from '../../../services/tool-executor/stage.ts'

const START = 1_750_000_000_000
const DEADLINE = START + 3_600_000
const KEY = encodeKey(keyOfCall('t1', 'c1'))
const plain = defineTool({
  name: 'srv_report',
  description: 'Writes.',
  input: { type: 'object' },
  run: () => null,
})
const tools = [{ ...plain, spec: { ...plain.spec, source: { server: 'srv', tool: 'report' } } }]
const pending = { id: 'srv-7', pollMs: 2_000, note: null }
const goesOn = { output: null, cached: false, pending }

const request: EventMap['ToolRequested'] = {
  taskId: 't1',
  callId: 'c1',
  tool: 'srv_report',
  arguments: {},
  requester: 'planner',
  step: 1,
  deadlineMs: DEADLINE,
  userId: 'ann',
  cacheTtlMs: null,
  agent: null,
  ask: false,
  delegation: null,
}

const begin = () => {
  const driver = drive(createToolExecutorStage({ tools }), { now: START })
  driver.send('tools.requested', 'ToolRequested', request)
  return driver
}
type Driver = ReturnType<typeof begin>
const underWay = (): Driver => {
  const driver = begin()
  driver.answer(goesOn)
  return driver
}
const asks = (driver: Driver) => (driver.pendingCall?.request as ToolCall | undefined)?.continued?.ask
const statuses = (driver: Driver) => driver.all('ToolCompleted').map(({ status }) => status)
const close = (driver: Driver) =>
  driver.send('tools.requested', 'TaskClosed', { taskId: 't1', status: 'cancelled', deadlineMs: DEADLINE })
const cancel = (driver: Driver) =>
  driver.send('tools.requested', 'WorkCancelled', {
    taskId: 't1',
    callIds: ['c1'],
    reason: 'cancelled',
    deadlineMs: DEADLINE,
  })

test('a call that is refused because its server changed the tool is reported to the fleet', () => {
  const driver = begin()
  driver.fail({
    ...failure('MCP_TOOL_CHANGED', 'srv.report is another: other description'),
    retryable: false,
  })
  const { key, data } = driver.emitted.find(({ type }) => type === 'McpToolChanged') ?? assert.fail('none')
  const how = 'srv.report is another: other description'
  assert.deepEqual([key, data], ['fleet', { server: 'srv', tool: 'report', how, taskId: 't1', atMs: START }])
  const other = begin()
  other.fail('TOOL_FAILED')
  assert.deepEqual(other.all('McpToolChanged'), [])
})

test('the server is asked when it said, until it has an outcome; the ledger gets one row', () => {
  const driver = underWay()
  assert.deepEqual(statuses(driver), [])
  assert.equal(asks(driver), undefined)
  for (let poll = 0; poll < 3; poll++) {
    driver.advance(1_999)
    assert.equal(asks(driver), undefined)
    driver.advance(1)
    assert.equal(asks(driver), 'outcome')
    assert.equal(driver.pendingCall?.idempotent, true, 'asking is safe to repeat')
    assert.equal(driver.pendingCall?.breaker, 'mcp:srv')
    driver.answer(poll < 2 ? goesOn : { output: 'done', cached: false })
  }
  const { status, output, startedAtMs, durationMs } = driver.only('ToolCompleted')
  assert.deepEqual([status, output, startedAtMs, durationMs], ['succeeded', 'done', START, 6_000])
  assert.equal(driver.only('UsageRecorded').durationMs, 6_000)
  assert.deepEqual(driver.rows(KEY), {})
  assert.deepEqual(driver.timers(KEY), {})
})

test('a server that is down is asked again; one that lost the call ends it', () => {
  const driver = underWay()
  driver.advance(2_000)
  driver.fail('TOOL_UNAVAILABLE')
  driver.advance(5_000)
  assert.equal(asks(driver), 'outcome')
  driver.fail('TOOL_FAILED')
  assert.deepEqual(statuses(driver), ['failed'])
})

test('a cancel asks the server to stop, then answers', () => {
  const driver = underWay()
  cancel(driver)
  driver.advance(2_000)
  assert.equal(asks(driver), 'cancel')
  driver.answer({ output: null, cached: false })
  assert.deepEqual(statuses(driver), ['cancelled'])
  assert.match(
    driver.only('ToolCompleted').error?.message ?? '',
    /srv_report was stopped: the work was cancelled/,
  )
})

test('a cancel that can not be delivered is tried three times', () => {
  const driver = underWay()
  cancel(driver)
  driver.advance(2_000)
  for (let tries = 0; tries < 3; tries++) {
    assert.equal(asks(driver), 'cancel')
    assert.deepEqual(statuses(driver), [])
    driver.fail('TOOL_UNAVAILABLE')
    driver.advance(5_000)
  }
  assert.deepEqual(statuses(driver), ['cancelled'])
})

test('when the task is over the server is asked to stop, and nothing is left', () => {
  const driver = underWay()
  close(driver)
  driver.advance(2_000)
  assert.equal(asks(driver), 'cancel')
  driver.answer({ output: null, cached: false })
  assert.deepEqual(statuses(driver), [], 'nobody is left to read it')
  assert.deepEqual(driver.rows(KEY), {})
  driver.advance(DEADLINE - START + REMEMBER_MS)
  assert.deepEqual(driver.rows('t1'), {})
})

test('the deadline of the task ends the call', () => {
  const driver = underWay()
  driver.advance(2_000)
  driver.answer({ ...goesOn, pending: { ...pending, pollMs: 7_200_000 } })
  driver.advance(3_600_000)
  assert.equal(asks(driver), 'cancel')
  assert.equal(driver.pendingCall?.untilMs, undefined, 'the cancel itself may come after it')
  driver.answer({ output: null, cached: false })
  assert.match(driver.only('ToolCompleted').error?.message ?? '', /deadline had passed/)
})

test('a question that a cancel aborts is followed by the cancel', () => {
  const driver = underWay()
  driver.advance(2_000)
  driver.fail('CALL_ABORTED')
  cancel(driver)
  driver.advance(250)
  assert.equal(asks(driver), 'cancel')
})
