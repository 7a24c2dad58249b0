import assert from 'node:assert/strict'
import { test } from 'node:test'
import { paint, visible, visibleJson } from '../../../cli/output/output.ts'
import { renderResult, shorten } from '../../../cli/output/render.ts'
import { loadServices, serviceNames } from '../../../services/index.ts'
import type { TaskResult } from '../../../client/types.ts'
import { failure } from '../../../runtime/errors.ts'
import { stripVTControlCharacters } from 'node:util'

const usage = { inputTokens: 10, outputTokens: 2, cost: 0.5, costIsGuess: false, modelCalls: 1, toolCalls: 0 }
const result = (changes: Partial<TaskResult>): TaskResult => ({
  taskId: 't',
  status: 'succeeded',
  output: 'forty-two',
  steps: [],
  usage,
  executionTime: 1_234,
  model: 'gpt-4o',
  modelReason: null,
  error: null,
  traceId: null,
  userId: null,
  agent: null,
  profile: null,
  sessionId: null,
  forkedFrom: null,
  forkedFromStep: null,
  toolPolicy: null,
  refusedCalls: [],
  childrenCost: null,
  submittedAtMs: 0,
  completedAtMs: 1_234,
  ...changes,
})
const plain = (text: string) => stripVTControlCharacters(text)

test('the names that help shows are the services that there are', async () => {
  const services = await loadServices()
  assert.deepEqual(
    services.map(({ name }) => name),
    [...serviceNames],
  )
  // `flotilla topics --create` makes a state topic for every stage.
  assert.deepEqual(
    services.filter(({ stage }) => stage === undefined).map(({ name }) => name),
    ['gateway'],
  )
})

test('services are chosen by name', async () => {
  assert.deepEqual(
    (await loadServices(['planner', 'router'])).map(({ name }) => name),
    ['planner', 'router'],
  )
  await assert.rejects(loadServices(['plannr']), {
    code: 'NOT_FOUND',
    message: /plannr; there are: router, sessions, planner/,
  })
})

test('a result as people read it', () => {
  assert.equal(
    plain(renderResult(result({}))),
    'succeeded forty-two\n  0 steps · 10 + 2 tokens · $0.5000 · 1.2 s · gpt-4o',
  )
  const traced = plain(renderResult(result({ traceId: 'a'.repeat(32), output: { x: [1] } })))
  assert.match(traced, /^succeeded \{\n {2}"x": \[\n/)
  assert.match(traced, /trace a{32}$/)
  assert.match(
    plain(renderResult(result({ usage: { ...usage, costIsGuess: true } }))),
    /a guess: no price for this model/,
  )
})

test('a failure comes with its remedy; one that needs none, without', () => {
  const error = {
    severity: 'recoverable',
    retryable: false,
    message: 'what happened',
    retryAfterMs: null,
  } as const
  const failed = plain(
    renderResult(result({ status: 'timed_out', output: null, error: { ...error, code: 'STEP_LIMIT' } })),
  )
  assert.match(failed, /^timed out\n {2}STEP_LIMIT: what happened\n {2}See the last error/)
  const cancelled = result({ status: 'cancelled', output: null, error: { ...error, code: 'TASK_CANCELLED' } })
  assert.match(plain(renderResult(cancelled)), /TASK_CANCELLED: what happened\n {2}0 steps/)
  const newer = result({ status: 'failed', output: null, error: { ...error, code: 'FROM_A_NEWER_FLEET' } })
  assert.match(plain(renderResult(newer)), /FROM_A_NEWER_FLEET: what happened\n {2}0 steps/)
})

// Rounded up, so that whoever comes then is not too early.
const waits: [number, string][] = [
  [1, '1 s'],
  [11_001, '12 s'],
  [120_000, '120 s'],
  [120_001, '3 min'],
  [7_200_001, '3 h'],
]
for (const [retryAfterMs, said] of waits)
  test(`a limit that resets in ${retryAfterMs} ms says to retry in ${said}`, () => {
    const error = { ...failure('RATE_LIMITED', 'full'), retryAfterMs }
    const shown = plain(renderResult(result({ status: 'rejected', output: null, error })))
    assert.match(shown, new RegExp(`Retry in ${said}\\.`))
  })

test('scripted answers say so; where there is no answer, nothing is said of it', () => {
  const model = 'scripted/conversations'
  assert.match(plain(renderResult(result({ model }))), /This answer is scripted/)
  assert.doesNotMatch(plain(renderResult(result({ model, output: null, status: 'failed' }))), /scripted:/)
})

test('a long text is cut to one line', () => {
  assert.equal(shorten('a\n  b\tc', 4), 'a b…')
  assert.equal(shorten(' short '), 'short')
})

test('what would act on a terminal is escaped, in text and in JSON; colours of ours and line ends stay', () => {
  const cases: [string, string][] = [
    ['\u001b[2J\u001b[H', '\\u{001b}[2J\\u{001b}[H'],
    ['\u001b]0;title\u0007', '\\u{001b}]0;title\\u{0007}'],
    ['\u001b[8mhidden', '\\u{001b}[8mhidden'],
    ['a\u009b31mb\u007f', 'a\\u{009b}31mb\\u{007f}'],
    ['progress\rdone\b\0', 'progress\\u{000d}done\\u{0008}\\u{0000}'],
    ['file\u202etxt.exe\ud800\u2028', 'file\\u{202e}txt.exe\\u{d800}\\u{2028}'],
    ['a\r\nb\tc', 'a\nb\tc'],
    ['👩‍💻 é 漢', '👩‍💻 é 漢'],
  ]
  for (const [text, shown] of cases) assert.equal(visible(text), shown)
  for (const style of ['red', 'green', 'yellow', 'cyan', 'magenta', 'dim'] as const)
    assert.equal(visible(paint(style, 'x')), paint(style, 'x'))
  const value = { output: 'a\u001b[2J\u009b2J\u007f\u202e\u2028' }
  const json = visibleJson(JSON.stringify(value))
  assert.deepEqual(JSON.parse(json), value)
  assert.doesNotMatch(json, /[\p{Cc}\u2028\u202e]/u)
})
