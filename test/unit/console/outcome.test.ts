// What became of a decision (console/src/inbox/outcome.ts), by the history of its task.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TaskDetail } from '../../../console/src/api/client.ts'
import { outcomeAfter, outcomeIn } from '../../../console/src/inbox/outcome.ts'

type Event = TaskDetail['events'][number]

const decided = (detail: object): Event => ({
  taskId: 't',
  stage: 'tool-executor',
  kind: 'approval_decided',
  step: 1,
  atMs: 1,
  detail: { callId: 'c', approved: true, by: null, reason: null, final: true, ...detail } as Event['detail'],
})
const sent = { callId: 'c', body: { approved: true, reason: 'fine' }, by: 'ann' }
const of = (...events: Event[]) => outcomeIn({ events }, sent)

test('a decision counts once the history has it, and is late if another one was first', () => {
  assert.deepEqual(of(), { is: 'open' })
  assert.deepEqual(of(decided({ callId: 'other', by: 'ann', reason: 'fine' })), { is: 'open' })
  const ours = { by: 'ann', reason: 'fine', outcome: 'approved' }
  assert.deepEqual(of(decided(ours)), { is: 'counted', isFinal: true })
  const theirs = { by: 'ben', approved: false, outcome: 'declined' }
  assert.deepEqual(of(decided(theirs)), { is: 'late', text: 'declined by ben' })
  // The same person, in another tab: otherwise, or with other words.
  const opposite = { ...ours, approved: false, outcome: 'declined' }
  assert.deepEqual(of(decided(opposite)), { is: 'late', text: 'declined by ann' })
  assert.deepEqual(of(decided({ ...ours, reason: 'no' })), { is: 'late', text: 'approved by ann' })
  assert.deepEqual(of(decided({ ...ours, arguments: { order: 8 } })), { is: 'late', text: 'approved by ann' })
  assert.deepEqual(of(decided({ outcome: 'approved' })), { is: 'late', text: 'approved by somebody else' })
  assert.deepEqual(of(decided({ approved: null, outcome: 'expired' })), {
    is: 'late',
    text: 'it has expired',
  })
})

test('of a call that waits again, only decisions about the wait that is meant count', () => {
  const requested = (heldAtMs: number): Event => ({
    ...decided({}),
    kind: 'approval_requested',
    detail: { callId: 'c', heldAtMs } as Event['detail'],
  })
  const later = { ...sent, body: { ...sent.body, heldAtMs: 2 } }
  const theirs = decided({ by: 'ben' })
  const ours = decided({ by: 'ann', reason: 'fine' })
  const outcome = (...events: Event[]) => outcomeIn({ events }, later)
  assert.deepEqual(outcome(requested(1), theirs, requested(2)), { is: 'open' })
  assert.deepEqual(outcome(requested(1), theirs, requested(2), ours), { is: 'counted', isFinal: true })
  assert.deepEqual(outcome(requested(2), ours, requested(3), theirs), { is: 'counted', isFinal: true })
})

test('a vote counts although others must agree; one that does not count says why', () => {
  const vote = { by: 'ann', reason: 'fine', final: false, outcome: 'counted' }
  assert.deepEqual(of(decided(vote)), { is: 'counted', isFinal: false })
  const problem = 'ann is no approver'
  assert.deepEqual(of(decided({ ...vote, problem })), { is: 'refused', problem })
  assert.deepEqual(of(decided({ ...vote, by: 'ben' })), { is: 'open' })
})

test('a task that ended has no call to decide about', () => {
  const end: Event = { ...decided({}), kind: 'completed', detail: { status: 'cancelled' } }
  assert.deepEqual(of(end), { is: 'late', text: 'the task has ended' })
})

test('of a task that has ended the ledger says what became of it', () => {
  const last = { by: 'ann', approved: true, reason: 'fine' }
  const call = (more: object) => [
    { callId: 'c', status: 'approved', approval: { decisions: [last] }, ...more },
  ]
  assert.deepEqual(outcomeAfter(call({}), sent), { is: 'counted', isFinal: true })
  assert.deepEqual(outcomeAfter(call({ status: 'waiting', approval: null }), sent), { is: 'open' })
  assert.deepEqual(outcomeAfter([], sent), { is: 'open' })
  const theirs = { status: 'declined', approval: { decisions: [{ ...last, by: 'ben', approved: false }] } }
  assert.deepEqual(outcomeAfter(call(theirs), sent), { is: 'late', text: 'declined by ben' })
  const nobody = { status: 'withdrawn', approval: { decisions: [] } }
  assert.deepEqual(outcomeAfter(call(nobody), sent), { is: 'late', text: 'it was withdrawn' })
})
