// Long because every rule of the stage is shown on one driver and one set of events.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CodeRequested } from '../../../schemas/generated/events.ts'
import { keptOutcomes, type RecordedCall } from '../../../runtime/task/recording.ts'
import type { Json } from '../../../runtime/stage.ts'
import type { StageDriver } from '../../../runtime/testing/stage-driver.ts'
import { createCodeSandboxStage } from '../../../services/code-sandbox/stage.ts'

import { NOW, fleet, driver, request, reply, paused, done, pending, kinds } from './stage-events.ts'

test('a step without tool calls answers with its value, usage and history', () => {
  const d = driver()
  d.send('code.requested', 'CodeRequested', request(1))
  assert.equal(d.pendingCall?.target, 'wasm')
  assert.equal(d.pendingCall?.idempotent, true)
  assert.deepEqual(pending(d).session, { id: 't', log: [] })
  assert.equal(pending(d).step?.code, 'x = 1')
  assert.deepEqual(
    pending(d).tools.map((tool) => tool.name),
    ['search'],
  )
  d.now += 50
  d.answer(done())
  const reply = d.only('CodeCompleted')
  assert.deepEqual(
    [reply.status, reply.output, reply.prints, reply.error, reply.durationMs, reply.toolCalls],
    ['finished', 42, 'printed\n', null, 50, []],
  )
  const usage = d.only('UsageRecorded')
  assert.deepEqual([usage.kind, usage.durationMs, usage.succeeded, usage.callId], ['code', 9, true, 't.1'])
  assert.equal(d.only('TaskProgressed').kind, 'code_run')
})

test('a tool call pauses the step, and its reply resumes it with the journalled log', () => {
  const d = driver()
  d.send('code.requested', 'CodeRequested', request(1))
  d.answer(paused(0))
  const asked = d.only('ToolRequested')
  assert.deepEqual(asked, {
    taskId: 't',
    callId: 't.1.0',
    tool: 'search',
    arguments: { query: 'q0' },
    requester: 'code-sandbox',
    step: 1,
    deadlineMs: NOW + 600_000,
    userId: 'u',
    cacheTtlMs: 7,
    agent: 'finder',
    delegation: null,
    ask: false,
  })
  assert.equal(d.pendingCall, null)
  d.send('tools.completed', 'ToolCompleted', reply('t.1.0'))
  assert.equal(pending(d).step, null)
  assert.deepEqual(kinds(d), ['step0', 'call0'])
  assert.deepEqual(
    pending(d).results.map((result) => [result.seq, result.value]),
    [[0, 'result of t.1.0']],
  )
  d.answer(paused(1))
  d.send('tools.completed', 'ToolCompleted', reply('t.1.1', { cached: true }))
  assert.deepEqual(kinds(d), ['step0', 'call0', 'result0', 'call0'])
  d.answer(done())
  assert.deepEqual(d.only('CodeCompleted').toolCalls, [
    {
      callId: 't.1.0',
      tool: 'search',
      arguments: { query: 'q0' },
      status: 'succeeded',
      durationMs: 12,
      cached: false,
    },
    {
      callId: 't.1.1',
      tool: 'search',
      arguments: { query: 'q1' },
      status: 'succeeded',
      durationMs: 12,
      cached: true,
    },
  ])
})

test('calls made together resume the step when the last of them is answered, in any order', () => {
  const d = driver()
  d.send('code.requested', 'CodeRequested', request(1))
  d.answer(paused(0, 1, 2))
  assert.equal(d.all('ToolRequested').length, 3)
  d.send('tools.completed', 'ToolCompleted', reply('t.1.2'))
  d.send('tools.completed', 'ToolCompleted', reply('t.1.0'))
  assert.equal(d.pendingCall, null)
  d.send('tools.completed', 'ToolCompleted', reply('t.1.0', { output: 'a second answer' }))
  assert.equal(d.pendingCall, null)
  d.send('tools.completed', 'ToolCompleted', reply('t.1.1'))
  assert.deepEqual(
    pending(d).results.map((result) => result.value),
    ['result of t.1.0', 'result of t.1.1', 'result of t.1.2'],
  )
})

test('a failed tool becomes an error that Python can catch', () => {
  const d = driver()
  const error = {
    code: 'TOOL_TIMEOUT',
    severity: 'recoverable',
    retryable: true,
    message: 'too slow',
    retryAfterMs: null,
  } as const
  d.send('code.requested', 'CodeRequested', request(1))
  d.answer(paused(0, 1))
  d.send('tools.completed', 'ToolCompleted', reply('t.1.0', { status: 'failed', output: null, error }))
  d.send('tools.completed', 'ToolCompleted', reply('t.1.1', { status: 'unknown', output: null }))
  assert.deepEqual(
    pending(d).results.map((result) => [result.ok, result.error?.code]),
    [
      [false, 'TOOL_TIMEOUT'],
      [false, 'CALL_OUTCOME_UNKNOWN'],
    ],
  )
})

test('the session goes on over the steps of a task', () => {
  const d = driver()
  d.send('code.requested', 'CodeRequested', request(1))
  d.answer(done())
  d.send('code.requested', 'CodeRequested', request(2))
  assert.deepEqual(kinds(d), ['step0', 'done0'])
  assert.equal(pending(d).step?.n, 1)
})

test('a step that was killed leaves nothing in the log', () => {
  const d = driver()
  d.send('code.requested', 'CodeRequested', request(1))
  d.answer(done())
  d.send('code.requested', 'CodeRequested', request(2))
  d.answer(paused(0))
  d.send('tools.completed', 'ToolCompleted', reply('t.2.0'))
  const error = {
    code: 'CODE_TIMEOUT',
    class: 'TimeoutError',
    message: 'm',
    traceback: 'TimeoutError: m\n',
  } as const
  d.answer(done({ lost: 'step', value: null, error }))
  const last = d.all('CodeCompleted').at(-1)
  assert.deepEqual(
    [last?.status, last?.error?.code, last?.error?.message],
    ['failed', 'CODE_TIMEOUT', 'TimeoutError: m'],
  )
  assert.deepEqual(Object.keys(d.rows('t')).toSorted(), ['log:0', 'session'])
  d.send('code.requested', 'CodeRequested', request(3))
  assert.deepEqual(kinds(d), ['step0', 'done0'])
  assert.equal(pending(d).step?.n, 2)
})

test('a session that could not be rebuilt begins again with an empty log', () => {
  const d = driver()
  d.send('code.requested', 'CodeRequested', request(1))
  d.answer(done())
  d.send('code.requested', 'CodeRequested', request(2))
  const error = { code: 'NONDETERMINISM', class: 'RuntimeError', message: 'm', traceback: 'm' } as const
  d.answer(done({ lost: 'session', error }))
  assert.equal(d.all('CodeCompleted').at(-1)?.error?.code, 'NONDETERMINISM')
  d.send('code.requested', 'CodeRequested', request(3))
  assert.deepEqual(kinds(d), [])
})

for (const [what, fill] of [
  ['has computed for too long to be rebuilt', (d: StageDriver) => d.answer(done({ computeMs: 900_001 }))],
  [
    'keeps too many characters',
    (d: StageDriver) => {
      d.answer(done())
      d.send('code.requested', 'CodeRequested', request(2, `x = "${'y'.repeat(16_000_000)}"`))
      d.answer(done())
    },
  ],
] as const)
  test(`a session that ${what} is ended, and the next step has a fresh one`, () => {
    const d = driver()
    d.send('code.requested', 'CodeRequested', request(1))
    fill(d)
    d.send('code.requested', 'CodeRequested', request(8))
    assert.equal(d.pendingCall?.kind, 'discard')
    d.answer(null)
    const ended = d.all('CodeCompleted').at(-1)
    assert.deepEqual([ended?.requestId, ended?.status, ended?.error?.code], ['t.8', 'failed', 'CODE_LIMIT'])
    assert.match(String(ended?.error?.message), /This step was not run and all variables are gone/)
    assert.deepEqual(Object.keys(d.rows('t')), ['session'])
    d.send('code.requested', 'CodeRequested', request(9))
    assert.deepEqual(kinds(d), [])
    assert.equal(pending(d).step?.code, 'x = 9')
  })

test('an executor that is away is tried again, then the step fails', () => {
  const d = driver()
  d.send('code.requested', 'CodeRequested', request(1))
  for (let attempt = 1; attempt < 6; attempt++) {
    d.fail('SANDBOX_UNAVAILABLE')
    assert.equal(d.pendingCall, null)
    d.advance(60_000)
    assert.equal(pending(d).step?.n, 0, `attempt ${attempt}`)
  }
  d.fail('SANDBOX_UNAVAILABLE')
  assert.equal(d.only('CodeCompleted').error?.code, 'SANDBOX_UNAVAILABLE')
  assert.deepEqual(d.timers('t'), {})
})

test('an executor lost during resume is resumed again with the same results', () => {
  const d = driver()
  d.send('code.requested', 'CodeRequested', request(1))
  d.answer(paused(0))
  d.send('tools.completed', 'ToolCompleted', reply('t.1.0'))
  const before = structuredClone(pending(d))
  d.fail('SANDBOX_UNAVAILABLE')
  d.advance(60_000)
  assert.deepEqual(pending(d), before)
})

test('an executor that is unknown fails the step at once', () => {
  const d = driver()
  d.send('code.requested', 'CodeRequested', request(1))
  d.fail('EXECUTOR_NOT_CONFIGURED')
  assert.equal(d.only('CodeCompleted').error?.code, 'EXECUTOR_NOT_CONFIGURED')
})

test('cancelling stops the step at work and the tool calls it waits for', () => {
  const d = driver()
  d.send('code.requested', 'CodeRequested', request(1))
  d.answer(paused(0, 1))
  d.send('tools.completed', 'ToolCompleted', reply('t.1.0'))
  d.send('code.requested', 'WorkCancelled', { taskId: 't', callIds: [], reason: 'user', deadlineMs: null })
  assert.equal(d.pendingCall?.kind, 'discard')
  d.answer(null)
  assert.deepEqual(d.only('WorkCancelled').callIds, ['t.1.1'])
  assert.equal(d.only('CodeCompleted').status, 'cancelled')
  d.send('tools.completed', 'ToolCompleted', reply('t.1.1'))
  assert.equal(d.pendingCall, null)
})

test('cancelling while the code computes aborts it', () => {
  const d = driver()
  d.send('code.requested', 'CodeRequested', request(1))
  d.send('code.requested', 'WorkCancelled', {
    taskId: 't',
    callIds: ['t.1'],
    reason: 'user',
    deadlineMs: null,
  })
  d.answer(null)
  assert.equal(d.only('CodeCompleted').error?.code, 'CALL_ABORTED')
  assert.deepEqual(d.timers('t'), {})
})

test('a cancel meant for another request does not end the step that it interrupted', () => {
  const d = driver()
  d.send('code.requested', 'CodeRequested', request(1))
  d.send('code.requested', 'WorkCancelled', {
    taskId: 't',
    callIds: ['t.0'],
    reason: 'late',
    deadlineMs: null,
  })
  assert.equal(pending(d).step?.n, 0)
  d.answer(done())
  assert.equal(d.only('CodeCompleted').status, 'finished')
})

test('closing the task deletes every row and discards the session; later events are nothing', () => {
  const d = driver()
  d.send('code.requested', 'CodeRequested', request(1))
  d.answer(paused(0))
  d.send('code.requested', 'TaskClosed', { taskId: 't', status: 'succeeded', deadlineMs: null })
  assert.deepEqual([d.pendingCall?.kind, d.pendingCall?.journalled], ['discard', false])
  d.answer(null)
  assert.deepEqual(d.rows('t'), {})
  d.send('tools.completed', 'ToolCompleted', reply('t.1.0'))
  d.send('code.requested', 'TaskClosed', { taskId: 't', status: 'succeeded', deadlineMs: null })
  assert.equal(d.pendingCall, null)
  assert.deepEqual(d.all('CodeCompleted'), [])
})

test('nothing starts after TaskClosed, until the deadline of the task: a step that comes late is not run', () => {
  const d = driver()
  const { deadlineMs } = request(1)
  d.send('code.requested', 'TaskClosed', { taskId: 't', status: 'cancelled', deadlineMs })
  d.send('code.requested', 'CodeRequested', request(1))
  assert.equal(d.pendingCall, null)
  assert.equal(d.only('CodeCompleted').error?.code, 'CALL_ABORTED')
  assert.equal(d.timers('t')['forget'], deadlineMs + 600_000)
  d.advance(deadlineMs + 600_000 - d.now)
  assert.deepEqual([d.rows('t'), d.timers('t')], [{}, {}])
})

test('a later step replaces one that is still at work', () => {
  const d = driver()
  d.send('code.requested', 'CodeRequested', request(1))
  d.answer(paused(0))
  d.send('code.requested', 'CodeRequested', request(2))
  assert.deepEqual(kinds(d), [])
  d.answer(done())
  assert.deepEqual(
    d.all('CodeCompleted').map((reply) => [reply.requestId, reply.status]),
    [
      ['t.1', 'cancelled'],
      ['t.2', 'finished'],
    ],
  )
})

const bug = {
  code: 'HANDLER_FAILED',
  severity: 'degraded',
  retryable: false,
  message: 'bug',
  retryAfterMs: null,
} as const

test('a task’s end that was given up ends its session all the same', () => {
  const d = driver()
  d.send('code.requested', 'CodeRequested', request(1))
  d.answer(paused(0))
  const end = { taskId: 't', status: 'cancelled', deadlineMs: null }
  d.poison('code.requested', 'TaskClosed', end, { ...bug, code: 'PROCESS_DIED' })
  assert.deepEqual(d.rows('t'), { closed: { status: 'cancelled' } })
  assert.deepEqual(Object.keys(d.timers('t')), ['forget'])
})

test('a poisoned request is answered with its failure', () => {
  const d = driver()
  d.poison('code.requested', 'CodeRequested', request(1), bug)
  assert.deepEqual([d.only('CodeCompleted').status, d.only('CodeCompleted').error], ['failed', bug])
})

test('a poisoned reply of a tool ends the step that waits for it', () => {
  const d = driver()
  d.send('code.requested', 'CodeRequested', request(1))
  d.answer(paused(0))
  d.poison('tools.completed', 'ToolCompleted', reply('t.1.0'), bug)
  assert.deepEqual([d.only('CodeCompleted').status, d.only('CodeCompleted').error], ['failed', bug])
  assert.deepEqual(Object.keys(d.rows('t')), ['session'])
})

test('results beyond what a session may hold are refused', () => {
  const d = driver()
  d.send('code.requested', 'CodeRequested', request(1))
  d.answer(paused(0))
  d.send('tools.completed', 'ToolCompleted', reply('t.1.0', { output: 'x'.repeat(16_000_001) }))
  assert.equal(pending(d).results[0]?.error?.code, 'CODE_LIMIT')
})

test('replies for other stages are skipped by their header', () => {
  const accepts = createCodeSandboxStage(fleet).consumes.find((s) => s.topic === 'tools.completed')?.accepts
  assert.equal(accepts?.({ 'flotilla-requester': 'code-sandbox' }), true)
  assert.equal(accepts?.({ 'flotilla-requester': 'planner' }), false)
})

const recorded = (query: string, output: string, more: Partial<RecordedCall> = {}): RecordedCall => ({
  tool: 'search',
  arguments: { query },
  status: 'succeeded',
  output,
  ...more,
})
const withPolicy = (
  step: number,
  toolPolicy: CodeRequested['toolPolicy'],
  recording: Record<string, unknown> | null = null,
): CodeRequested => ({
  ...request(step),
  tools: [],
  policyTools: ['search'],
  toolPolicy,
  recording: recording as Json,
})
const resultsOf = (d: StageDriver) =>
  pending(d).results.map(({ ok, value, error, nowMs }) => [ok ? value : (error?.code ?? null), nowMs])

test('recorded outcomes answer the calls of the code, and the step goes on without a tool', () => {
  const d = driver()
  const outcomes = keptOutcomes({ outcomes: [recorded('q0', 'zero'), recorded('q0', 'again')] })
  d.send('code.requested', 'CodeRequested', withPolicy(1, 'recorded', { outcomes }))
  assert.deepEqual(
    pending(d).tools.map(({ name }) => name),
    ['search'],
  )
  d.answer(paused(0, 1))
  assert.deepEqual(resultsOf(d), [
    ['zero', d.now],
    ['TOOL_NOT_RECORDED', d.now],
  ])
  d.answer(done())
  assert.equal(d.all('ToolRequested').length, 0)
  const { toolCalls } = d.only('CodeCompleted')
  assert.deepEqual(
    (toolCalls as { status: string; recorded?: boolean; error?: { code: string } }[]).map(
      ({ status, recorded, error }) => [status, recorded, error?.code],
    ),
    [
      ['succeeded', true, undefined],
      ['refused', undefined, 'TOOL_NOT_RECORDED'],
    ],
  )
  d.send('code.requested', 'CodeRequested', withPolicy(2, 'recorded'))
  d.answer(paused(0))
  assert.deepEqual(resultsOf(d), [['again', d.now]], 'the outcomes of the first request last, each once')
  d.answer(done())
  d.send('code.requested', 'CodeRequested', withPolicy(3, 'refuse'))
  d.answer(paused(0))
  assert.deepEqual(resultsOf(d), [['TOOL_NOT_RECORDED', d.now]])
  assert.equal(d.all('ToolRequested').length, 0)
})

test('a repeated step has its recorded seed and clock', () => {
  const d = driver()
  const outcomes = keptOutcomes({ outcomes: [recorded('q0', 'zero', { atMs: 77 })] })
  d.send(
    'code.requested',
    'CodeRequested',
    withPolicy(1, 'recorded', { step: { seed: 's', atMs: 70 }, outcomes }),
  )
  assert.deepEqual([pending(d).step?.seed, pending(d).step?.nowMs], ['s', 70])
  d.answer(paused(0))
  assert.deepEqual(resultsOf(d), [['zero', 77]])
})

test('a fork that is live behind its repeated steps calls its tools', () => {
  const d = driver()
  d.send('code.requested', 'CodeRequested', { ...request(1), toolPolicy: 'live' })
  d.answer(paused(0))
  assert.equal(d.only('ToolRequested').callId, 't.1.0')
})
