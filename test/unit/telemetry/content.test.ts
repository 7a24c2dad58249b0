// Content on spans: it fits the convention, is bounded, shows no secret, and is there only if asked for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keepSecrets } from '../../../runtime/text/redaction.ts'
import type { Call, CallOutcome } from '../../../runtime/stage.ts'
import { callContent, taskContent } from '../../../runtime/telemetry/content.ts'
import type { HandlingInput } from '../../../runtime/telemetry/instruments.ts'
import { startHandling, taskSpan, type SpanData, type SpanOptions } from '../../../runtime/telemetry/spans.ts'
import { taskSpanId, traceIdOfKey } from '../../../runtime/telemetry/trace-context.ts'
import { samples } from '../../golden/samples.ts'
import { contentNames, mistakesOf } from './genai-schemas.ts'

const call = (kind: string, request: unknown): Call => ({
  kind,
  target: kind === 'model' ? 'openai' : 'weather',
  request,
  timeoutMs: 1,
  idempotent: true,
})
const answered = (value: unknown): CallOutcome => ({
  ok: true,
  value,
  startedMs: 1,
  endedMs: 2,
  callId: 'c-1',
})
const limits = { maxChars: 32_768 }

/** The content with each attribute parsed; fails if one does not fit the convention or is too long. */
function contentOf(
  kind: string,
  request: unknown,
  reply: unknown,
  { maxChars } = limits,
): Record<string, unknown> {
  const attributes = callContent(call(kind, request), answered(reply), { maxChars })
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => {
      assert.ok(typeof value === 'string' && value.length <= maxChars, `${name}: ${String(value).length}`)
      const document: unknown = JSON.parse(value)
      assert.equal(mistakesOf(name, document), '', `${name}: ${value.slice(0, 500)}`)
      return [name, document]
    }),
  )
}

const weather = {
  type: 'function',
  function: {
    name: 'weather',
    description: 'Weather of a place.',
    parameters: { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] },
  },
}
const request = {
  model: 'gpt-4o',
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Weather in Paris?' },
    {
      role: 'assistant',
      content: 'One moment.',
      tool_calls: [
        { id: 'call-1', type: 'function', function: { name: 'weather', arguments: '{"place":"Paris"}' } },
        { id: 'call-2', type: 'function', function: { name: 'weather', arguments: '{"place":' } },
      ],
    },
    { role: 'tool', tool_call_id: 'call-1', content: 'rainy, 57°F' },
    { role: 'assistant', content: null },
  ],
  tools: [weather],
}
const reply = {
  text: 'Rain.',
  toolCalls: [{ id: 'call-3', name: 'weather', argumentsText: '{"place":"Rome"}' }],
  finishReason: 'tool_calls',
}

test('a model call has its instructions, messages, tools and answer as the convention writes them', () => {
  assert.deepEqual(contentOf('model', request, reply), {
    'gen_ai.system_instructions': [{ type: 'text', content: 'Be brief.' }],
    'gen_ai.input.messages': [
      { role: 'user', parts: [{ type: 'text', content: 'Weather in Paris?' }] },
      {
        role: 'assistant',
        parts: [
          { type: 'text', content: 'One moment.' },
          { type: 'tool_call', id: 'call-1', name: 'weather', arguments: { place: 'Paris' } },
          { type: 'tool_call', id: 'call-2', name: 'weather', arguments: '{"place":' },
        ],
      },
      { role: 'tool', parts: [{ type: 'tool_call_response', id: 'call-1', response: 'rainy, 57°F' }] },
      { role: 'assistant', parts: [] },
    ],
    'gen_ai.tool.definitions': [{ type: 'function', ...weather.function }],
    'gen_ai.output.messages': [
      {
        role: 'assistant',
        parts: [
          { type: 'text', content: 'Rain.' },
          { type: 'tool_call', id: 'call-3', name: 'weather', arguments: { place: 'Rome' } },
        ],
        finish_reason: 'tool_call',
      },
    ],
  })
})

test('a tool call has arguments and result, each an object', () => {
  const named = (args: unknown, output: unknown) =>
    Object.values(contentOf('tool', { tool: 'weather', arguments: args }, { output }))
  assert.deepEqual(named({ place: 'Paris' }, { celsius: 14 }), [{ place: 'Paris' }, { celsius: 14 }])
  assert.deepEqual(named({}, 'rainy'), [{}, { result: 'rainy' }])
  assert.deepEqual(named(['Paris'], [1, 2]), [{ arguments: ['Paris'] }, { result: [1, 2] }])
  assert.deepEqual(named({ a: null }, null), [{ a: null }, { result: null }])
})

test('a failed call has what was asked, and no answer', () => {
  const failed: CallOutcome = {
    ok: false,
    failure: { code: 'TOOL_FAILED', message: 'no' } as never,
    startedMs: 1,
    endedMs: 2,
    callId: 'c-1',
  }
  assert.deepEqual(Object.keys(callContent(call('tool', { arguments: {} }), failed, limits)), [
    'gen_ai.tool.call.arguments',
  ])
  const ofModel = Object.keys(callContent(call('model', request), failed, limits))
  assert.ok(!ofModel.includes('gen_ai.output.messages'))
  assert.deepEqual(callContent(call('ledger', { arguments: {} }), answered({ output: 1 }), limits), {})
})

const huge = 'x'.repeat(3_000_000)
const history = Array.from({ length: 1_000 }, (_, n) => [
  {
    role: 'assistant',
    content: `step ${n}`,
    tool_calls: [{ id: `c${n}`, function: { name: 't', arguments: '{}' } }],
  },
  { role: 'tool', tool_call_id: `c${n}`, content: 'result '.repeat(50) },
]).flat()
const manyCalls = Array.from({ length: 1_000 }, (_, n) => ({
  id: `c${n}`,
  name: huge.slice(0, 5_000),
  argumentsText: '{"a":1}',
}))
const awkward: readonly [string, unknown, unknown][] = [
  ['one huge text', { messages: [{ role: 'user', content: huge }] }, { text: huge, finishReason: 'stop' }],
  ['a long history', { messages: history }, { text: 'done', finishReason: 'stop' }],
  [
    'text that grows in JSON',
    { messages: [{ role: 'user', content: '\u0000"\\'.repeat(50_000) }] },
    { text: '\ud83d\ude00'.repeat(50_000) },
  ],
  ['a thousand calls', { messages: [] }, { text: '', toolCalls: manyCalls, finishReason: 'stop' }],
  ['a thousand tools', { messages: [], tools: Array.from({ length: 1_000 }, () => weather) }, null],
  [
    'shapes that nobody expects',
    {
      messages: [
        { role: 'user', content: [{ type: 'image' }] },
        { role: 'assistant', tool_calls: 3 },
        { role: 'tool' },
      ],
      tools: 'none',
    },
    { toolCalls: [null], text: 7 },
  ],
]
for (const [name, given, answer] of awkward)
  test(`content stays bounded and fits: ${name}`, () => {
    for (const maxChars of [300, 1_000, 32_768]) contentOf('model', given, answer, { maxChars })
    for (const value of [given, answer, huge])
      contentOf('tool', { arguments: value }, { output: value }, { maxChars: 1_000 })
  })

test('of a long history the newest messages are kept, and the others are counted', () => {
  const { 'gen_ai.input.messages': kept } = contentOf('model', { messages: history }, null, {
    maxChars: 5_000,
  })
  const messages = kept as { role: string; parts: Record<string, unknown>[] }[]
  const [first] = messages[0]?.parts ?? []
  assert.deepEqual(first, { type: 'flotilla.omitted', messages: history.length - messages.length + 1 })
  assert.equal(messages.at(-1)?.parts[0]?.['id'], 'c999')
  assert.ok(messages.length > 5)
})

test('a text that grows in JSON is cut further, not left out', () => {
  const text = '\u0000"\\'.repeat(50_000)
  const { 'gen_ai.input.messages': found } = contentOf(
    'model',
    { messages: [{ role: 'user', content: text }] },
    null,
  )
  assert.match(JSON.stringify(found), /\\u0000.*\[cut, 150000 characters\]/)
})

test('a text that is cut says how long it was', () => {
  const { 'gen_ai.input.messages': found } = contentOf(
    'model',
    { messages: [{ role: 'user', content: huge }] },
    null,
  )
  assert.match(JSON.stringify(found), /x… \[cut, 3000000 characters\]/)
})

test('no secret is shown, wherever it stands and wherever the text is cut', () => {
  const secret = `canary-${'0123456789abcdef'.repeat(4)}`
  keepSecrets([secret])
  const isClean = (attributes: object, where: string) =>
    assert.doesNotMatch(JSON.stringify(attributes), /canary-0123/, where)
  for (let before = 0; before < 1_200; before += 7) {
    const text = `${'x'.repeat(before)}${secret}${secret}${'y'.repeat(20_000)}`
    const shown = contentOf(
      'model',
      { messages: [{ role: 'user', content: text }] },
      { text },
      { maxChars: 1_000 },
    )
    isClean(shown, `after ${before}`)
    isClean(
      contentOf('tool', { arguments: { text } }, { output: text }, { maxChars: 1_000 }),
      `after ${before}`,
    )
  }
  // Replacing shortens a text, so that the end of the part that was looked at moves to where it is shown.
  for (let before = 0; before < secret.length; before++) {
    const text = 'x'.repeat(before) + secret.repeat(400)
    isClean(contentOf('tool', { arguments: { text } }, { output: text }, { maxChars: 1_000 }), `${before}`)
  }
  isClean(contentOf('tool', { arguments: { [secret]: secret } }, { output: secret }), 'in names')
  isClean(taskContent(secret, { secret }, limits), 'in a task')
  const quoted = { id: secret, function: { name: secret, arguments: JSON.stringify({ k: `"${secret}"` }) } }
  const messages = [{ role: 'assistant', content: secret, tool_calls: [quoted] }]
  isClean(contentOf('model', { messages, tools: [{ function: { name: secret } }] }, null), 'in calls')
})

const input: HandlingInput = {
  stage: 'planner',
  lane: 1,
  topic: 'tasks.admitted',
  eventId: 'e-1',
  eventType: 'TaskAdmitted',
  key: 'task-1',
  traceparent: null,
  atMs: 1_000,
}

function spansOf(change: Partial<HandlingInput>, options: SpanOptions): SpanData[] {
  const spans: SpanData[] = []
  const handling = startHandling({ ...input, ...change }, (span) => spans.push(span), options)
  handling.call(call('model', request), 'c-1').end(answered(reply))
  handling.finished()
  handling.committed()
  return spans
}

test('content is on the span of the call, and off means that nothing of it is anywhere', () => {
  const named = (spans: readonly SpanData[]) => spans.flatMap(({ attributes }) => Object.keys(attributes))
  const on = spansOf({}, { content: limits })
  assert.equal(on.find(({ kind }) => kind === 'client')?.name, 'chat gpt-4o')
  assert.equal(named(on).filter((name) => contentNames.includes(name)).length, 4)
  const off = [...spansOf({}, {}), ...spansOf({}, { content: null })]
  assert.deepEqual(
    named(off).filter((name) => contentNames.includes(name)),
    [],
  )
  assert.doesNotMatch(JSON.stringify(off), /Paris|Rain/)
})

test('the span of a task has text, output and the version of its agent', () => {
  const traceparent = `00-${traceIdOfKey('t-1')}-${'1'.repeat(16)}-01`
  const task = {
    ...samples.TaskCompleted,
    taskId: 't-1',
    agent: 'researcher',
    text: 'why?',
    output: { because: 1 },
  }
  const context = { stage: 'planner', traceparent }
  const agentVersion = (agent: string) => (agent === 'researcher' ? '2026-11' : undefined)
  const { attributes } = taskSpan(task, context, { content: limits, agentVersion }) ?? assert.fail('no span')
  assert.equal(attributes['gen_ai.agent.version'], '2026-11')
  for (const name of ['gen_ai.input.messages', 'gen_ai.output.messages'])
    assert.equal(mistakesOf(name, JSON.parse(String(attributes[name]))), '', name)
  assert.match(String(attributes['gen_ai.input.messages']), /why\?/)
  assert.match(String(attributes['gen_ai.output.messages']), /because/)
  const off = taskSpan(task, context, { agentVersion })?.attributes ?? {}
  assert.deepEqual(
    Object.keys(off).filter((name) => contentNames.includes(name)),
    [],
  )
})

test('a score is an event of the convention, below the span of its task', () => {
  const control = { stage: 'metering', topic: 'tasks.control', eventId: 'e-9' }
  const scored = { eventType: 'QualityScored', data: { taskId: 'task-1', quality: 0.25, scorer: 'judge' } }
  const given = { taskId: 'task-1', satisfaction: 1, comment: 'thanks', userId: null }
  const scoreOf = (change: Partial<HandlingInput>, options: SpanOptions = {}) =>
    spansOf({ ...control, ...change }, options).find(({ name }) => name === 'gen_ai.evaluation.result')
  const score = scoreOf(scored)
  assert.deepEqual(score?.parent, {
    traceId: traceIdOfKey('task-1'),
    spanId: taskSpanId('task-1'),
    sampled: true,
  })
  assert.deepEqual(score.events, [
    {
      name: 'gen_ai.evaluation.result',
      atMs: 1_000,
      attributes: { 'gen_ai.evaluation.name': 'judge', 'gen_ai.evaluation.score.value': 0.25 },
    },
  ])
  assert.equal(score.self.spanId, scoreOf(scored)?.self.spanId, 'a second run makes the same span')
  const feedback = { eventType: 'FeedbackGiven', data: given }
  assert.deepEqual(scoreOf(feedback)?.events?.[0]?.attributes, {
    'gen_ai.evaluation.name': 'user_feedback',
    'gen_ai.evaluation.score.value': 1,
  })
  const shown = scoreOf(feedback, { content: limits })?.events?.[0]?.attributes
  assert.equal(shown?.['gen_ai.evaluation.explanation'], 'thanks', 'a comment is content')
  assert.equal(scoreOf({ eventType: 'TaskCancelled', data: { taskId: 'task-1' } }), undefined)
})

test('the schemas of this test refuse what the convention refuses', () => {
  const wrong: readonly [string, unknown][] = [
    ['gen_ai.input.messages', [{ role: 'user' }]],
    ['gen_ai.input.messages', [{ parts: [] }]],
    ['gen_ai.input.messages', [{ role: 'user', parts: [{ type: 'text' }] }]],
    ['gen_ai.input.messages', [{ role: 'tool', parts: [{ type: 'tool_call_response', id: 'a' }] }]],
    ['gen_ai.output.messages', [{ role: 'assistant', parts: 'none' }]],
    ['gen_ai.output.messages', [{ role: 'assistant', parts: [{ type: 'tool_call', id: 'a' }] }]],
    ['gen_ai.system_instructions', ['Be brief.']],
    ['gen_ai.tool.call.arguments', '{"location": "Paris"}'],
    ['gen_ai.tool.call.result', 'rainy'],
    ['gen_ai.tool.definitions', [{ type: 'function' }]],
    ['gen_ai.tool.definitions', [{ type: 'function', name: 'a', parameters: { type: 'thing' } }]],
  ]
  for (const [name, document] of wrong)
    assert.notEqual(mistakesOf(name, document), '', JSON.stringify(document))
})
