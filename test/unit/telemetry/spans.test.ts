import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  quietInstruments,
  untracedHandling,
  type HandlingInput,
} from '../../../runtime/telemetry/instruments.ts'
import { genAi, messaging, withOldNames } from '../../../runtime/telemetry/names.ts'
import { startHandling, startSend, taskSpan, type SpanData } from '../../../runtime/telemetry/spans.ts'
import {
  formatTraceparent,
  parseTraceparent,
  taskSpanId,
  traceIdOfKey,
} from '../../../runtime/telemetry/trace-context.ts'
import type { Call, CallOutcome } from '../../../runtime/stage.ts'
import { samples } from '../../golden/samples.ts'

const FOREIGN = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const input = (change: Partial<HandlingInput> = {}): HandlingInput => ({
  stage: 'router',
  lane: 3,
  topic: 'tasks.submitted',
  eventId: 'e-1',
  eventType: 'TaskSubmitted',
  key: 'task-1',
  traceparent: null,
  atMs: Date.now() - 50,
  ...change,
})
const modelCall: Call = {
  kind: 'model',
  target: 'openai',
  request: { model: 'gpt-4o', temperature: 0.3, maxOutputTokens: 100 },
  timeoutMs: 1000,
  idempotent: true,
}
const answered: CallOutcome = {
  ok: true,
  value: { inputTokens: 10, outputTokens: 2, finishReason: 'stop', model: 'gpt-4o-2024' },
  startedMs: 1000,
  endedMs: 1500,
  callId: 'c-1',
}

test('a task without trace context is one trace, below the span of the whole task', () => {
  const spans: SpanData[] = []
  const handling = startHandling(input(), (span) => spans.push(span))
  handling.committed()
  assert.equal(handling.traceId, traceIdOfKey('task-1'))
  assert.equal(spans[0]?.name, 'process tasks.submitted')
  assert.equal(spans[0]?.parent?.spanId, taskSpanId('task-1'))
  assert.deepEqual(spans[0]?.links, [])
})

test('the sender is parent and link', () => {
  const spans: SpanData[] = []
  startHandling(input({ traceparent: FOREIGN }), (span) => spans.push(span)).committed()
  assert.deepEqual(spans[0]?.parent, parseTraceparent(FOREIGN))
  assert.deepEqual(spans[0]?.links, [parseTraceparent(FOREIGN)])
  assert.equal(spans[0]?.self.traceId, '4bf92f3577b34da6a3ce929d0e0e4736')
})

test('a second run of a handling makes the same ids; another stage, event or key does not', () => {
  const contextOf = (change: Partial<HandlingInput>) => startHandling(input(change), () => {}).traceparent
  assert.equal(contextOf({}), contextOf({ lane: 4 }))
  const others = [{}, { stage: 'metering' }, { eventId: 'e-2' }, { key: 'task-2' }].map(contextOf)
  assert.equal(new Set(others).size, 4)
})

test('events that belong to no task begin traces of their own', () => {
  const traceOf = (eventId: string) =>
    startHandling(input({ topic: 'ops.health', key: 'openai', eventId }), () => {}).traceId
  assert.notEqual(traceOf('e-1'), traceOf('e-2'))
})

test('nothing is exported before the commit, and nothing at all when the lane is lost', () => {
  const spans: SpanData[] = []
  const handling = startHandling(input(), (span) => spans.push(span))
  handling.call(modelCall, 'c-1').end(answered)
  handling.finished()
  handling.dropped()
  assert.deepEqual(spans, [])
})

test('a streamed model call says so, another says nothing', () => {
  const attributesOf = (stream: boolean) => {
    const spans: SpanData[] = []
    const handling = startHandling(input({ stage: 'planner' }), (span) => spans.push(span))
    const call = { ...modelCall, request: { ...(modelCall.request as object), stream } }
    handling.call(call, 'c-1').end(answered)
    handling.committed()
    return spans.find(({ name }) => name === 'chat gpt-4o')?.attributes
  }
  assert.equal(attributesOf(true)?.['gen_ai.request.stream'], true)
  assert.ok(!('gen_ai.request.stream' in (attributesOf(false) ?? {})))
})

test('a commit exports handling, calls, and one send a topic', () => {
  const spans: SpanData[] = []
  const handling = startHandling(input({ stage: 'planner' }), (span) => spans.push(span))
  const call = handling.call(modelCall, 'c-1')
  call.end(answered)
  const sent = ['tools.requested', 'tools.requested', 'tasks.history'].map((topic) => ({
    topic,
    type: 'X',
  }))
  handling.committed(sent)
  assert.deepEqual(
    spans.map(({ name, kind }) => [name, kind]),
    [
      ['process tasks.submitted', 'consumer'],
      ['chat gpt-4o', 'client'],
      ['send tools.requested', 'producer'],
      ['send tasks.history', 'producer'],
    ],
  )
  const own = parseTraceparent(handling.traceparent)
  assert.ok(spans.slice(1).every(({ parent }) => parent?.spanId === own?.spanId))
  assert.equal(spans[2]?.attributes[messaging.batchSize], 2)
  assert.equal(formatTraceparent(spans[1]?.self as never), call.traceparent)
  assert.equal(new Set(spans.map(({ self }) => self.spanId)).size, 4)
})

test('a model call has the GenAI attributes, and old names beside them on demand', () => {
  const spans: SpanData[] = []
  const handling = startHandling(input(), (span) => spans.push(span))
  handling.call(modelCall, 'c-1').end(answered)
  handling.committed()
  const { attributes, startMs, endMs } = spans[1] as SpanData
  assert.deepEqual([startMs, endMs], [1000, 1500])
  const expected = {
    [genAi.operation]: 'chat',
    [genAi.provider]: 'openai',
    [genAi.requestModel]: 'gpt-4o',
    [genAi.responseModel]: 'gpt-4o-2024',
    [genAi.inputTokens]: 10,
    [genAi.outputTokens]: 2,
    [genAi.finishReasons]: ['stop'],
  }
  for (const [name, value] of Object.entries(expected)) assert.deepEqual(attributes[name], value, name)
  assert.equal(attributes['gen_ai.system'], undefined)
  assert.equal(withOldNames(attributes)['gen_ai.system'], 'openai')
  assert.equal(withOldNames(attributes)[genAi.provider], 'openai')
})

test('a failed tool call is an error with its code', () => {
  const spans: SpanData[] = []
  const handling = startHandling(input(), (span) => spans.push(span))
  const call: Call = { ...modelCall, kind: 'tool', target: 'web_search', request: {} }
  const failure = {
    code: 'TOOL_TIMEOUT',
    severity: 'recoverable',
    retryable: true,
    message: 'too slow',
    retryAfterMs: null,
  } as const
  handling.call(call, 'c-2').end({ ok: false, failure, startedMs: 1, endedMs: 2, callId: 'c-2' })
  handling.committed()
  assert.equal(spans[1]?.name, 'execute_tool web_search')
  assert.equal(spans[1]?.error, 'too slow')
  assert.equal(spans[1]?.attributes['error.type'], 'TOOL_TIMEOUT')
})

test('a trace that its owner does not sample is carried on and not exported', () => {
  const spans: SpanData[] = []
  const unsampled = FOREIGN.replace(/01$/, '00')
  const handling = startHandling(input({ traceparent: unsampled }), (span) => spans.push(span))
  assert.equal(handling.traceparent, unsampled)
  handling.committed()
  assert.equal(taskSpan(samples.TaskCompleted, { stage: 'planner', traceparent: unsampled }), null)
  assert.deepEqual(spans, [])
})

test('the span of a whole task is the root of our trace, and below the handling in a foreign one', () => {
  const ours = startHandling(input(), () => {}).traceparent
  const root = taskSpan(samples.TaskCompleted, { stage: 'planner', traceparent: ours })
  assert.equal(root?.name, 'invoke_agent researcher')
  assert.equal(root?.parent, null)
  assert.equal(root?.self.spanId, taskSpanId('task-1'))
  assert.equal((root?.endMs ?? 0) - (root?.startMs ?? 0), 60_001)
  const below = taskSpan(samples.TaskCompleted, { stage: 'planner', traceparent: FOREIGN })
  assert.deepEqual(below?.parent, parseTraceparent(FOREIGN))
})

test('what a client sends hangs between the task and its first handling', () => {
  const spans: SpanData[] = []
  const emit = (span: SpanData) => spans.push(span)
  const send = startSend(
    {
      service: 'gateway',
      topic: 'tasks.submitted',
      eventId: 'e-1',
      eventType: 'TaskSubmitted',
      key: 'task-1',
      traceparent: null,
    },
    emit,
  )
  send.end(new Error('broker away'))
  startHandling(input({ traceparent: send.traceparent }), emit).committed()
  assert.equal(spans[0]?.parent?.spanId, taskSpanId('task-1'))
  assert.equal(spans[0]?.error, 'broker away')
  assert.equal(spans[1]?.parent?.spanId, spans[0]?.self.spanId)
})

for (const text of [
  '',
  'x',
  FOREIGN.replace('4bf9', '4BF9'),
  `ff${FOREIGN.slice(2)}`,
  FOREIGN.replace(/-[0-9a-f]{16}-/, '-0000000000000000-'),
]) {
  test(`no trace context: ${JSON.stringify(text)}`, () => assert.equal(parseTraceparent(text), null))
}

test('without tracing the context of the sender is handed on', () => {
  assert.equal(untracedHandling(FOREIGN).traceparent, FOREIGN)
  assert.equal(
    quietInstruments.handling(input({ traceparent: FOREIGN })).call(modelCall, 'c').traceparent,
    FOREIGN,
  )
  assert.equal(quietInstruments.handling(input()).traceparent, null)
})
