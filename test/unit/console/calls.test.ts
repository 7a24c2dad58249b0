import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordedCall, saidBefore, waitingCalls, waitKey } from '../../../console/src/inbox/calls.ts'
import { bodyOf } from '../../../console/src/inbox/draft.ts'
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
  event('approval_requested', { callId, tool: 'refund', arguments: { order: 7 }, needed: 2 }, step)
const decided = (callId: string, detail: object) => event('approval_decided', { callId, ...detail } as never)
const idsOf = (events: Event[]) => waitingCalls({ events }).map(({ callId }) => callId)

test('calls wait until they are decided, or their step is over', () => {
  assert.deepEqual(idsOf([waits('a'), waits('b')]), ['a', 'b'])
  assert.deepEqual(idsOf([waits('a'), waits('b'), decided('a', { final: true })]), ['b'])
  assert.deepEqual(idsOf([waits('a'), decided('other', { final: true })]), ['a'])
  assert.deepEqual(idsOf([waits('a'), event('step_completed', {}), waits('c', 2)]), ['c'])
  assert.deepEqual(idsOf([waits('a'), event('completed', {})]), [])
  assert.deepEqual(waitingCalls({ events: [waits('a')] })[0]?.arguments, { order: 7 })
})

test('a call of the ledger is shown as one of the history is', () => {
  const recorded = {
    ...{ callId: 'a', tool: 'refund', why: 'approval', arguments: { order: 7 }, step: 1, heldAtMs: 1 },
    ...{
      terms: { needed: 2, answer: null },
      votes: [{ by: 'ann', arguments: null }],
      agreed: 1,
      expiresAtMs: null,
    },
  }
  const events = [waits('a'), decided('a', { final: false, by: 'ann', missing: 1 })]
  assert.deepEqual(recordedCall(recorded), { ...waitingCalls({ events })[0], heldAtMs: 1, decisions: 0 })
  const hostile = { ...recorded, why: 'other', terms: null, votes: 'none' }
  assert.deepEqual(
    [recordedCall(hostile).why, recordedCall(hostile).needed, recordedCall(hostile).agreed],
    ['approval', 1, []],
  )
})

test('votes that count so far are shown, and why one did not', () => {
  const [call] = waitingCalls({
    events: [
      waits('a'),
      decided('a', { final: false, by: 'ann', missing: 1 }),
      decided('a', { final: false, problem: 'no' }),
    ],
  })
  assert.deepEqual(call?.agreed, [{ by: 'ann', arguments: null }])
  assert.deepEqual([call?.needed, call?.missing, call?.problem, call?.decisions], [2, 1, 'no', 2])
})

test('a call that waits once more is another wait, without the votes of the first', () => {
  const at = (heldAtMs: number) =>
    event('approval_requested', { callId: 'a', tool: 'refund', needed: 2, heldAtMs })
  const events = [
    at(1),
    decided('a', { final: false, by: 'ann', missing: 1 }),
    decided('a', { final: true }),
    at(9),
  ]
  const [again, ...more] = waitingCalls({ events })
  assert.ok(again)
  assert.deepEqual([waitKey(again), again.missing, again.agreed, more], ['a 9', 2, [], []])
})

test('a decision is sent with what was typed', () => {
  const draft = { reason: ' fine ', name: 'Ann', edited: '{"order":8}', answer: '' }
  const chosen = { approved: true, tookEffect: undefined, isOpen: true }
  const approval = { why: 'approval', answer: null, heldAtMs: 7 } as const
  assert.deepEqual(bodyOf(approval, draft, chosen), {
    body: { approved: true, heldAtMs: 7, reason: 'fine', decidedBy: 'Ann', arguments: { order: 8 } },
  })
  assert.match(JSON.stringify(bodyOf(approval, { ...draft, edited: '{' }, chosen)), /not JSON/)
  const question = { why: 'question', answer: { type: 'string' }, heldAtMs: null } as const
  assert.match(JSON.stringify(bodyOf(question, draft, chosen)), /Write an answer/)
  const { body } = bodyOf(question, { ...draft, answer: '42' }, { ...chosen, isOpen: false }) as {
    body: object
  }
  assert.deepEqual(body, { approved: true, reason: 'fine', answer: '42' })
})

test('other waits, and details of any shape, are no calls', () => {
  const odd = [event('waiting', { for: 'limit' }), event('waiting', null), event('approval_requested', {})]
  assert.deepEqual(idsOf(odd), [])
  assert.deepEqual(
    saidBefore({ events: [event('model_called', null), event('model_called', { text: 7 })] }),
    [],
  )
  assert.deepEqual(saidBefore({ events: [event('model_called', { text: ' I look. ' }, 3)] }), [
    { step: 3, text: 'I look.' },
  ])
})
