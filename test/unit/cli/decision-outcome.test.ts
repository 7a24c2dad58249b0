import assert from 'node:assert/strict'
import { test } from 'node:test'
import { saidOf } from '../../../cli/fleet/decision-outcome.ts'
import type { TaskProgressed } from '../../../schemas/generated/events.ts'

const event = (kind: TaskProgressed['kind'], detail: object): TaskProgressed => ({
  taskId: 't',
  kind,
  step: 1,
  atMs: 0,
  stage: 'tool-executor',
  detail: { callId: 'c', ...detail },
})
const requested = event('approval_requested', { heldAtMs: 1 })
const decided = (detail: object) =>
  event('approval_decided', { approved: true, reason: null, by: 'ann', final: false, ...detail })
const input = { taskId: 't', callId: 'c', heldAtMs: 1, approved: true }

test('nothing is said before a stage has read it, nor if it ends the wait', () => {
  assert.equal(saidOf([requested], input, 0), null)
  assert.equal(saidOf([requested, decided({ final: true, outcome: 'approved' })], input, 0), '')
})

test('others that must agree are said', () => {
  assert.equal(
    saidOf([requested, decided({ outcome: 'counted', missing: 2 })], input, 0),
    '; more people must agree: 2',
  )
})

test('one that does not count is refused with the reason, and not taken for the next one', () => {
  const events = [requested, decided({ outcome: 'not counted', problem: 'only bo may decide' })]
  const refused = { code: 'REQUEST_INVALID', message: /call c still waits: only bo may decide/ }
  assert.throws(() => saidOf(events, input, 0), refused)
  assert.equal(saidOf(events, input, 1), null)
  assert.equal(saidOf([...events, decided({ final: true, by: 'bo' })], input, 1), '')
})

test('somebody else was first', () => {
  const first = decided({ final: true, approved: false, outcome: 'declined', by: 'bo' })
  const late = { code: 'CALL_NOT_WAITING', message: 'call c no longer waits: it was declined by bo' }
  assert.throws(() => saidOf([requested, first], input, 0), late)
  assert.throws(() => saidOf([requested, first, decided({ problem: 'it is over' })], input, 0), late)
})

test('two that must agree at once: it is approved for both', () => {
  const counted = decided({ outcome: 'counted', missing: 1 })
  const ended = { final: true, outcome: 'approved', by: 'bo' }
  assert.equal(saidOf([requested, counted, decided(ended)], input, 0), '')
  const withReason = { ...input, reason: 'why not' }
  assert.equal(saidOf([requested, counted, decided({ ...ended, reason: 'why not' })], withReason, 0), '')
  assert.equal(saidOf([requested, counted, decided({ ...ended, reason: 'why not' })], input, 0), '')
})

test('an agreement to other arguments than those that ended the wait has come to nothing', () => {
  const counted = decided({ outcome: 'counted', missing: 1, arguments: { amount: 6 } })
  const edited = { ...input, arguments: { amount: 6 } }
  for (const ended of [{ arguments: { amount: 7 } }, {}, { approved: false, outcome: 'declined' }]) {
    const final = decided({ final: true, outcome: 'approved', by: 'bo', ...ended })
    assert.throws(() => saidOf([requested, counted, final], edited, 0), { code: 'CALL_NOT_WAITING' })
  }
})

test('decisions about another wait of the call, and of another call, are none about this one', () => {
  const another = event('approval_decided', { callId: 'd', approved: true, final: true })
  const events = [event('approval_requested', { heldAtMs: 0 }), decided({ final: true }), requested, another]
  assert.equal(saidOf(events, input, 0), null)
})
