// Settings that changed while calls were under way, and the process that had begun them died: each call is what the journal
// knows of it, whether its tool is gone or needs a person by now.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineTool } from '../../../runtime/config/define.ts'
import { encodeKey } from '../../../runtime/keys.ts'
import type { EventMap, StageEvent } from '../../../runtime/stage.ts'
import { drive } from '../../../runtime/testing/stage-driver.ts'
import { createToolExecutorStage, keyOfCall } from '../../../services/tool-executor/stage.ts'

const START = 1_750_000_000_000
const input = { type: 'object' }
const run = () => null
const charge = defineTool({
  name: 'charge',
  description: 'Has an effect.',
  input,
  requiresApproval: true,
  run,
})
const look = defineTool({
  ...{ name: 'look', description: 'Reads.', input, run },
  idempotent: true,
  requiresApproval: true,
})

const request = (tool: string): EventMap['ToolRequested'] => ({
  ...{ taskId: 't1', callId: 'c1', tool, arguments: { amount: 5 }, requester: 'planner', step: 1 },
  ...{
    deadlineMs: START + 60_000,
    userId: null,
    cacheTtlMs: null,
    agent: null,
    ask: false,
    delegation: null,
  },
})

function asked(tool: string, begun: boolean, tools = [charge, look]) {
  const driver = drive(createToolExecutorStage({ tools }), { now: START })
  driver.send('tools.requested', 'ToolRequested', request(tool), begun ? { begun: true } : {})
  return driver
}

test('a tool that is gone: a call that was begun is looked up in the journal, and ends as that says', () => {
  const fresh = asked('charge', false, [look])
  assert.equal(fresh.only('ToolCompleted').error?.code, 'TOOL_UNKNOWN')
  const doubt = asked('charge', true, [look])
  const { kind, target, idempotent } = doubt.pendingCall ?? {}
  assert.deepEqual([kind, target, idempotent], ['tool', 'charge', false])
  doubt.fail('CALL_OUTCOME_UNKNOWN')
  assert.deepEqual(
    [doubt.only('ToolCompleted').status, doubt.only('ToolCompleted').error?.code],
    ['unknown', 'CALL_OUTCOME_UNKNOWN'],
  )
  const known = asked('charge', true, [look])
  known.answer({ output: { paid: 5 }, cached: false })
  assert.deepEqual(
    [known.only('ToolCompleted').status, known.only('ToolCompleted').output],
    ['succeeded', { paid: 5 }],
  )
  const pending = { output: null, cached: false, pending: { id: 'x', pollMs: 1_000, note: null } }
  const going = asked('charge', true, [look])
  going.answer(pending)
  assert.equal(going.only('ToolCompleted').error?.code, 'CALL_OUTCOME_UNKNOWN')
})

test('a tool that needs a person by now: what was begun without one is looked up, and what may be repeated waits', () => {
  const fresh = asked('charge', false)
  assert.deepEqual([fresh.pendingCall, fresh.all('CallHeld').length], [null, 1])
  const begun = asked('charge', true)
  assert.deepEqual([begun.pendingCall?.target, begun.all('CallHeld').length], ['charge', 0])
  const repeatable = asked('look', true)
  assert.deepEqual([repeatable.pendingCall, repeatable.all('CallHeld').length], [null, 1])
})

test('which call may have been begun: the tool of a request, and of one that waits to be made', () => {
  const stage = createToolExecutorStage({ tools: [charge] })
  const meta = { id: 'e', key: encodeKey(keyOfCall('t1', 'c1')), lane: 0, atMs: START, traceId: null }
  const event: StageEvent = { type: 'ToolRequested', data: request('charge'), ...meta }
  const timer: StageEvent = { type: 'TimerFired', data: { name: 'retry' }, ...meta }
  const waits = { request: request('charge'), tries: 0, askedMs: START, firstMs: START }
  assert.deepEqual(stage.mayHaveBegun?.(event, {}), { kind: 'tool', target: 'charge' })
  assert.deepEqual(stage.mayHaveBegun?.(timer, { waiting: { ...waits, why: 'cleared', cleared: true } }), {
    kind: 'tool',
    target: 'charge',
  })
  assert.equal(stage.mayHaveBegun?.(timer, {}), null)
  const doubt = { callId: 'x', failure: { code: 'CALL_TIMEOUT' } } as never
  assert.equal(stage.mayHaveBegun?.(timer, { waiting: { ...waits, why: 'reconcile', doubt } }), null)
})
