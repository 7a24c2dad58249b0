// The Responses API, through OpenAI's package and by hand.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type OpenAI from 'openai'
import type { APIError } from 'openai'
import { response as responseSchema } from '../../api/openai/responses.ts'
import type { TestFleet } from '../support/fleet.ts'
import { LONG, model, startOpenAiFleet, user, type OpenAiFleet } from './openai-fleet.ts'

let openAi: OpenAiFleet
let fleet: TestFleet
let client: OpenAI
before(async () => {
  openAi = await startOpenAiFleet()
  ;({ fleet, client } = openAi)
})
after(() => fleet.stop())

const post: OpenAiFleet['post'] = (...given) => openAi.post(...given)

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
    ({ message, param }: APIError) =>
      message.includes('there is no response') && param === 'previous_response_id',
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
