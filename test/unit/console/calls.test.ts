import assert from 'node:assert/strict'
import { test } from 'node:test'
import { saidBefore, waitingCalls } from '../../../console/src/inbox/calls.ts'
import type { TaskDetail } from '../../../console/src/api/client.ts'

type Event = TaskDetail['events'][number]

const event = (kind: Event['kind'], detail: Event['detail'], step = 1): Event => ({
  taskId: 't',
  stage: 'planner',
  kind,
  step,
  atMs: step,
  detail,
})
const waits = (callId: string, step = 1) =>
  event('waiting', { for: 'approval', callId, tool: 'refund', arguments: { order: 7 } }, step)
const idsOf = (events: Event[]) => waitingCalls({ events }).map(({ callId }) => callId)

test('calls wait until they are requested, or their step is over', () => {
  assert.deepEqual(idsOf([waits('a'), waits('b')]), ['a', 'b'])
  assert.deepEqual(idsOf([waits('a'), waits('b'), event('tool_requested', { callId: 'a' })]), ['b'])
  assert.deepEqual(idsOf([waits('a'), event('tool_requested', { callId: 'other' })]), ['a'])
  assert.deepEqual(idsOf([waits('a'), event('step_completed', {}), waits('c', 2)]), ['c'])
  assert.deepEqual(idsOf([waits('a'), event('completed', {})]), [])
  assert.deepEqual(waitingCalls({ events: [waits('a')] })[0]?.arguments, { order: 7 })
})

test('other waits, and details of any shape, are no calls', () => {
  const odd = [
    event('waiting', { for: 'limit' }),
    event('waiting', null),
    event('waiting', { for: 'approval' }),
  ]
  assert.deepEqual(idsOf(odd), [])
  assert.deepEqual(
    saidBefore({ events: [event('model_called', null), event('model_called', { text: 7 })] }),
    [],
  )
  assert.deepEqual(saidBefore({ events: [event('model_called', { text: ' I look. ' }, 3)] }), [
    { step: 3, text: 'I look.' },
  ])
})
