import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineTool } from '../../../runtime/config/define.ts'
import { failure } from '../../../runtime/errors.ts'
import { encodeKey } from '../../../runtime/keys.ts'
import { drive } from '../../../runtime/testing/stage-driver.ts'
import type { ApprovalDecided, ToolRequested } from '../../../schemas/generated/events.ts'
import { createToolExecutorStage, keyOfCall } from '../../../services/tool-executor/stage.ts'
import { askPerson } from '../../../services/tool-executor/tools/ask-person.ts'
import { decision } from '../../support/decisions.ts'

const START = 1_750_000_000_000
const DAY = 86_400_000
const input = { type: 'object', properties: { amount: { type: 'number' } }, required: ['amount'] }
const run = () => null
const pay = { description: 'Pays.', input, run }
const tools = [
  defineTool({ ...pay, name: 'pay', requiresApproval: true }),
  defineTool({
    ...pay,
    name: 'refund',
    requiresApproval: { when: (given) => (given as { amount: number }).amount > 100 },
  }),
  defineTool({
    ...pay,
    name: 'wire',
    requiresApproval: { needed: 2, approvers: { scope: 'approvals:decide', users: ['ann', 'bo', 'cy'] } },
  }),
  defineTool({
    ...pay,
    name: 'hasty',
    requiresApproval: { expiresMs: DAY, onExpiry: 'fail', notify: ['pager'] },
  }),
  defineTool({ ...pay, name: 'brief', requiresApproval: { expiresMs: 5_000 } }),
  defineTool({ ...pay, name: 'patient', requiresApproval: { expiresMs: DAY, onExpiry: 'wait' } }),
  defineTool({ ...pay, name: 'free' }),
  defineTool({ ...pay, name: 'steady', idempotent: true }),
  defineTool({ ...pay, name: 'endless', requiresApproval: { expiresMs: null, notify: ['pager'] } }),
  askPerson({ answer: { type: 'string', enum: ['yes', 'no'] } }),
  askPerson({ name: 'ask_maybe', answer: { type: ['string', 'null'] } }),
]

const request = (change: Partial<ToolRequested> = {}): ToolRequested => ({
  ...{ taskId: 't1', callId: 'c1', tool: 'pay', arguments: { amount: 5 }, requester: 'planner', step: 2 },
  ...{
    deadlineMs: START + 60_000,
    userId: 'ann',
    cacheTtlMs: null,
    agent: 'helper',
    ask: false,
    delegation: null,
  },
  ...change,
})
const start = () => drive(createToolExecutorStage({ tools }), { now: START })
type Driver = ReturnType<typeof start>
const ask = (driver: Driver, change: Partial<ToolRequested> = {}) =>
  driver.send('tools.requested', 'ToolRequested', request(change))
const decide = (driver: Driver, change: Partial<ApprovalDecided> = {}) =>
  driver.send(
    'tasks.control',
    'ApprovalDecided',
    decision({ taskId: 't1', callId: 'c1', decidedBy: 'ann', ...change }),
  )
const kinds = (driver: Driver) => driver.all('TaskProgressed').map(({ kind }) => kind)
const keyOf = (callId: string) => encodeKey(keyOfCall('t1', callId))

for (const requester of ['planner', 'code-sandbox'] as const)
  test(`a call of ${requester} waits for days, and runs once as approved, with the time that it had left`, () => {
    const driver = start()
    driver.advance(10_000)
    ask(driver, { requester })
    assert.equal(driver.pendingCall, null)
    const held = driver.only('CallHeld')
    assert.deepEqual([held.why, held.arguments, held.heldAtMs], ['approval', { amount: 5 }, START + 10_000])
    driver.advance(3 * DAY)
    decide(driver, { reason: 'fine' })
    assert.equal(driver.only('CallReleased').outcome, 'approved')
    const call = driver.pendingCallOf(keyOf('c1'))
    assert.equal(call?.untilMs, START + 60_000 + 3 * DAY)
    assert.deepEqual((call?.request as { arguments: unknown }).arguments, { amount: 5 })
    assert.deepEqual(decide(driver), [], 'a second decision finds nothing that waits')
    driver.answer({ output: 'paid', cached: false })
    const done = driver.only('ToolCompleted')
    assert.deepEqual([done.status, done.output, done.requester], ['succeeded', 'paid', requester])
    const approval = done.approval as { outcome: string; decisions: unknown[] }
    assert.equal(approval.outcome, 'approved')
    assert.deepEqual(approval.decisions, [
      { by: 'ann', approved: true, reason: 'fine', atMs: START + 10_000 + 3 * DAY },
    ])
    assert.deepEqual(kinds(driver), ['approval_requested', 'approval_decided', 'tool_called'])
  })

test('several calls of one turn wait at once, each for its own decision', () => {
  const driver = start()
  ask(driver)
  ask(driver, { callId: 'c2' })
  decide(driver, { callId: 'c2', approved: false, reason: 'too much' })
  const { callId, status, error } = driver.only('ToolCompleted')
  assert.deepEqual([callId, status, error?.code], ['c2', 'refused', 'TOOL_DENIED'])
  assert.match(error?.message ?? '', /declined this call: too much/)
  decide(driver)
  driver.answer({ output: 1, cached: false })
  assert.equal(driver.all('ToolCompleted').length, 2)
})

test('edited arguments must fit the tool; both versions are kept', () => {
  const driver = start()
  ask(driver)
  decide(driver, { arguments: { amount: 'much' } })
  assert.equal(driver.pendingCall, null)
  const refused = driver.all('TaskProgressed').at(-1)?.detail as { outcome: string; problem: string }
  assert.equal(refused.outcome, 'not counted')
  assert.match(refused.problem, /edited arguments do not fit/)
  decide(driver, { arguments: { amount: 3 } })
  assert.deepEqual((driver.pendingCallOf(keyOf('c1'))?.request as { arguments: unknown }).arguments, {
    amount: 3,
  })
  driver.answer({ output: null, cached: false })
  const { asked, edited } = driver.only('ToolCompleted').approval as { asked: unknown; edited: unknown }
  assert.deepEqual([asked, edited], [{ amount: 5 }, { amount: 3 }])
})

test('a rule is asked once; a plain no lets the call pass, and is recorded', () => {
  const driver = start()
  ask(driver, { tool: 'refund' })
  assert.equal(driver.pendingCall?.kind, 'rule')
  driver.answer(false)
  assert.equal(driver.pendingCall?.kind, 'tool')
  driver.answer({ output: 1, cached: false })
  const { rule, outcome } = driver.only('ToolCompleted').approval as { rule: string; outcome: string }
  assert.deepEqual([rule, outcome], ['when', 'not needed'])
  assert.deepEqual(driver.all('CallHeld'), [])
})

for (const [what, answer] of [
  ['says yes', (driver: Driver) => driver.answer(true)],
  ['throws', (driver: Driver) => driver.fail('INTERNAL')],
  ['is slow', (driver: Driver) => driver.fail('CALL_TIMEOUT')],
  ['answers nonsense', (driver: Driver) => driver.answer('no')],
] as const)
  test(`a rule that ${what} needs a person`, () => {
    const driver = start()
    ask(driver, { tool: 'refund' })
    answer(driver)
    assert.equal(driver.pendingCall, null)
    assert.equal(driver.only('CallHeld').why, 'approval')
  })

test('two must agree on the same arguments, and only those who may decide count', () => {
  const driver = start()
  const scopes = ['approvals:decide']
  ask(driver, { tool: 'wire' })
  decide(driver, { decidedBy: 'eve', scopes })
  decide(driver, { decidedBy: null, scopes })
  decide(driver, { decidedBy: 'ann', scopes: ['tasks:read'] })
  decide(driver, { decidedBy: 'eve', scopes, approved: false })
  const outcomes = () =>
    driver
      .all('TaskProgressed')
      .flatMap(({ kind, detail }) =>
        kind === 'approval_decided' ? [(detail as { outcome: string }).outcome] : [],
      )
  assert.deepEqual(outcomes(), Array(4).fill('not counted'))
  decide(driver, { decidedBy: 'ann', scopes })
  decide(driver, { decidedBy: 'ann', scopes })
  decide(driver, { decidedBy: 'bo', scopes, arguments: { amount: 4 } })
  assert.equal(driver.pendingCall, null, 'one person counts once, and other arguments are another thing')
  assert.deepEqual(
    (driver.all('CallHeld').at(-1)?.votes as { by: string }[]).map(({ by }) => by),
    ['ann', 'bo'],
  )
  decide(driver, { decidedBy: 'cy', scopes, arguments: { amount: 4 } })
  assert.deepEqual((driver.pendingCallOf(keyOf('c1'))?.request as { arguments: unknown }).arguments, {
    amount: 4,
  })
})

test('nobody decided: the model is told so, and not that somebody refused', () => {
  const driver = start()
  ask(driver)
  driver.advance(7 * DAY)
  const { status, error } = driver.only('ToolCompleted')
  assert.deepEqual([status, error?.code], ['undecided', 'APPROVAL_EXPIRED'])
  assert.match(error?.message ?? '', / within 168 h\. /)
  assert.match(error?.message ?? '', /Nobody decided .*nobody refused it/)
  assert.equal(driver.only('CallReleased').failsTask, null)
  assert.deepEqual(decide(driver), [], 'it is too late')
})

test('a short limit is shown in seconds', () => {
  const driver = start()
  ask(driver, { tool: 'brief' })
  driver.advance(5_000)
  assert.match(driver.only('ToolCompleted').error?.message ?? '', / within 5 s\. /)
})

test('onExpiry: fail ends the task; wait goes on waiting and reminds; notify names channels', () => {
  const driver = start()
  ask(driver, { tool: 'hasty' })
  const { channel, notices } = driver.only('NotificationRequested')
  assert.equal(channel, 'pager')
  assert.match(JSON.stringify(notices), /A call of hasty waits for approval \(task t1, agent helper\)/)
  assert.doesNotMatch(JSON.stringify(notices), /amount/)
  ask(driver, { tool: 'patient', callId: 'c2' })
  driver.advance(DAY)
  assert.equal(driver.only('CallReleased').failsTask?.code, 'APPROVAL_EXPIRED')
  assert.equal(driver.only('ToolCompleted').callId, 'c1')
  assert.equal(kinds(driver).filter((kind) => kind === 'approval_requested').length, 3)
  driver.advance(30 * DAY)
  decide(driver, { callId: 'c2' })
  assert.ok(driver.pendingCallOf(keyOf('c2')))
})

test('arguments that do not fit are refused before anybody is asked', () => {
  const driver = start()
  ask(driver, { arguments: { amount: 'x' } })
  assert.equal(driver.only('ToolCompleted').error?.code, 'TOOL_ARGUMENTS_INVALID')
  assert.deepEqual(driver.all('CallHeld'), [])
})

test('arguments that come back as they were asked for are no edit', () => {
  const driver = start()
  ask(driver)
  decide(driver, { arguments: { amount: 5 } })
  driver.answer({ output: null, cached: false })
  const approval = driver.only('ToolCompleted').approval as object
  assert.deepEqual(['asked' in approval, 'edited' in approval], [false, false])
})

test('null is an answer where the question takes it, and none where it does not', () => {
  for (const [tool, answers] of [
    ['ask_maybe', 1],
    ['ask_person', 0],
  ] as const) {
    const driver = start()
    ask(driver, { tool, arguments: { question: 'Which?' } })
    decide(driver, { answer: null })
    const found = driver.all('ToolCompleted').map(({ status, output }) => [status, output])
    assert.deepEqual(found, answers === 1 ? [['succeeded', null]] : [])
  }
})

test('a question waits for an answer that fits its schema, and is never run', () => {
  const driver = start()
  ask(driver, { tool: 'ask_person', arguments: { question: 'Go on?' } })
  assert.equal(driver.only('CallHeld').why, 'question')
  decide(driver, { answer: 'perhaps' })
  decide(driver)
  assert.deepEqual(driver.all('ToolCompleted'), [])
  decide(driver, { answer: 'yes' })
  const { status, output } = driver.only('ToolCompleted')
  assert.deepEqual([status, output], ['succeeded', 'yes'])
  assert.equal(driver.pendingCall, null)
})

for (const asked of [{}, { tool: 'ask_person', arguments: { question: 'Go on?' } }])
  test(`who declines ${asked.tool ?? 'pay'} gives it no result, whatever else the decision says`, () => {
    const driver = start()
    ask(driver, asked)
    decide(driver, { approved: false, tookEffect: true, answer: 'made up' })
    const { status, output, error } = driver.only('ToolCompleted')
    assert.deepEqual([status, output, error?.code], ['refused', null, 'TOOL_DENIED'])
  })

test('a task that asks for every call has one held that needs no approval', () => {
  const driver = start()
  ask(driver, { tool: 'free', ask: true })
  assert.equal(driver.only('CallHeld').why, 'approval')
  decide(driver)
  assert.ok(driver.pendingCallOf(keyOf('c1')))
})

test('patterns of an MCP server are checked in linear time before a person is asked', () => {
  const [made] = tools
  assert.ok(made)
  const word = { type: 'string', pattern: '^(a+)+$' }
  const input = { type: 'object', properties: { word }, required: ['word'] }
  const spec = { ...made.spec, name: 'shop_refund', input, source: { server: 'shop', tool: 'refund' } }
  const driver = drive(createToolExecutorStage({ tools: [{ ...made, spec }] }), { now: START })
  // JavaScript's own engine tries 2^60 ways to match it.
  ask(driver, { tool: 'shop_refund', arguments: { word: `${'a'.repeat(60)}!` } })
  const { status, error } = driver.only('ToolCompleted')
  assert.deepEqual([status, error?.code], ['failed', 'TOOL_ARGUMENTS_INVALID'])
})

for (const tool of ['hasty', 'endless'])
  test(`the end of the task takes what waits with it (${tool}): who was asked learns of it; a decision does nothing`, () => {
    const driver = start()
    ask(driver, { tool })
    ask(driver, { callId: 'c2', tool: 'free' })
    driver.answer({ output: 1, cached: false }, { key: keyOf('c2') })
    driver.advance(1_000)
    driver.send('tools.requested', 'TaskClosed', { taskId: 't1', status: 'cancelled', deadlineMs: null })
    const { callId, outcome, atMs } = driver.only('CallReleased')
    assert.deepEqual([callId, outcome, atMs], ['c1', 'withdrawn', START + 1_000])
    const notices = driver.all('NotificationRequested').flatMap((each) => each.notices as { kind: string }[])
    assert.deepEqual(
      notices.map(({ kind }) => kind),
      ['approval', 'resolved'],
    )
    assert.deepEqual(kinds(driver).slice(-1), ['approval_decided'])
    assert.deepEqual(driver.all('ToolCompleted').length, 1, 'nobody is left to read a reply')
    assert.deepEqual(decide(driver), [])
    assert.deepEqual([driver.rows(keyOf('c1')), driver.timers(keyOf('c1'))], [{}, {}])
  })

test('work that is cancelled waits no more, and no other call of the task is touched', () => {
  const driver = start()
  ask(driver)
  ask(driver, { callId: 'c2' })
  const cancel = { taskId: 't1', callIds: ['c1'], reason: 'replaced', deadlineMs: START + DAY }
  driver.send('tools.requested', 'WorkCancelled', cancel)
  const { callId, status } = driver.only('ToolCompleted')
  assert.deepEqual([callId, status, driver.only('CallReleased').outcome], ['c1', 'cancelled', 'withdrawn'])
  assert.deepEqual(decide(driver), [])
  decide(driver, { callId: 'c2' })
  assert.equal(driver.pendingCallOf(keyOf('c2'))?.kind, 'tool')
})

test('a cancel wakes no call that waits for its next attempt', () => {
  const driver = start()
  ask(driver, { callId: 'c2', tool: 'steady' })
  driver.fail({ ...failure('TOOL_FAILED', 'busy'), retryable: true }, { key: keyOf('c2') })
  const { retry } = driver.timers(keyOf('c2'))
  const cancel = { taskId: 't1', callIds: ['c1'], reason: 'replaced', deadlineMs: START + DAY }
  driver.send('tools.requested', 'WorkCancelled', cancel)
  assert.deepEqual([driver.pendingCall, driver.timers(keyOf('c2'))], [null, { retry }])
})

test('a decision whose handling keeps throwing decides nothing: the call waits for another one', () => {
  const driver = start()
  ask(driver)
  const bad = decision({ taskId: 't1', callId: 'c1' })
  driver.poison('tasks.control', 'ApprovalDecided', bad, failure('HANDLER_FAILED', 'a bug'))
  assert.deepEqual(driver.all('ToolCompleted'), [])
  decide(driver)
  assert.equal(driver.pendingCallOf(keyOf('c1'))?.kind, 'tool')
})

test('a tool that needs an approval and names no terms waits for anyone who may decide', () => {
  const [made] = tools
  assert.ok(made)
  const { approval: _, ...spec } = made.spec
  const driver = drive(createToolExecutorStage({ tools: [{ ...made, spec }] }), { now: START })
  ask(driver)
  assert.equal(driver.pendingCall, null)
  assert.equal(driver.only('CallHeld').why, 'approval')
})
