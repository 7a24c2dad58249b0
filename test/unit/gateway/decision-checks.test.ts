import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DecisionChecks, refusal, type Known, type Meant } from '../../../services/gateway/decision-checks.ts'

type Events = Known['task']['events']

const event = (kind: Events[number]['kind'], detail: object | null = null) =>
  ({ taskId: 't', kind, atMs: 1, detail }) as unknown as Events[number]
const asked = (heldAtMs: number, callId = 'c') => event('approval_requested', { callId, heldAtMs })
const decided = (detail: object, callId = 'c') => event('approval_decided', { callId, ...detail })
const approved = decided({ final: true, outcome: 'approved', by: 'ann' })

const known = (
  events: Events,
  { isWhole = true, hasEnded = false, recorded = null as Known['recorded'] } = {},
): Known => ({
  task: {
    events,
    eventsWhole: isWhole,
    completedAtMs: hasEnded ? 9 : null,
    status: hasEnded ? 'succeeded' : 'running',
  },
  recorded,
})
const about = (heldAtMs?: number): Meant => ({
  ...{ taskId: 't', callId: 'c' },
  ...(heldAtMs !== undefined && { heldAtMs }),
})
const code = (meant: Meant, of: Known): string | null => refusal(meant, of)?.code ?? null

test('a call that waits takes a decision, with and without the name of the wait', () => {
  const waiting = known([asked(5), decided({ final: false, outcome: 'counted' }), asked(7, 'other')])
  assert.deepEqual([code(about(), waiting), code(about(5), waiting)], [null, null])
  assert.equal(code(about(), known([asked(5), asked(5)])), null, 'a reminder is no second wait')
})

test('a wait that has ended takes none, and the refusal says how it ended', () => {
  const ended = known([asked(5), approved])
  assert.deepEqual([code(about(), ended), code(about(5), ended)], ['CALL_NOT_WAITING', 'CALL_NOT_WAITING'])
  assert.match(refusal(about(), ended)?.message ?? '', /approved by ann/)
  const expired = known([asked(5), decided({ final: true, outcome: 'expired', by: null })])
  assert.match(refusal(about(), expired)?.message ?? '', /no longer waits: expired$/)
  assert.equal(code(about(), known([asked(5), event('completed')])), 'CALL_NOT_WAITING')
})

test('a call that waits again takes decisions about that wait only', () => {
  const again = known([asked(5), approved, asked(8)])
  assert.deepEqual(
    [code(about(8), again), code(about(5), again), code(about(), again)],
    [null, 'CALL_NOT_WAITING', 'CALL_NOT_WAITING'],
  )
})

test('a later wait than any that is seen may be there: the history lags, or the ledger does', () => {
  assert.equal(code(about(9), known([asked(5), approved])), null)
  assert.equal(code(about(9), known([], { recorded: { status: 'approved', heldAtMs: 5 } })), null)
  assert.equal(code(about(9), known([], { recorded: { status: 'waiting', heldAtMs: 9 } })), null)
  const lagging = known([asked(5), approved, asked(8)], { recorded: { status: 'approved', heldAtMs: 5 } })
  assert.equal(code(about(8), lagging), null)
})

test('what only the ledger knows counts: the wait has ended, or is a later one', () => {
  const gone = known([], { isWhole: false, recorded: { status: 'expired', heldAtMs: 5 } })
  assert.equal(code(about(5), gone), 'CALL_NOT_WAITING')
  const ended = known([asked(5)], { recorded: { status: 'declined', heldAtMs: 5 } })
  assert.equal(code(about(5), ended), 'CALL_NOT_WAITING')
  const over = known([], { hasEnded: true, recorded: { status: 'waiting', heldAtMs: 5 } })
  assert.match(refusal(about(5), over)?.message ?? '', /its task has ended/)
})

test('a call is unknown if all of the history lacks it, and not if the history reaches further back', () => {
  assert.equal(code(about(), known([asked(5, 'other')])), 'CALL_UNKNOWN')
  assert.equal(code(about(), known([], { isWhole: false })), null)
  assert.match(refusal(about(), known([], { hasEnded: true }))?.message ?? '', /has ended \(succeeded\)/)
})

test('an unknown call is looked for once more; what can’t be found out is taken', async () => {
  let looks = 0
  const checks = new DecisionChecks({
    task: async () => (looks++ === 0 ? known([]) : known([asked(5)])).task,
    recorded: async () => null,
  })
  await checks.assert(about(5))
  assert.equal(looks, 2)
  const away = new DecisionChecks({
    task: () => Promise.reject(new Error('away')),
    recorded: async () => null,
  })
  await away.assert(about(5))
  const never = new DecisionChecks({ task: async () => known([]).task, recorded: async () => null })
  await assert.rejects(never.assert(about(5)), { code: 'CALL_UNKNOWN' })
})
