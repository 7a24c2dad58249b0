// Models and chat completions for clients of OpenAI's API, through the real package and by hand.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type OpenAI from 'openai'
import type { APIError } from 'openai'
import { chatCompletion } from '../../api/openai/chat.ts'
import { model as modelSchema, modelList, openaiError } from '../../api/openai/fields.ts'
import { chatParameters, responseParameters, type Parameters } from '../../api/openai/parameters.ts'
import { eventually } from '../conformance/waiting.ts'
import type { TestFleet } from '../support/fleet.ts'
import { ask, LONG, model, startOpenAiFleet, user, type OpenAiFleet } from './openai-fleet.ts'

let openAi: OpenAiFleet
let fleet: TestFleet
let client: OpenAI
before(async () => {
  openAi = await startOpenAiFleet()
  ;({ fleet, client } = openAi)
})
after(() => fleet.stop())

const post: OpenAiFleet['post'] = (...given) => openAi.post(...given)

const taskIdOf = (id: string): string => id.replace(/^chatcmpl-/, '')

test('models: the agents, each also by an escaped and a bare name', async () => {
  modelList.parse(await (await fetch(`${fleet.process.url}/v1/models`)).json())
  const { data } = await client.models.list()
  assert.deepEqual(
    data.map(({ id }) => id),
    ['flotilla/default', 'flotilla/open', 'flotilla/short'],
  )
  assert.equal((await client.models.retrieve('flotilla/open')).id, 'flotilla/open')
  for (const name of ['flotilla/open', 'flotilla%2Fopen', 'open'])
    modelSchema.parse(await (await fetch(`${fleet.process.url}/v1/models/${name}`)).json())
  await assert.rejects(client.models.retrieve('flotilla/none'), (error: APIError) => {
    assert.deepEqual([error.status, error.code, error.param], [404, 'model_not_found', 'model'])
    assert.match(error.message, /flotilla\/default, flotilla\/open/)
    return true
  })
})

test('a chat completion, whole', async () => {
  const completion = await client.chat.completions.create({
    ...ask('hello'),
    user: 'ann',
    metadata: { a: 'b' },
  })
  chatCompletion.parse(completion)
  assert.equal(completion.choices[0]?.message.content, 'hello')
  assert.equal(completion.choices[0]?.finish_reason, 'stop')
  assert.equal(completion.model, model)
  assert.ok((completion.usage?.total_tokens ?? 0) > 0)
  const result = await fleet.client.find(taskIdOf(completion.id))
  assert.deepEqual([result?.userId, result?.agent], ['ann', 'default'])
  const submitted = await fleet.client.submission(taskIdOf(completion.id))
  assert.deepEqual(submitted?.task.metadata, { a: 'b' })
})

test('a chat completion, streamed: the role, the content in pieces, the reason, the usage, the end', async () => {
  const body = { ...ask('long'), stream: true, stream_options: { include_usage: true } }
  const response = await fetch(`${fleet.process.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/)
  const frames = (await response.text()).split('\n\n').filter((frame) => frame.startsWith('data: '))
  assert.equal(frames.pop(), 'data: [DONE]')
  type Chunk = { choices: { delta: Record<string, string>; finish_reason: string | null }[]; usage: unknown }
  const chunks = frames.map((frame) => JSON.parse(frame.slice(6)) as Chunk)
  assert.deepEqual(chunks[0]?.choices[0]?.delta, { role: 'assistant', content: '' })
  assert.equal(chunks.map(({ choices }) => choices[0]?.delta['content'] ?? '').join(''), LONG.trim())
  assert.ok(chunks.length > 5)
  assert.deepEqual([chunks.at(-2)?.choices[0]?.delta, chunks.at(-2)?.choices[0]?.finish_reason], [{}, 'stop'])
  assert.deepEqual(chunks.at(-1)?.choices, [])
  assert.ok(chunks.slice(0, -1).every(({ usage }) => usage === null))
  assert.ok(chunks.at(-1)?.usage)
})

test("the package's stream helper puts it together", async () => {
  const stream = client.chat.completions.stream(ask('long'))
  assert.equal(await stream.finalContent(), LONG.trim())
  const completion = await stream.finalChatCompletion()
  assert.equal(completion.choices[0]?.finish_reason, 'stop')
})

test("the package's parse gets JSON that fits its schema", async () => {
  const schema = {
    type: 'object',
    properties: { price: { type: 'number' } },
    required: ['price'],
    additionalProperties: false,
  }
  const completion = await client.chat.completions.parse({
    ...ask('price'),
    response_format: { type: 'json_schema', json_schema: { name: 'price', schema, strict: true } },
  })
  assert.deepEqual(completion.choices[0]?.message.parsed, { price: 3 })
  const response = await client.responses.parse({
    model,
    input: 'price',
    text: { format: { type: 'json_schema', name: 'price', schema, strict: true } },
  })
  assert.deepEqual(response.output_parsed, { price: 3 })
  assert.deepEqual(response.text?.format, { type: 'json_schema', name: 'price', schema, strict: true })
})

test('earlier messages are the history; a system message is text of the user unless the agent allows it', async () => {
  const messages = [
    { role: 'system' as const, content: 'Be brief.' },
    user('one'),
    { role: 'assistant' as const, content: 'first answer' },
    { role: 'user' as const, content: [{ type: 'text' as const, text: 'two' }] },
  ]
  const completion = await client.chat.completions.create({ model, messages })
  assert.equal(completion.choices[0]?.message.content, 'From the application:\nBe brief.\n\none | two')
  const allowed = await client.chat.completions.create({ model: 'open', messages })
  assert.equal(allowed.choices[0]?.message.content, 'one | two')
})

test('a header names the task; an idempotency key is its id, and repeats get the same answer', async () => {
  const key = { 'idempotency-key': 'order-17' }
  const first = await post('/v1/chat/completions', ask('task=once'), key)
  assert.equal(first.headers.get('flotilla-task-id'), 'order-17')
  const again = await post('/v1/chat/completions', ask('task=once'), key)
  assert.deepEqual((again.body['choices'] as unknown[])[0], (first.body['choices'] as unknown[])[0])
  const other = await post('/v1/chat/completions', ask('something else'), key)
  assert.deepEqual([other.status, (other.body['error'] as { code: string }).code], [409, 'task_id_reused'])
})

test('activity is reasoning text, for agents that show it', async () => {
  const asked = { model: 'open', messages: [user('task=shown')] }
  const shown = await client.chat.completions.create(asked)
  const message = shown.choices[0]?.message as { content: string; reasoning_content?: string }
  assert.deepEqual([message.content, message.reasoning_content], ['done shown', 'echo({"text":"hi"})\n'])
  let reasoning = ''
  let content = ''
  for await (const chunk of await client.chat.completions.create({ ...asked, stream: true })) {
    const delta = chunk.choices[0]?.delta as { content?: string; reasoning_content?: string }
    reasoning += delta.reasoning_content ?? ''
    content += delta.content ?? ''
  }
  assert.deepEqual([content, reasoning], ['done shown', 'echo({"text":"hi"})\n'])
  const hidden = await client.chat.completions.create(ask('task=hidden'))
  assert.equal('reasoning_content' in (hidden.choices[0]?.message ?? {}), false)
  const response = await client.responses.create({ model: 'open', input: 'task=shown' })
  assert.deepEqual(
    response.output.map(({ type }) => type),
    ['reasoning', 'message'],
  )
})

// Each with what it is about. The path says where.
const refusals: [string, Record<string, unknown>, string, RegExp][] = [
  ['an unknown parameter', { frobnicate: 1 }, 'frobnicate', /unknown parameter/],
  ['several results', { n: 2 }, 'n', /one result/],
  [
    'tools of the client',
    { tools: [{ type: 'function', function: { name: 'f' } }] },
    'tools',
    /flotilla\.config\.ts/,
  ],
  ['log probabilities', { logprobs: true }, 'logprobs', /no log probabilities/],
  ['audio', { modalities: ['text', 'audio'], audio: {} }, 'modalities', /only text/],
  ['stop sequences', { stop: ['x'] }, 'stop', /not supported/],
  ['a temperature that the agent keeps', { temperature: 1.5 }, '', /overrides\.temperature/],
  ['too long an answer', { max_tokens: 100_000 }, '', /4096 is the most/],
  ['a limit that is none', { max_tokens: 0 }, 'max_tokens', /max_tokens/],
  ['two limits', { max_tokens: 1, max_completion_tokens: 2 }, 'max_tokens', /differ/],
  ['a stream option', { stream_options: { x: 1 } }, 'stream_options', /x/],
  ['no messages', { messages: [] }, 'messages', /messages/],
  [
    'no message of the user at the end',
    { messages: [{ role: 'assistant', content: 'x' }] },
    'messages',
    /the user’s/,
  ],
  [
    'an image',
    { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] },
    'messages[0].content[0]',
    /only text/,
  ],
  [
    'a result of a tool',
    { messages: [{ role: 'tool', content: 'x', tool_call_id: 'a' }] },
    'messages[0].role',
    /tools/,
  ],
  [
    'a call of a tool',
    { messages: [{ role: 'assistant', content: null, tool_calls: [{ id: 'a' }] }] },
    'messages[0].tool_calls',
    /tools/,
  ],
  [
    'a name',
    { messages: [{ role: 'user', name: 'Ann', content: 'x' }] },
    'messages[0].name',
    /names of participants/,
  ],
  ['metadata that is no text', { metadata: { a: 1 } }, 'metadata.a', /string/],
  ['reserved metadata', { metadata: { 'openai.store': 'x' } }, 'metadata', /reserved/],
  ['a forbidden pattern', { messages: [user('eval(1)')] }, '', /forbidden/],
  [
    'a broken schema',
    { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 5 } } } },
    '',
    /outputSchema/,
  ],
]
for (const [what, body, param, message] of refusals)
  test(`refused with a reason: ${what}`, async () => {
    for (const stream of [false, true]) {
      const { status, body: answer } = await post('/v1/chat/completions', { ...ask('x'), stream, ...body })
      const { error } = answer as {
        error: { message: string; type: string; param: string | null; code: string }
      }
      assert.deepEqual([status, error.type], [400, 'invalid_request_error'], JSON.stringify(answer))
      assert.equal(error.param ?? '', param)
      assert.match(error.message, message)
    }
  })

/** A value that asks for something special, of each parameter that is refused or neutral. */
function special(name: string): unknown {
  const values: Record<string, unknown> = { n: 3, top_p: 0.5, store: true, tools: [{}], functions: [{}] }
  return values[name] ?? { special: [{ x: 1 }] }
}
const tables: [string, Parameters, Record<string, unknown>][] = [
  ['/v1/chat/completions', chatParameters, ask('x')],
  ['/v1/responses', responseParameters, { model, input: 'x' }],
]
for (const [path, table, body] of tables)
  test(`${path}: nothing that the table refuses is accepted, and nothing is ignored`, async () => {
    for (const [name, support] of Object.entries(table)) {
      if (support.is !== 'refused' && support.is !== 'neutral') continue
      const { status, body: answer } = await post(path, { ...body, [name]: special(name) })
      const { error } = answer as { error: { param: string; code: string } }
      assert.deepEqual([status, error.param], [400, name])
      assert.match(error.code, /^unsupported_/)
      assert.equal(
        (await post(path, { ...body, [name]: null, max_tokens: 0 })).status,
        400,
        `${name}: null is absent`,
      )
    }
  })

test('a limit on the way is a length; a failed model is an error that no client repeats', async () => {
  const cut = await client.chat.completions.create({ model: 'short', messages: [user('task=steps')] })
  assert.deepEqual([cut.choices[0]?.finish_reason, cut.choices[0]?.message.content], ['length', ''])
  const response = await client.responses.create({ model: 'short', input: 'task=steps' })
  assert.deepEqual(
    [response.status, response.incomplete_details],
    ['incomplete', { reason: 'max_output_tokens' }],
  )
  const failed = await post('/v1/chat/completions', ask('task=broken fault=401'))
  assert.equal(failed.status, 500)
  assert.equal(failed.headers.get('x-should-retry'), 'false')
  assert.match((failed.body['error'] as { message: string }).message, /401|key/)
})

test('a limit of requests is a 429 with Retry-After', async () => {
  const body = { ...ask('hello'), user: 'hasty' }
  for (let at = 0; at < 2; at++) assert.equal((await post('/v1/chat/completions', body)).status, 200)
  for (const stream of [false, true]) {
    const { status, body: answer, headers } = await post('/v1/chat/completions', { ...body, stream })
    const { error } = answer as { error: { type: string; code: string } }
    assert.deepEqual([status, error.type, error.code], [429, 'rate_limit_error', 'rate_limit_exceeded'])
    assert.ok(Number(headers.get('retry-after')) > 0)
  }
  const spent = await post('/v1/responses', { model, input: 'hello', user: 'spent' })
  assert.deepEqual(
    [spent.status, (spent.body['error'] as { code: string }).code],
    [429, 'insufficient_quota'],
  )
})

for (const stream of [false, true])
  for (const keep of [false, true])
    test(`a client that leaves ${keep ? 'keeps its task if it asked for it' : 'cancels its task'}, stream ${stream}`, async () => {
      const id = `leaving-${stream}-${keep}`
      const headers = {
        'content-type': 'application/json',
        'idempotency-key': id,
        ...(keep ? { 'flotilla-on-disconnect': 'continue' } : {}),
      }
      const leave = new AbortController()
      openAi.answers.hold(id)
      const body = JSON.stringify({ ...ask(`task=${id}`), stream })
      const url = `${fleet.process.url}/v1/chat/completions`
      const asked = fetch(url, { method: 'POST', headers, body, signal: leave.signal }).then((answer) =>
        answer.text(),
      )
      await eventually('the model is asked', () => {
        const { received, answered, aborted } = fleet.model.stats()
        return received > answered + aborted
      })
      leave.abort()
      await assert.rejects(asked)
      if (keep) openAi.answers.release(id)
      const { status } = await fleet.client.result(id, { timeoutMs: 120_000 })
      assert.equal(status, keep ? 'succeeded' : 'cancelled')
    })

test('of two clients that wait for one task, one leaves: the other gets its answer', async () => {
  const headers = { 'content-type': 'application/json', 'idempotency-key': 'left-by-one' }
  const body = JSON.stringify({ ...ask('task=both'), stream: true })
  const url = `${fleet.process.url}/v1/chat/completions`
  const leave = new AbortController()
  // Each has its first events while the model works on the second step.
  openAi.answers.hold('both', 1)
  const follow = (signal: AbortSignal | null) => fetch(url, { method: 'POST', headers, body, signal })
  const [first, second] = await Promise.all([follow(leave.signal), follow(null)])
  leave.abort()
  await assert.rejects(first.text())
  openAi.answers.release('both')
  assert.match(await second.text(), /done both[^]*\[DONE\]/)
})

test('the header that keeps a task has two values', async () => {
  const { status } = await post('/v1/chat/completions', ask('x'), { 'flotilla-on-disconnect': 'perhaps' })
  assert.equal(status, 400)
})

test('every mistake has the shape of OpenAI’s errors', async () => {
  const wrong = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' }
  const noJson = { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'x' }
  const bare = { method: 'POST' }
  for (const [init, status] of [
    [wrong, 400],
    [noJson, 415],
    [bare, 415],
  ] as const) {
    const response = await fetch(`${fleet.process.url}/v1/chat/completions`, init)
    assert.equal(response.status, status)
    openaiError.strict().parse(await response.json())
  }
})
