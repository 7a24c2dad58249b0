import assert from 'node:assert/strict'
import { test } from 'node:test'
import { phaseOf } from '../../../../../operator/direct/tasks/phase.ts'
import type { TaskProgressed } from '../../../../../schemas/generated/events.ts'

const event = (kind: TaskProgressed['kind'], detail: TaskProgressed['detail']): TaskProgressed => ({
  taskId: 't1',
  stage: 'router',
  kind,
  step: null,
  atMs: 5,
  detail,
})
const now = (...events: TaskProgressed[]) => phaseOf({ events, isWhole: true }, 1)

test('a queued task has the priority by which the queue takes it, and no other has one', () => {
  const queued = event('queued', { priority: -3, waiting: 2, inFlight: 1 })
  assert.deepEqual([now(queued).phase, now(queued).priority], ['queued', -3])
  assert.equal(now(event('queued', { priority: 'high' })).priority, null, 'what is no number')
  assert.equal(now(queued, event('admitted', { agent: 'default', model: 'm' })).priority, null)
  assert.equal(now().priority, null)
})

test('a call that waits is known by the ledger where the log is not read that far, until the log says that it is over', () => {
  const held = { callId: 'c', tool: 'pay', step: 2, heldAtMs: 3 }
  const seen = (...events: TaskProgressed[]) => {
    const { status, phase, detail, step, sinceMs } = phaseOf({ events, isWhole: false }, 1, held)
    return [status, phase, detail, step, sinceMs]
  }
  const waits = ['waiting', 'approval', 'pay', 2, 3]
  assert.deepEqual(seen(), waits, 'behind the records of other tasks')
  assert.deepEqual(seen(event('tool_called', { callId: 'other' })), waits, 'behind another call of its own')
  const decided = { callId: 'c', final: true, outcome: 'approved' }
  assert.equal(seen(event('approval_decided', { ...decided, callId: 'other' }))[1], 'approval')
  assert.equal(seen(event('approval_decided', decided))[1], 'work')
  assert.equal(seen({ ...event('step_completed', {}), step: 1 })[1], 'approval')
  assert.equal(seen({ ...event('step_completed', {}), step: 2 })[1], 'model')
  assert.equal(seen(event('completed', { status: 'cancelled' }))[1], null)
})

test('a task waits for a paused stage that has not taken what came after the pause', () => {
  const seen = (stage: string | null, sinceMs: number, ...events: TaskProgressed[]) => {
    const pauses = [{ stage, sinceMs, reason: null, by: null }]
    const { status, phase, detail } = phaseOf({ events, isWhole: true }, 1, null, pauses)
    return [status, phase, detail]
  }
  const admitted = event('admitted', { agent: 'default', model: 'm' })
  const answered = event('model_called', { model: 'm' })
  const asked = event('tool_requested', { callId: 'c' })
  const replied = event('tool_called', { callId: 'c' })
  const code = event('code_requested', {})
  assert.deepEqual(seen('planner', 4, admitted), ['waiting', 'paused', 'planner'])
  assert.deepEqual(seen(null, 4, admitted), ['waiting', 'paused', 'planner'], 'of the whole fleet')
  assert.deepEqual(seen('planner', 5, admitted), ['running', 'model', null], 'it may have been taken before')
  assert.deepEqual(seen('router', 4, admitted), ['running', 'model', null])
  assert.deepEqual(seen('tool-executor', 4, answered, asked), ['waiting', 'paused', 'tool-executor'])
  assert.deepEqual(seen('planner', 4, answered, asked), ['running', 'work', null])
  assert.deepEqual(seen('planner', 4, answered, asked, replied), ['waiting', 'paused', 'planner'])
  assert.deepEqual(seen('code-sandbox', 4, code, asked, replied), ['waiting', 'paused', 'code-sandbox'])
  assert.deepEqual(seen('planner', 4, code, asked, replied), ['running', 'work', null], 'Python goes on')
  assert.deepEqual(seen('planner', 4, event('model_called', {})), ['running', 'work', null])
  assert.equal(seen('planner', 4, admitted, event('completed', { status: 'failed' }))[1], null)
})

test('a task has ended, whatever is written behind its end', () => {
  const held = event('approval_requested', { callId: 'c', tool: 'pay' })
  const end = event('completed', { status: 'cancelled', code: 'TASK_CANCELLED' })
  const withdrawn = event('approval_decided', { callId: 'c', final: true, outcome: 'withdrawn' })
  assert.deepEqual([now(held).status, now(held).detail], ['waiting', 'pay'])
  const { status, phase, detail } = now(held, end, withdrawn)
  assert.deepEqual([status, phase, detail], ['cancelled', null, 'TASK_CANCELLED'])
})

test('a task that has ended has used what its end says, whatever the ledger has of it by then', () => {
  const used = { modelCalls: 2, inputTokens: 769, outputTokens: 19, cost: 0.00788 }
  const end = { status: 'succeeded', code: null, executionTime: 9 }
  assert.deepEqual(now(event('completed', { ...end, ...used })).used, used)
  assert.equal(now(event('completed', { ...end, cost: 1 })).used, null, 'of an older version')
  assert.equal(now(event('tool_called', used)).used, null, 'it runs')
})
