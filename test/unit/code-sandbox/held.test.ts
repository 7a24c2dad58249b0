import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readEnvironment } from '../../../runtime/config/environment.ts'
import { defineTool } from '../../../runtime/config/define.ts'
import { completeFleet } from '../../../runtime/config/load.ts'
import { failure } from '../../../runtime/errors.ts'
import { drive } from '../../../runtime/testing/stage-driver.ts'
import { createCodeSandboxStage } from '../../../services/code-sandbox/stage.ts'
import { delegationHeld, held, released } from '../../support/held-events.ts'

const NOW = 1_750_000_000_000
const DAY = 86_400_000
const pay = defineTool({
  name: 'pay',
  description: 'Pays.',
  input: { type: 'object' },
  requiresApproval: true,
  run: () => null,
})
const fleet = completeFleet({ tools: [pay] }, readEnvironment({}), 'test')

/** A step whose Python has called `pay`, as t.1.0. */
function driverOfPaying() {
  const driver = drive(createCodeSandboxStage(fleet), { now: NOW })
  driver.send('code.requested', 'CodeRequested', {
    ...{ taskId: 't', requestId: 't.1', step: 1, code: 'pay()', executor: 'default', tools: ['pay'] },
    ...{ toolCacheTtlMs: null, userId: null, timeoutMs: 30_000, deadlineMs: NOW + 60_000, agent: null },
    ...{
      toolPolicy: null,
      policyTools: null,
      recording: null,
      delegation: null,
      prior: null,
      keepLog: false,
    },
  })
  const calls = [{ seq: 0, name: 'pay', arguments: {}, argsHash: 'h' }]
  driver.answer({ status: 'paused', calls, computeMs: 1 })
  return driver
}

test('a step that waits for a person gives its interpreter back, and goes on with the time that was left', () => {
  const driver = driverOfPaying()
  const call = { taskId: 't', callId: 't.1.0', requester: 'code-sandbox' } as const
  driver.send('tools.completed', 'CallHeld', held(call, driver.now))
  assert.ok(!driver.pendingCall, 'somebody who is looking answers at once')
  driver.advance(30_000)
  assert.equal(driver.pendingCallOf('t')?.kind, 'discard')
  driver.answer(null)
  driver.advance(3 * DAY)
  driver.send('tools.completed', 'CallReleased', released(call, driver.now))
  const [active] = [driver.rows('t')['active'] as { deadlineMs: number; held?: unknown }]
  assert.deepEqual([active.deadlineMs, active.held], [NOW + 60_000 + 30_000 + 3 * DAY, undefined])
  driver.send('tools.completed', 'ToolCompleted', {
    ...{ taskId: 't', callId: 't.1.0', tool: 'pay', requester: 'code-sandbox', step: 1, status: 'succeeded' },
    ...{ output: 'paid', error: null, startedAtMs: NOW, durationMs: 1, cached: false, child: null },
    approval: { outcome: 'approved' },
  })
  assert.equal(driver.pendingCallOf('t')?.kind, 'code')
  driver.answer({
    ...{ status: 'finished', value: 1, isFinal: false, finalAnswer: null, prints: '', error: null },
    ...{ outputHash: 'o', lost: 'nothing', computeMs: 1 },
  })
  const [made] = driver.only('CodeCompleted').toolCalls as { approval: unknown; status: string }[]
  assert.deepEqual([made?.status, made?.approval], ['succeeded', { outcome: 'approved' }])
})

test('a step that ends because its handling keeps throwing cancels the calls that it waits for', () => {
  const driver = driverOfPaying()
  const call = { taskId: 't', callId: 't.1.0', requester: 'code-sandbox' } as const
  driver.send('tools.completed', 'CallHeld', held(call, driver.now))
  const error = failure('HANDLER_FAILED', 'a bug')
  driver.poison('tools.completed', 'CallReleased', released(call, driver.now), error)
  assert.equal(driver.only('CodeCompleted').status, 'failed')
  const { callIds, reason } = driver.only('WorkCancelled')
  assert.deepEqual([callIds, reason], [['t.1.0'], 'a bug'])
  assert.deepEqual(driver.timers('t'), {}, 'the next step has an interpreter of its own')
})

test('a step waits with the task that its call became, and no answer of another call holds it', () => {
  const driver = driverOfPaying()
  const call = { taskId: 't', callId: 't.1.0' }
  const active = () => driver.rows('t')['active'] as { deadlineMs: number; held?: unknown }
  driver.send('tools.completed', 'DelegationHeld', delegationHeld({ ...call, callId: 't.1.7' }, NOW))
  assert.equal(active().held, undefined)
  driver.send('tools.completed', 'DelegationHeld', delegationHeld(call, NOW))
  driver.advance(30_000)
  assert.equal(driver.pendingCallOf('t')?.kind, 'discard')
  driver.answer(null)
  driver.send('tools.completed', 'DelegationHeld', delegationHeld(call, NOW, NOW + DAY))
  assert.deepEqual([active().deadlineMs, active().held], [NOW + 60_000 + DAY, undefined])
})
