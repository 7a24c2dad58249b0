// The routes for clients of OpenAI's API, through the real package and by hand: chat completions, responses, models.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import OpenAI, { APIError } from 'openai'
import { chatParameters, responseParameters, type Parameters } from '../../api/openai/parameters.ts'
import { chatCompletion } from '../../api/openai/chat.ts'
import { response as responseSchema } from '../../api/openai/responses.ts'
import type { Script } from '../../runtime/scripted-model/script.ts'
import { eventually } from '../conformance/waiting.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

const LONG = 'Ships 🚢 sail to Łódź. '.repeat(40)

/** Says what it was told, so that a test sees the conversation. */
const script: Script = ({ task, taskMark, observations }) => {
  if (taskMark !== null) return undefined
  if (/long/.test(task)) return { text: LONG }
  if (/price/.test(task)) return { text: '{"price": 3}' }
  return { text: [task, observations].filter(Boolean).join(' | ') }
}

let fleet: TestFleet
let client: OpenAI
before(async () => {
  const tools = { mode: 'tools' as const }
  const agents = {
    default: tools,
    open: { ...tools, showActivity: true, overrides: { temperature: true, instructions: true } },
    short: { ...tools, profile: 'short' },
  }
  const short = {
    models: ['scripted'],
    temperature: 0.2,
    maxSteps: 1,
    timeoutMs: 60_000,
    executor: 'default',
  }
  const models = { profiles: { short: { ...short, models: ['scripted/scripted'] } } }
  const limits = { rates: { userRequests: 2 }, budgets: { users: { spent: 100 } } }
  fleet = await startTestFleet({
    http: true,
    definition: { agents, limits, models },
    model: { script },
  })
  client = new OpenAI({ baseURL: `${fleet.process.url}/v1`, apiKey: 'none', maxRetries: 0 })
})
after(() => fleet.stop())

const model = 'flotilla/default'
const user = (content: string) => ({ role: 'user' as const, content })
const ask = (content: string) => ({ model, messages: [user(content)] })

async function post(path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${fleet.process.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  return {
    status: response.status,
    body: JSON.parse(text) as Record<string, unknown>,
    headers: response.headers,
  }
}

const taskIdOf = (id: string): string => id.replace(/^(chatcmpl|resp)[-_]/, '')

test('models: the agents, each also by an escaped and a bare name', async () => {
  const { data } = await client.models.list()
  assert.deepEqual(
    data.map(({ id }) => id),
    ['flotilla/default', 'flotilla/open', 'flotilla/short'],
  )
  assert.equal((await client.models.retrieve('flotilla/open')).id, 'flotilla/open')
  for (const name of ['flotilla/open', 'flotilla%2Fopen', 'open'])
    assert.equal((await fetch(`${fleet.process.url}/v1/models/${name}`)).status, 200)
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

test('a task is told by header; an idempotency key is its id, and repeats get the same answer', async () => {
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
      const body = JSON.stringify({ ...ask(`task=left latency=${keep ? 1_500 : 60_000}`), stream })
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
      const { status } = await fleet.client.result(id, { timeoutMs: 20_000 })
      assert.equal(status, keep ? 'succeeded' : 'cancelled')
    })

test('the header that keeps a task has two values', async () => {
  const { status } = await post('/v1/chat/completions', ask('x'), { 'flotilla-on-disconnect': 'perhaps' })
  assert.equal(status, 400)
})

test('a response, whole and retrieved', async () => {
  const created = await client.responses.create({
    model,
    input: 'hello',
    instructions: 'Be brief.',
    metadata: { order: '17' },
    user: 'bo',
  })
  assert.equal(created.output_text, 'From the application:\nBe brief.\n\nhello')
  assert.deepEqual(
    [created.status, created.instructions, created.metadata],
    ['completed', 'Be brief.', { order: '17' }],
  )
  const { output_text: _, ...retrieved } = await client.responses.retrieve(created.id)
  responseSchema.strict().parse(JSON.parse(JSON.stringify(retrieved)))
  const { output_text: __, ...whole } = created
  assert.deepEqual(retrieved, whole)
})

test('a conversation goes on behind previous_response_id, without its instructions', async () => {
  const first = await client.responses.create({ model, input: 'one', instructions: 'Be brief.' })
  const second = await client.responses.create({ model, input: 'two', previous_response_id: first.id })
  assert.equal(second.output_text, 'one | two')
  assert.equal(second.previous_response_id, first.id)
  const third = await client.responses.create({
    model,
    input: [{ role: 'developer', content: 'In French.' }, user('three')],
    previous_response_id: second.id,
  })
  assert.equal(third.output_text, 'one | two\nFrom the application:\nIn French.\n\nthree')
  await assert.rejects(
    client.responses.create({ model, input: 'x', previous_response_id: 'resp_none' }),
    /there is no response/,
  )
})

test('store: false can’t be read again', async () => {
  const { id } = await client.responses.create({ model, input: 'hello', store: false })
  await assert.rejects(client.responses.retrieve(id), (error: APIError) => error.status === 404)
  await assert.rejects(
    client.responses.create({ model, input: 'x', store: false, background: true }),
    /store/,
  )
})

type Event = { type: string; sequence_number: number; [field: string]: unknown }
async function eventsOf(stream: AsyncIterable<unknown>): Promise<Event[]> {
  const events: Event[] = []
  for await (const event of stream) events.push(event as Event)
  return events
}

test('a streamed response: typed events, numbered without a gap; the helper puts them together', async () => {
  const events = await eventsOf(await client.responses.create({ model, input: 'long', stream: true }))
  assert.deepEqual(
    events.map(({ sequence_number: at }) => at),
    events.map((_, at) => at),
  )
  const types = events.map(({ type }) => type).filter((type, at, all) => type !== all[at - 1])
  assert.deepEqual(types, [
    'response.created',
    'response.in_progress',
    'response.output_item.added',
    'response.content_part.added',
    'response.output_text.delta',
    'response.output_text.done',
    'response.content_part.done',
    'response.output_item.done',
    'response.completed',
  ])
  const text = events
    .map((event) => (event.type === 'response.output_text.delta' ? event['delta'] : ''))
    .join('')
  assert.equal(text, LONG.trim())
  const helped = await client.responses.stream({ model, input: 'long' }).finalResponse()
  assert.equal(helped.output_text, LONG.trim())
})

test('a background response: polled, and its stream read again from any number, the same each time', async () => {
  const created = await client.responses.create({ model, input: 'task=later latency=300', background: true })
  assert.equal(created.status, 'queued')
  const live = await eventsOf(await client.responses.retrieve(created.id, { stream: true }))
  const response = await client.responses.retrieve(created.id)
  assert.deepEqual(
    [response.status, response.output_text, response.background],
    ['completed', 'done later', true],
  )
  assert.deepEqual(await eventsOf(await client.responses.retrieve(created.id, { stream: true })), live)
  for (const after of [0, 1, 4, live.length - 2])
    assert.deepEqual(
      await eventsOf(await client.responses.retrieve(created.id, { stream: true, starting_after: after })),
      live.slice(after + 1),
    )
  assert.equal((live.at(-1) as { type: string }).type, 'response.completed')
})

test('a background stream that breaks off goes on elsewhere, and its task was not cancelled', async () => {
  const stream = await client.responses.create({
    model,
    input: 'task=broken-off latency=500',
    background: true,
    stream: true,
  })
  const [first] = await (async () => {
    for await (const event of stream) return [event as Event]
    return []
  })()
  assert.equal(first?.type, 'response.created')
  const { id } = first?.['response'] as { id: string }
  const rest = await eventsOf(await client.responses.retrieve(id, { stream: true, starting_after: 0 }))
  assert.deepEqual([rest[0]?.sequence_number, rest.at(-1)?.type], [1, 'response.completed'])
})

test('a background response is cancelled by a request without a body', async () => {
  const { id } = await client.responses.create({ model, input: 'task=stop latency=60000', background: true })
  const cancelled = await client.responses.cancel(id)
  assert.equal(cancelled.status, 'cancelled')
  assert.equal((await client.responses.retrieve(id)).status, 'cancelled')
  const events = await eventsOf(await client.responses.retrieve(id, { stream: true }))
  assert.equal(events.at(-1)?.type, 'response.incomplete')
})

test('a failed response says why; a refused one is an error', async () => {
  const failed = await client.responses.create({ model, input: 'task=broken fault=401' })
  assert.deepEqual([failed.status, failed.error?.code], ['failed', 'server_error'])
  const stream = await client.responses.create({ model, input: 'task=broken fault=401', stream: true })
  assert.equal((await eventsOf(stream)).at(-1)?.type, 'response.failed')
  for (const streamed of [false, true]) {
    const refused = await post('/v1/responses', { model, input: 'eval(1)', stream: streamed })
    assert.equal(refused.status, 400)
  }
})

const responseRefusals: [string, Record<string, unknown>, string][] = [
  [
    'an image',
    { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'x' }] }] },
    'input[0].content[0]',
  ],
  ['a call', { input: [{ type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' }] }, 'input[0]'],
  ['a reference', { input: [{ type: 'item_reference', id: 'a' }] }, 'input[0]'],
  ['a conversation', { conversation: 'c' }, 'conversation'],
  ['reasoning effort', { reasoning: { effort: 'high' } }, 'reasoning'],
  ['truncation', { truncation: 'auto' }, 'truncation'],
  ['an unknown parameter', { max_tokens: 5 }, 'max_tokens'],
  ['no input', { input: null }, 'input'],
  ['a role', { input: [{ role: 'wizard', content: 'x' }] }, 'input'],
]
for (const [what, body, param] of responseRefusals)
  test(`a response is refused: ${what}`, async () => {
    const { status, body: answer } = await post('/v1/responses', { model, input: 'x', ...body })
    const { error } = answer as { error: { param: string | null } }
    assert.equal(status, 400, JSON.stringify(answer))
    assert.ok(error.param?.startsWith(param), JSON.stringify(answer))
  })

test('what can’t be a response, or asked of one, is refused', async () => {
  const get = async (path: string) => {
    const response = await fetch(`${fleet.process.url}/v1/responses/${path}`)
    return { status: response.status, ...((await response.json()) as { error: { param: string } }) }
  }
  for (const id of ['none', 'resp_', 'resp_none', 'resp_a%20b']) assert.equal((await get(id)).status, 404)
  const { id } = await client.responses.create({ model, input: 'hello' })
  for (const [query, param] of [
    ['stream=perhaps', 'stream'],
    ['starting_after=1', 'starting_after'],
    ['stream=true&starting_after=x', 'starting_after'],
    ['include=x', 'include'],
  ]) {
    const { status, error } = await get(`${id}?${query}`)
    assert.deepEqual([status, error.param], [400, param])
  }
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
    const { error } = (await response.json()) as { error: Record<string, unknown> }
    assert.equal(response.status, status)
    assert.deepEqual(Object.keys(error), ['message', 'type', 'param', 'code'])
  }
})
