import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TaskProgressed } from '../../../../schemas/generated/events.ts'
import type { Json } from '../../../../schemas/json.ts'
import { readState, writeState } from '../../../../services/gateway/mcp/request-state.ts'
import { decisionOf, questionsOf, waitingCalls } from '../../../../services/gateway/mcp/waiting.ts'

const event = (kind: TaskProgressed['kind'], detail: Json, step = 1): TaskProgressed => ({
  taskId: 't',
  stage: 'planner',
  kind,
  step,
  atMs: 1,
  detail,
})
const waits = (callId: string): TaskProgressed =>
  event('waiting', { for: 'approval', callId, tool: 'pay', arguments: { amount: 5 } })
const idsOf = (events: TaskProgressed[]) => waitingCalls(events).map(({ callId }) => callId)

describe('calls that wait', () => {
  test('several of one step, until each is decided', () => {
    assert.deepEqual(idsOf([waits('a'), waits('b')]), ['a', 'b'])
    assert.deepEqual(idsOf([waits('a'), waits('b'), event('tool_requested', { callId: 'a' })]), ['b'])
    assert.deepEqual(idsOf([waits('a'), event('tool_called', { callId: 'a' })]), [])
  })

  test('none of a step that is over, and no other wait', () => {
    assert.deepEqual(idsOf([waits('a'), event('step_completed', {})]), [])
    assert.deepEqual(idsOf([event('waiting', { for: 'breaker', callId: 'a' })]), [])
  })

  test('are asked about with the frozen arguments, under the id of the call', () => {
    const [question] = Object.entries(questionsOf(waitingCalls([waits('a')])))
    assert.equal(question?.[0], 'a')
    assert.match(question?.[1].params.message ?? '', /pay with\n\{\n {2}"amount": 5\n\}/)
  })
})

test('only an accepted form that says yes or no, or a refusal, decides', () => {
  assert.deepEqual(decisionOf({ action: 'accept', content: { confirm: true } }), { approved: true })
  assert.deepEqual(decisionOf({ action: 'accept', content: { confirm: false, reason: 'no' } }), {
    approved: false,
    reason: 'no',
  })
  assert.deepEqual(decisionOf({ action: 'decline' }), { approved: false })
  const nothing: unknown[] = [
    { action: 'cancel' },
    { action: 'accept' },
    { action: 'accept', content: {} },
    { action: 'accept', content: { confirm: 'true' } },
    { action: 'accept', content: { confirm: 1 } },
    { action: 'approve', content: { confirm: true } },
    null,
    'yes',
  ]
  for (const response of nothing) assert.equal(decisionOf(response), null, JSON.stringify(response))
})

test('a state that was changed on its way is none', () => {
  const state = { task: 'task-1', calls: ['a', 'b'] }
  const text = writeState(state)
  assert.deepEqual(readState(text), state)
  const forged = Buffer.from(JSON.stringify({ task: 'task-2', calls: [] })).toString('base64url')
  for (const other of [
    '',
    '.',
    text.slice(1),
    `${text}.`,
    `${text}x`,
    forged,
    `${forged}.${text.split('.')[1]}`,
  ])
    assert.equal(readState(other), null, other)
  assert.equal(readState(writeState({ task: '../x', calls: [] })), null)
})
