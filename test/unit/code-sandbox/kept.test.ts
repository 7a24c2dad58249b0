// Python of earlier turns of a session: it stands before the task's own, and each step says what runs it again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure } from '../../../runtime/errors.ts'
import type { KeptStep, StepReport } from '../../../runtime/python/kept-variables.ts'
import type { Json } from '../../../runtime/stage.ts'
import type { StageDriver } from '../../../runtime/testing/stage-driver.ts'
import type { CodeRequested } from '../../../schemas/generated/events.ts'
import { done, driver, kinds, NOW, paused, pending, reply, request } from './stage-events.ts'

const result = { ok: true, value: 'found', error: null, nowMs: 1 } as const
const earlier: KeptStep[] = [
  {
    n: 0,
    code: 'x = search("q")',
    nowMs: 1,
    seed: 's0',
    calls: [{ name: 'search', argsHash: 'h', ...result }],
    outputHash: 'o0',
    computeMs: 3,
  },
  { n: 2, code: 'y = 1', nowMs: 2, seed: 's2', calls: [], outputHash: 'o2', computeMs: 4 },
]

const ask = (d: StageDriver, step: number, changes: Partial<CodeRequested> = {}) =>
  d.send('code.requested', 'CodeRequested', { ...request(step), keepLog: true, ...changes })
const begin = (d: StageDriver) => ask(d, 1, { prior: earlier as unknown as Json })
const reports = (d: StageDriver) =>
  d.all('CodeCompleted').map(({ kept }) => kept as unknown as StepReport | null)
const failed = (code: 'NONDETERMINISM' | 'CODE_MEMORY') =>
  done({
    lost: 'session',
    error: { code, class: 'RuntimeError', message: `lost (step 0 ran another way)`, traceback: code },
  })

test('the steps of earlier turns stand before the first one, with their results; no tool is asked', () => {
  const d = driver()
  begin(d)
  assert.deepEqual(kinds(d), ['step0', 'call0', 'result0', 'done0', 'step2', 'done2'])
  assert.deepEqual(pending(d).session.log[1], { kind: 'call', n: 0, seq: 0, name: 'search', argsHash: 'h' })
  assert.deepEqual(pending(d).session.log[2], { kind: 'result', n: 0, seq: 0, ...result })
  assert.equal(pending(d).step?.n, 3)
  d.answer(paused(0))
  d.send('tools.completed', 'ToolCompleted', reply('t.1.0'))
  assert.equal(kinds(d).at(-1), 'call3')
  d.answer(done())
  assert.deepEqual(
    d.all('ToolRequested').map(({ callId }) => callId),
    ['t.1.0'],
  )
  const value = 'result of t.1.0'
  const calls = [{ name: 'search', argsHash: 'h0', ok: true, value, error: null, nowMs: NOW }]
  const rest = { nowMs: NOW, seed: pending0(d), outputHash: 'out', computeMs: 9 }
  assert.deepEqual(reports(d), [{ after: 2, step: { n: 3, code: 'x = 1', calls, ...rest } }])
  ask(d, 2)
  assert.deepEqual(kinds(d).slice(-4), ['step3', 'call3', 'result3', 'done3'])
  d.answer(done({ lost: 'step' }))
  assert.deepEqual(reports(d)[1], { after: 3, step: null })
  d.send('code.requested', 'TaskClosed', { taskId: 't', status: 'succeeded', deadlineMs: NOW })
  d.answer(null)
  assert.deepEqual(d.rows('t'), {})
})

const pending0 = (d: StageDriver): string =>
  (d.rows('t')['log:3'] as { step: { seed: string } } | undefined)?.step.seed ?? ''

test('a step that nobody keeps says nothing', () => {
  const d = driver()
  ask(d, 1, { keepLog: false })
  d.answer(done())
  assert.deepEqual(reports(d), [null])
})

test('what does not come out as before is dropped, and the first step runs without it', () => {
  const d = driver()
  begin(d)
  d.answer(failed('NONDETERMINISM'))
  assert.deepEqual([kinds(d), pending(d).step?.n, d.all('CodeCompleted')], [[], 3, []])
  d.answer(done())
  assert.match(d.only('CodeCompleted').prints, /variables of earlier messages are gone.*\nprinted\n$/s)
  assert.deepEqual([reports(d)[0]?.after, reports(d)[0]?.step?.n], [null, 3])
  ask(d, 2)
  d.answer(failed('NONDETERMINISM'))
  assert.equal(d.all('CodeCompleted').at(-1)?.error?.code, 'NONDETERMINISM', 'its own steps fail as ever')
  assert.deepEqual(reports(d)[1], { after: null, step: null })
})

test('a step that has called a tool does not run twice', () => {
  const d = driver()
  begin(d)
  d.answer(paused(0))
  d.send('tools.completed', 'ToolCompleted', reply('t.1.0'))
  d.answer(failed('NONDETERMINISM'))
  assert.equal(d.only('CodeCompleted').error?.code, 'NONDETERMINISM')
  assert.deepEqual(reports(d), [{ after: null, step: null }])
  ask(d, 2)
  assert.deepEqual(kinds(d), [])
})

test('a session that was reset, or in which nothing runs any more, is without those of earlier turns', () => {
  const d = driver()
  begin(d)
  d.answer(failed('CODE_MEMORY'))
  assert.deepEqual(reports(d), [{ after: null, step: null }])
  ask(d, 2)
  assert.deepEqual(kinds(d), [])
})

test('earlier turns count in the limits of the session', () => {
  const d = driver()
  const slow = earlier.map((step) => ({ ...step, computeMs: 500_000 }))
  ask(d, 1, { prior: slow as unknown as Json })
  d.answer(done())
  ask(d, 2)
  d.answer(null)
  assert.equal(d.all('CodeCompleted').at(-1)?.error?.code, 'CODE_LIMIT')
  assert.deepEqual(reports(d).at(-1), { after: null, step: null })
})

test('a step that was given up reports what is still defined', () => {
  const d = driver()
  begin(d)
  d.answer(done())
  const error = failure('PAYLOAD_MISSING', 'm')
  d.poison('code.requested', 'CodeRequested', { ...request(2), keepLog: true }, error)
  assert.deepEqual(reports(d).at(-1), { after: 3, step: null })
})
