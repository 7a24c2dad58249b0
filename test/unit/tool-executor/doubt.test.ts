import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineTool } from '../../../runtime/config/define.ts'
import { encodeKey } from '../../../runtime/keys.ts'
import { drive } from '../../../runtime/testing/stage-driver.ts'
import type { ApprovalDecided } from '../../../schemas/generated/events.ts'
import { createToolExecutorStage, keyOfCall } from '../../../services/tool-executor/stage.ts'
import { decision } from '../../support/decisions.ts'

const START = 1_750_000_000_000
const charge = { description: 'Charges.', input: { type: 'object' }, run: () => null, timeoutMs: 5_000 }
const tools = [
  defineTool({ ...charge, name: 'tell' }),
  defineTool({ ...charge, name: 'hold', inDoubt: 'hold' }),
  defineTool({
    ...charge,
    name: 'two',
    inDoubt: 'hold',
    requiresApproval: { when: () => false, needed: 2 },
  }),
  defineTool({ ...charge, name: 'look', reconcile: () => null }),
  defineTool({ ...charge, name: 'both', reconcile: () => null, inDoubt: 'hold', output: { type: 'number' } }),
]
const key = encodeKey(keyOfCall('t1', 'c1'))

function lost(tool: string, code: 'CALL_OUTCOME_UNKNOWN' | 'CALL_TIMEOUT' = 'CALL_OUTCOME_UNKNOWN') {
  const driver = drive(createToolExecutorStage({ tools }), { now: START })
  driver.send('tools.requested', 'ToolRequested', {
    ...{ taskId: 't1', callId: 'c1', tool, arguments: {}, requester: 'planner', step: 1 },
    ...{
      deadlineMs: START + 60_000,
      userId: null,
      cacheTtlMs: null,
      agent: null,
      ask: false,
      delegation: null,
    },
  })
  if (driver.pendingCall?.kind === 'rule') driver.answer(false)
  driver.fail(code)
  return driver
}
type Driver = ReturnType<typeof lost>
const decide = (driver: Driver, change: Partial<ApprovalDecided>) =>
  driver.send('tasks.control', 'ApprovalDecided', decision({ taskId: 't1', callId: 'c1', ...change }))
const status = (driver: Driver) => driver.only('ToolCompleted').status

test('without a look-up the model is told that it is not known, and the ledger has the call', () => {
  const driver = lost('tell')
  assert.equal(status(driver), 'unknown')
  assert.equal(driver.only('UsageRecorded').errorCode, 'CALL_OUTCOME_UNKNOWN')
})

test('a look-up by the key of the lost call turns it into its result', () => {
  const driver = lost('look')
  const { kind, request, idempotent } = driver.pendingCallOf(key) ?? {}
  assert.deepEqual([kind, idempotent], ['reconcile', true])
  assert.match((request as { idempotencyKey: string }).idempotencyKey, /./)
  driver.answer({ tookEffect: true, output: { charged: 5 } })
  assert.deepEqual([status(driver), driver.only('ToolCompleted').output], ['succeeded', { charged: 5 }])
  assert.deepEqual(driver.rows(key), {})
})

test('a call that surely took no effect is made, once', () => {
  const driver = lost('look')
  driver.answer({ tookEffect: false })
  assert.equal(driver.pendingCallOf(key)?.kind, 'tool')
  driver.answer({ output: 1, cached: false })
  assert.equal(status(driver), 'succeeded')
})

test('a look-up that fails is tried again, and at last the model is told', () => {
  const driver = lost('look')
  for (let tries = 0; tries < 4; tries++) {
    assert.equal(driver.pendingCallOf(key)?.kind, 'reconcile')
    driver.fail('TOOL_TARGET_UNAVAILABLE')
    driver.advance(Math.max(0, Number(driver.timers(key)['retry'] ?? 0) - driver.now))
  }
  assert.equal(status(driver), 'unknown')
})

test('a call that did not answer in time is in doubt as well', () => {
  assert.equal(lost('look', 'CALL_TIMEOUT').pendingCallOf(key)?.kind, 'reconcile')
  assert.equal(lost('tell', 'CALL_TIMEOUT').only('ToolCompleted').error?.code, 'TOOL_TIMEOUT')
})

test('where nothing can be looked up, it waits for a person to say', () => {
  const driver = lost('hold')
  assert.equal(driver.only('CallHeld').why, 'doubt')
  decide(driver, { approved: true })
  assert.deepEqual(driver.all('ToolCompleted'), [], 'it does not say whether it took effect')
  decide(driver, { tookEffect: true, answer: 'charged' })
  assert.deepEqual([status(driver), driver.only('ToolCompleted').output], ['succeeded', 'charged'])
  assert.equal(driver.pendingCall, null)
})

test('a person says that it took no effect: it is made again if approved, else the model is told', () => {
  const again = lost('hold')
  decide(again, { tookEffect: false, approved: true })
  assert.equal(again.pendingCallOf(key)?.kind, 'tool')
  const not = lost('hold')
  decide(not, { tookEffect: false, approved: false })
  assert.deepEqual([status(not), not.pendingCall], ['refused', null])
})

test('one of two who must agree gives a call in doubt no result alone, whether approved or not', () => {
  const driver = lost('two')
  for (const decidedBy of ['ann', 'ann', null])
    decide(driver, { decidedBy, approved: false, tookEffect: true, answer: 'charged' })
  decide(driver, { decidedBy: 'bo', approved: false, tookEffect: true, answer: 'other' })
  assert.deepEqual(driver.all('ToolCompleted'), [])
  decide(driver, { decidedBy: 'cy', approved: false, tookEffect: true, answer: 'charged' })
  assert.deepEqual([status(driver), driver.only('ToolCompleted').output], ['succeeded', 'charged'])
})

test('a look-up that can not say hands over to a person, whose result must fit the tool', () => {
  const driver = lost('both')
  driver.answer(null)
  assert.equal(driver.only('CallHeld').why, 'doubt')
  decide(driver, { tookEffect: true, answer: 'five' })
  assert.deepEqual(driver.all('ToolCompleted'), [])
  decide(driver, { tookEffect: true, answer: 5 })
  assert.equal(status(driver), 'succeeded')
})

test('nobody says: the model is told that it is not known', () => {
  const driver = lost('hold')
  driver.advance(7 * 86_400_000)
  assert.equal(status(driver), 'unknown')
})

test('a task that ends while its call is looked up starts nothing more', () => {
  const driver = lost('look')
  driver.send('tools.requested', 'TaskClosed', { taskId: 't1', status: 'cancelled', deadlineMs: null })
  assert.equal(driver.pendingCall, null)
})

test('a decision is about one wait: late or twice, it makes no later attempt of the call again', () => {
  const driver = lost('hold')
  const waitOf = () => driver.all('CallHeld').at(-1)?.heldAtMs ?? null
  const problem = () => (driver.all('TaskProgressed').at(-1)?.detail as { problem?: string }).problem
  const first = waitOf()
  const again = { approved: true, tookEffect: false, decidedBy: 'ann' }
  decide(driver, again)
  driver.fail('CALL_OUTCOME_UNKNOWN')
  assert.equal(driver.all('CallHeld').length, 2, 'the second attempt is in doubt too')
  assert.ok((waitOf() ?? 0) > (first ?? 0), 'waits of one call have names of their own')
  decide(driver, again)
  assert.match(String(problem()), /has waited before, and it does not say which wait/)
  decide(driver, { ...again, heldAtMs: first })
  assert.match(String(problem()), /about another wait/)
  assert.equal(driver.pendingCallOf(key), null, 'nothing is made')
  decide(driver, { ...again, tookEffect: true, answer: 5, heldAtMs: waitOf() })
  assert.equal(status(driver), 'succeeded')
})
