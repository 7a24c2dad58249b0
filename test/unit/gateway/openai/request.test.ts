// Requests as tasks: conversations, outputs, and pieces of an answer.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerOf, piecesOf } from '../../../../services/gateway/openai/answer.ts'
import {
  chatOf,
  chatTask,
  responseRequestOf,
  responseTask,
} from '../../../../services/gateway/openai/request.ts'
import type { TaskResult } from '../../../../client/types.ts'

const chat = (body: Record<string, unknown>) =>
  chatTask(chatOf({ model: 'm', messages: [{ role: 'user', content: 'x' }], ...body }))

test('parts of a message are joined, a refusal is said too, earlier reasoning is not', () => {
  const text = (value: string) => ({ type: 'text', text: value })
  const { history, text: task } = chat({
    messages: [
      { role: 'developer', content: [text('a'), text('b')] },
      {
        role: 'assistant',
        content: null,
        refusal: 'No.',
        reasoning_content: 'hm',
        tool_calls: [],
        audio: null,
      },
      { role: 'assistant', content: [text('c'), { type: 'refusal', refusal: 'd' }] },
      { role: 'user', content: [text('e'), text('f')] },
    ],
  })
  assert.equal(task, 'e\nf')
  assert.deepEqual(history, [
    { role: 'developer', content: 'a\nb' },
    { role: 'assistant', content: 'No.' },
    { role: 'assistant', content: 'c\nd' },
  ])
})

test('one message is a task without a history; outputs and limits are fields of the task', () => {
  assert.deepEqual(chat({}), { text: 'x' })
  const given = {
    response_format: { type: 'json_object' },
    max_tokens: 5,
    max_completion_tokens: 5,
    temperature: 0,
  }
  assert.deepEqual(chat(given), {
    text: 'x',
    outputSchema: { type: 'object' },
    temperature: 0,
    maxOutputTokens: 5,
  })
})

test('a response: instructions first, then the earlier conversation, then the input', () => {
  const request = responseRequestOf({
    model: 'm',
    instructions: 'Be brief.',
    input: [
      { role: 'system', content: 'French.' },
      { type: 'reasoning', id: 'r', summary: [] },
      {
        type: 'message',
        id: 'msg_1',
        status: 'completed',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'hi', annotations: [], logprobs: [] }],
      },
      { role: 'user', content: [{ type: 'input_text', text: 'now' }] },
    ],
    background: true,
  })
  const earlier = [{ role: 'user' as const, content: 'before' }]
  const task = responseTask(request, { earlier, parent: 't0', sessionId: null })
  assert.deepEqual(task, {
    text: 'now',
    history: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'before' },
      { role: 'developer', content: 'French.' },
      { role: 'assistant', content: 'hi' },
    ],
    metadata: { 'openai.background': 'true' },
    parent: 't0',
  })
})

test('a name of JavaScript is refused, not lost; what a refusal quotes is bounded', () => {
  const proto = JSON.parse('{"__proto__": "x"}') as unknown
  assert.throws(() => chat({ metadata: proto }), /__proto__/)
  const schema = { name: 'a', schema: { properties: proto } }
  assert.throws(() => chat({ response_format: { type: 'json_schema', json_schema: schema } }), /__proto__/)
  const long = 'k'.repeat(100_000)
  for (const body of [
    { metadata: { [long]: 'x' } },
    { [long]: 1 },
    { messages: [{ role: 'user', content: 'x', [long]: 1 }] },
  ])
    assert.throws(
      () => chat(body),
      ({ message, param }: { message: string; param: string }) =>
        message.length <= 8_000 && param.length <= 200,
    )
})

const result = (changes: Partial<TaskResult>): TaskResult =>
  ({ status: 'succeeded', output: 'x', error: null, steps: [], ...changes }) as TaskResult
const failure = (code: string, message = '') =>
  ({ code, severity: 'recoverable', retryable: false, message, retryAfterMs: null }) as const

test('outputs as text, and why they end', () => {
  assert.deepEqual(answerOf(result({}), false), { text: 'x', finish: 'stop' })
  assert.deepEqual(answerOf(result({}), true), { text: '"x"', finish: 'stop' })
  assert.deepEqual(answerOf(result({ output: { a: 1 } }), false), { text: '{"a":1}', finish: 'stop' })
  const failed = { status: 'failed', output: null } as const
  const spent = result({ ...failed, output: 'so far', error: failure('COST_LIMIT') })
  assert.deepEqual(answerOf(spent, true), { text: 'so far', finish: 'length' })
  const filtered = result({ ...failed, error: failure('MODEL_CONTENT_FILTERED') })
  assert.deepEqual(answerOf(filtered, false), { text: '', finish: 'content_filter' })
  for (const status of ['rejected', 'cancelled', 'timed_out'] as const)
    assert.equal(answerOf(result({ status, output: null, error: failure('STEP_LIMIT') }), false), null)
  assert.equal(answerOf(result({ ...failed, error: failure('OUTPUT_INVALID', 'does not fit') }), false), null)
})

test('an answer that was cut off is its text so far', () => {
  const message = 'The final output does not fit: it was cut off at the limit of output tokens'
  const steps = [{ text: 'once upon' }] as unknown as TaskResult['steps']
  const cut = result({ status: 'failed', output: null, steps, error: failure('OUTPUT_INVALID', message) })
  assert.deepEqual(answerOf(cut, false), { text: 'once upon', finish: 'length' })
})

test('pieces are whole characters, the same each time, and not too many', () => {
  const text = '🚢'.repeat(1_000)
  const pieces = piecesOf(text)
  assert.equal(pieces.join(''), text)
  assert.ok(pieces.length > 10 && pieces.every((piece) => piece.isWellFormed()))
  assert.ok(piecesOf('x\n'.repeat(1_000_000)).length <= 1_001)
  assert.deepEqual(piecesOf(''), [])
})
