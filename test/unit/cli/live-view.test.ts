import assert from 'node:assert/strict'
import { stripVTControlCharacters } from 'node:util'
import { test } from 'node:test'
import { LiveView, type LiveViewOptions } from '../../../cli/output/live-view.ts'
import type { TaskUpdate } from '../../../client/types.ts'
import type { TaskProgressed } from '../../../schemas/generated/events.ts'
import type { Json } from '../../../schemas/json.ts'

function setUp(options: LiveViewOptions = {}) {
  const lines: string[] = []
  const time = { now: 100_000 }
  const view = new LiveView({
    terminal: null,
    print: (text) => lines.push(stripVTControlCharacters(text)),
    now: () => time.now,
    ...options,
  })
  const progress = (kind: TaskProgressed['kind'], step: number | null, detail: Json) =>
    view.show({
      kind: 'progress',
      event: { taskId: 't', stage: 'planner', kind, step, atMs: time.now, detail },
    })
  return { view, lines, time, progress }
}

const called = {
  model: 'm',
  text: '',
  toolCalls: [{ name: 'echo' }],
  durationMs: 1_500,
  inputTokens: 9,
  outputTokens: 2,
}

test('what happens now has its seconds: queued, thinking, writing, a tool', () => {
  const { view, time, progress } = setUp()
  progress('queued', null, { waiting: 3 })
  time.now += 4_000
  assert.equal(view.line(), 'queued 4 s')
  progress('admitted', null, { model: 'm' })
  time.now += 12_000
  assert.equal(view.line(), 'step 1 · thinking 12 s')
  view.show({ kind: 'text', taskId: 't', step: 1, text: 'Once upon' })
  view.show({ kind: 'text', taskId: 't', step: 1, text: ' a time' })
  time.now += 1_000
  assert.equal(view.line(), 'step 1 · writing 1 s · Once upon a time')
  progress('model_called', 1, called)
  progress('tool_started', null, { callId: 'c', tool: 'echo' })
  time.now += 2_000
  assert.equal(view.line(), 'step 1 · echo 2 s')
  view.end()
})

test('a task that ran before it was followed: what it does is shown at once, unless an event came first', () => {
  const running = { step: 3, sinceMs: 60_000, completedAtMs: null }
  const { view, lines, progress } = setUp()
  view.joins(running, 'runs tools or code')
  assert.deepEqual(lines, ['  step 3 · runs tools or code, for 40.0 s'])
  assert.equal(view.line(), 'step 3 · runs tools or code 40 s')
  progress('tool_started', null, { callId: 'c', tool: 'echo' })
  assert.equal(view.line(), 'step 3 · echo 0 s')
  view.end()

  const late = setUp()
  late.progress('model_called', 4, called)
  const before = late.lines.length
  late.view.joins(running, 'thinks')
  assert.equal(late.lines.length, before, 'what the ledger says is older')
  late.view.end()

  const ended = setUp()
  ended.view.joins({ ...running, completedAtMs: 90_000 }, '')
  assert.deepEqual(ended.lines, [])
  ended.view.end()
})

test('a view that begins in the middle of a step shows its calls once, under the step', () => {
  const { view, lines, progress } = setUp()
  const call = {
    callId: 'c',
    tool: 'echo',
    status: 'succeeded',
    durationMs: 7,
    cached: false,
    arguments: '{}',
    output: 'hi',
    error: null,
  }
  progress('tool_called', 1, call)
  progress('step_completed', 1, { kind: 'tools', durationMs: 9, code: null, observation: null })
  const step = {
    step: 1,
    kind: 'tools',
    model: 'm',
    text: '',
    code: null,
    observation: null,
    error: null,
    durationMs: 9,
    toolCalls: [call],
  }
  view.show({ kind: 'result', result: { steps: [step] } } as unknown as TaskUpdate)
  assert.deepEqual(lines, ['step 1 tools', '    echo({}) → hi 7 ms'])
  view.end()
})

test('each thing is a line once: the call with its time, waits and retries with their reason', () => {
  const { view, lines, progress, time } = setUp()
  progress('queued', null, { waiting: 3 })
  progress('admitted', null, { model: 'm' })
  progress('retry_scheduled', 1, { message: 'answered 503', untilMs: time.now + 3_200 })
  progress('waiting', 1, { for: 'slot', reason: 'all 4 slots of local are in use' })
  progress('model_called', 1, called)
  progress('tool_called', 1, {
    callId: 'c',
    tool: 'echo',
    status: 'succeeded',
    durationMs: 7,
    cached: false,
    arguments: '{}',
    output: 'hi',
    error: null,
  })
  progress('step_completed', 1, { kind: 'tools', durationMs: 9, code: null, observation: null })
  assert.deepEqual(lines, [
    '  queued: 3 tasks wait before it',
    'step 1 thinking m',
    '  retrying in 3.2 s: answered 503',
    '  waiting: all 4 slots of local are in use',
    'step 1 tools m 1.5 s',
    '    echo({}) → hi 7 ms',
  ])
  view.end()
})

test('quiet shows nothing; verbose the text, line by line', () => {
  const quiet = setUp({ detail: 'quiet' })
  quiet.progress('queued', null, { waiting: 3 })
  assert.deepEqual(quiet.lines, [])
  const { view, lines } = setUp({ detail: 'verbose' })
  view.show({ kind: 'text', taskId: 't', step: 1, text: 'one\ntw' })
  view.show({ kind: 'text', taskId: 't', step: 1, text: 'o\n' })
  assert.deepEqual(lines, ['    │ one', '    │ two'])
  view.end()
})

test('on a terminal the status fits its width, and controls in a text do not reach it', () => {
  const written: string[] = []
  const terminal = { columns: 40, write: (text: string | Uint8Array) => (written.push(String(text)), true) }
  const { view } = setUp({ terminal })
  view.show({ kind: 'text', taskId: 't', step: 1, text: `${'word '.repeat(30)}\u001b[2J` })
  view.now('step 1 · '.repeat(20))
  for (const text of written) {
    assert.ok([...stripVTControlCharacters(text)].length <= 40, text)
    assert.doesNotMatch(text, /\u001b\[2J/)
  }
  view.end()
  assert.equal(written.at(-1), '\r\u001b[2K')
})

test('a conversation that was made shorter is a line, with the steps and the tokens', () => {
  const { lines, progress } = setUp()
  const sizes = { fromStep: 1, throughStep: 33, tokensBefore: 103_211, tokensAfter: 48_120 }
  progress('compacted', 42, { how: 'summarised', because: 'limit', ...sizes, summary: 'notes' })
  progress('compacted', 42, {
    how: 'left_out',
    because: 'refused',
    ...sizes,
    reason: 'the summary was empty',
  })
  assert.deepEqual(lines, [
    '  conversation near its limit: steps 1 to 33, a summary stands for them; 103211 → 48120 tokens',
    '  conversation refused as too long: steps 1 to 33, a line each stands for them (the summary was empty); 103211 → 48120 tokens',
  ])
})
