// What single answers mean, beyond what the dialects show: ends, usage that lies, errors within a 200, odd pieces.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { FlotillaError, type ErrorCode } from '../../../../runtime/errors.ts'
import type { ModelReply } from '../../../../services/planner/call.ts'
import {
  callContext,
  callerFor,
  completion,
  delta,
  events,
  json,
  request,
  startProvider,
} from './provider-server.ts'

type Handler = Parameters<typeof startProvider>[1]

async function ask(t: TestContext, handler: Handler, stream = true): Promise<ModelReply> {
  const server = await startProvider(t, handler)
  return await callerFor({ test: { baseUrl: server.url } })(request({ stream }), callContext())
}
const streamed =
  (...chunks: unknown[]): Handler =>
  (_, response) =>
    events(response, chunks)

async function assertFails(asked: Promise<unknown>, code: ErrorCode, says: RegExp = /./): Promise<void> {
  await assert.rejects(asked, (error: unknown) => {
    assert.ok(error instanceof FlotillaError, String(error))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, says)
    return true
  })
}

const ends: [reason: string, gives: ErrorCode | 'length' | 'good'][] = [
  ['error', 'MODEL_UNAVAILABLE'],
  ['abort', 'MODEL_UNAVAILABLE'],
  ['cancelled', 'MODEL_UNAVAILABLE'],
  ['network_error', 'MODEL_UNAVAILABLE'],
  ['insufficient_system_resource', 'MODEL_UNAVAILABLE'],
  ['rate_limit', 'MODEL_UNAVAILABLE'],
  ['OOM', 'MODEL_UNAVAILABLE'],
  ['content_filter', 'MODEL_CONTENT_FILTERED'],
  ['SAFETY', 'MODEL_CONTENT_FILTERED'],
  ['sensitive', 'MODEL_CONTENT_FILTERED'],
  ['refusal', 'MODEL_CONTENT_FILTERED'],
  ['guardrail_intervened', 'MODEL_CONTENT_FILTERED'],
  ['MALFORMED_FUNCTION_CALL', 'MODEL_ANSWER_MALFORMED'],
  ['length', 'length'],
  ['MAX_TOKENS', 'length'],
  ['model_length', 'length'],
  ['stop', 'good'],
  ['end_turn', 'good'],
  ['eos', 'good'],
  ['room', 'good'],
  ['COMPLETE', 'good'],
]
for (const [reason, gives] of ends) {
  test(`part of an answer that ends with ${reason} is ${gives}`, async (t) => {
    const handler = streamed(delta({ content: 'half' }), delta({}, reason))
    if (gives !== 'good' && gives !== 'length') return assertFails(ask(t, handler), gives)
    const reply = await ask(t, handler)
    assert.deepEqual([reply.text, reply.finishReason], ['half', gives === 'good' ? reason : 'length'])
  })
}

test('a reason that says it broke off outweighs one before it', async (t) => {
  await assertFails(
    ask(t, streamed(delta({ content: 'a' }, 'stop'), delta({}, 'error'))),
    'MODEL_UNAVAILABLE',
  )
})

test('a refusal in its own field is no answer, and its words are told', async (t) => {
  const handler: Handler = (_, response) =>
    json(response, 200, completion({ content: null, refusal: 'I will not.' }))
  await assertFails(ask(t, handler), 'MODEL_CONTENT_FILTERED', /I will not/)
})

const within: [what: string, error: unknown, gives: ErrorCode, says: RegExp][] = [
  ['a number', { code: 429, message: 'slow' }, 'MODEL_RATE_LIMITED', /slow/],
  ['a number in a string', { code: '401', message: 'no key' }, 'MODEL_AUTH_FAILED', /no key/],
  ['a status', { status: 503, message: 'busy' }, 'MODEL_UNAVAILABLE', /busy/],
  ["Google's word", { status: 'RESOURCE_EXHAUSTED', message: 'x' }, 'MODEL_RATE_LIMITED', /x/],
  ['a type', { type: 'invalid_request_error', message: 'bad' }, 'MODEL_REQUEST_REFUSED', /bad/],
  ['words only', { message: 'prompt is too long: 9 tokens > 8' }, 'MODEL_CONTEXT_TOO_LONG', /too long/],
  ['a string', 'CUDA out of memory', 'MODEL_UNAVAILABLE', /CUDA/],
  ['a payment', { code: 402, message: 'Daily quota is used up' }, 'MODEL_QUOTA_EXCEEDED', /used up/],
]
for (const [what, error, gives, says] of within) {
  test(`an error within a 200 by ${what} is ${gives}, in a stream and whole`, async (t) => {
    await assertFails(ask(t, streamed({ error })), gives, says)
    await assertFails(ask(t, streamed(delta({ content: 'half' }), { error })), gives, says)
    await assertFails(
      ask(t, (_, response) => json(response, 200, { error }), false),
      gives,
      says,
    )
  })
}

test('an error in the choice, as bare JSON in a stream, and under its own event', async (t) => {
  const inChoice = { choices: [{ index: 0, delta: { content: '' }, error: { code: 429, message: 'slow' } }] }
  await assertFails(ask(t, streamed(inChoice)), 'MODEL_RATE_LIMITED')
  const bare = streamed(delta({ content: 'half' }), '{"error":{"code":500,"message":"died"}}\n\n')
  await assertFails(ask(t, bare), 'MODEL_UNAVAILABLE', /died/)
  await assertFails(ask(t, streamed('event: error\ndata: it died\n\n')), 'MODEL_UNAVAILABLE', /it died/)
})

test('an empty or null error beside an answer is none', async (t) => {
  for (const error of [null, '', {}, false])
    assert.equal(
      (await ask(t, (_, r) => json(r, 200, { ...completion({ content: 'ok' }), error }))).text,
      'ok',
    )
})

const figures: [
  what: string,
  usage: unknown,
  input: [number, number],
  output: [number, number],
  estimate: boolean,
][] = [
  ['believable', { prompt_tokens: 50, completion_tokens: 900 }, [50, 50], [900, 900], false],
  ['zero', { prompt_tokens: 0, completion_tokens: 0 }, [20, 60], [1_000, 1_000], true],
  ['negative', { prompt_tokens: -5, completion_tokens: -1 }, [20, 60], [1_000, 1_000], true],
  ['beyond anything', { prompt_tokens: 1e12, completion_tokens: 1e12 }, [50, 500], [1_000, 1_000], true],
  ['one token for all of it', { prompt_tokens: 50, completion_tokens: 1 }, [50, 50], [1_000, 1_000], true],
  [
    'reasoning in the total only',
    { prompt_tokens: 50, completion_tokens: 900, total_tokens: 1_950 },
    [50, 50],
    [1_900, 1_900],
    false,
  ],
  ["Anthropic's names", { input_tokens: 50, output_tokens: 900 }, [50, 50], [900, 900], false],
]
for (const [what, usage, input, output, isEstimate] of figures) {
  test(`usage that is ${what}`, async (t) => {
    const handler = streamed(delta({ content: 'x'.repeat(4_000) }), { ...delta({}, 'stop'), usage })
    const reply = await ask(t, handler)
    const isWithin = (value: number, [least, most]: [number, number]) => value >= least && value <= most
    assert.ok(isWithin(reply.inputTokens, input), `${reply.inputTokens} of the prompt`)
    assert.ok(isWithin(reply.outputTokens, output), `${reply.outputTokens} of the answer`)
    assert.equal(reply.usageIsEstimate, isEstimate)
  })
}

for (const field of ['reasoning', 'reasoning_content', 'thinking']) {
  test(`what is thought in ${field} counts, and is no answer`, async (t) => {
    const reply = await ask(
      t,
      streamed(delta({ [field]: 'hm '.repeat(400) }), delta({ content: 'ok' }, 'stop')),
    )
    assert.deepEqual([reply.text, reply.outputTokens], ['ok', 301])
  })
}

test('a call that was cut before its arguments is not one without arguments', async (t) => {
  const call = { tool_calls: [{ index: 0, id: 'a', function: { name: 'wipe', arguments: '' } }] }
  assert.equal(
    (await ask(t, streamed(delta(call), delta({}, 'length')))).toolCalls[0]?.argumentsText,
    '(cut off)',
  )
})

test('the same id, name and arguments twice are one call; without ids they are two', async (t) => {
  const call = (id: string) => ({ id, type: 'function', function: { name: 'pay', arguments: '{"n":1}' } })
  const answer =
    (id: string): Handler =>
    (_, r) =>
      json(r, 200, completion({ content: null, tool_calls: [call(id), call(id)] }, 'tool_calls'))
  assert.equal((await ask(t, answer('x'))).toolCalls.length, 1)
  assert.equal((await ask(t, answer(''))).toolCalls.length, 2)
})

test('a call of the older API', async (t) => {
  const handler = streamed(
    delta({ function_call: { name: 'look', arguments: '' } }),
    delta({ function_call: { arguments: '{"a":1}' } }, 'function_call'),
  )
  assert.deepEqual((await ask(t, handler)).toolCalls, [
    { id: 'call_0', name: 'look', argumentsText: '{"a":1}' },
  ])
})

test('a connection that is lost behind the end of the answer loses no answer', async (t) => {
  const reply = await ask(t, (_, response) => {
    events(response, [delta({ content: 'all of it' }, 'stop')], false)
    setImmediate(() => response.destroy())
  })
  assert.equal(reply.text, 'all of it')
})

test('a redirect is followed on the same host with its body, and nowhere else', async (t) => {
  const other = await startProvider(t, (_, response) =>
    json(response, 200, completion({ content: 'stolen' })),
  )
  const handler: Handler = ({ path, body }, response) => {
    if (path.startsWith('/v2')) return json(response, 200, completion({ content: String(body['model']) }))
    response.writeHead(307, { location: path.replace('/v1', '/v2') }).end()
  }
  assert.equal((await ask(t, handler)).text, 'm-1')
  const away: Handler = (_, response) =>
    response.writeHead(307, { location: `${other.url}/chat/completions` }).end()
  await assertFails(ask(t, away), 'MODEL_REQUEST_REFUSED', /307/)
  assert.equal(other.received.length, 0)
})
