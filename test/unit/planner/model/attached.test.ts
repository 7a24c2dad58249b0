// What a provider attaches to its calls goes back to it, and to nobody else: the planner's own stage and model caller, and a
// real server.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { drive, type StageDriver } from '../../../../runtime/testing/stage-driver.ts'
import { createPlannerStage } from '../../../../services/planner/stage.ts'
import { admitted, answerTool, asked, assertEnded, START } from '../task.ts'
import { fleetOf } from '../../router/fleet.ts'
import {
  callContext,
  callerFor,
  completion,
  delta,
  events,
  json,
  startProvider,
  type Handler,
  type Received,
} from './provider-server.ts'

const stage = createPlannerStage(fleetOf())
const call = { id: 'c', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Rome"}' } }
const signature = { google: { thought_signature: 'c2lnbmVk+/=' } }

type Said = Record<string, unknown> & { tool_calls: Record<string, unknown>[] }
const saidIn = ({ body }: Received): Said =>
  (body['messages'] as Said[]).find((message) => message['role'] === 'assistant') as Said

/** Two steps: a call, whose answer is the server's first, and the end. Returns what the second request had of the first answer. */
async function run(
  t: TestContext,
  models: string[],
  first: Handler,
  then: Handler = (_, response) => json(response, 200, completion({ content: 'Warm.' })),
) {
  let asks = 0
  const provider = await startProvider(t, (received, response) =>
    (asks++ === 0 ? first : then)(received, response),
  )
  const caller = callerFor({ one: { baseUrl: provider.url }, two: { baseUrl: provider.url } })
  const driver = drive(stage, { now: START })
  driver.send('tasks.admitted', 'TaskAdmitted', admitted({ mode: 'tools', models, timeoutMs: 600_000 }))
  const answer = async (driver: StageDriver) => {
    try {
      driver.answer(await caller(asked(driver), callContext()))
    } catch (error) {
      assert.ok(error instanceof FlotillaError, String(error))
      driver.fail(error.code)
      driver.advance(0)
    }
  }
  await answer(driver)
  answerTool(driver, 't1.1.0')
  for (let tries = 0; tries < 3 && driver.pendingCall !== null; tries++) await answer(driver)
  assertEnded(driver, 'succeeded', null)
  return provider.received.slice(1).map(saidIn)
}

const pieces: [
  who: string,
  chunks: unknown[],
  message: Record<string, unknown>,
  ofCall: Record<string, unknown>,
][] = [
  [
    'Gemini: a signature with the call',
    [delta({ tool_calls: [{ index: 0, ...call, extra_content: signature }] }, 'tool_calls')],
    {},
    { extra_content: signature },
  ],
  [
    'Gemini: one that comes behind the call, and one of the message',
    [
      delta({ tool_calls: [{ index: 0, ...call }] }),
      delta({ tool_calls: [{ index: 0, extra_content: signature }], extra_content: signature }, 'tool_calls'),
    ],
    { extra_content: signature },
    { extra_content: signature },
  ],
  [
    'OpenRouter: details in pieces',
    [
      delta({ reasoning_details: [{ type: 'reasoning.text', text: 'I ', index: 0, format: 'f' }] }),
      delta({ reasoning_details: [{ type: 'reasoning.text', text: 'think', index: 0, signature: 'abc' }] }),
      delta({ reasoning_details: [{ type: 'reasoning.encrypted', data: 'xyz', index: 1, id: 'c' }] }),
      delta({ tool_calls: [{ index: 0, ...call }] }, 'tool_calls'),
    ],
    {
      reasoning_details: [
        { type: 'reasoning.text', text: 'I think', index: 0, format: 'f', signature: 'abc' },
        { type: 'reasoning.encrypted', data: 'xyz', index: 1, id: 'c' },
      ],
    },
    {},
  ],
  [
    'LiteLLM before Claude: blocks in pieces, the signature with the last, and another block',
    [
      delta({ thinking_blocks: [{ type: 'thinking', thinking: 'I ', signature: null }] }),
      delta({ thinking_blocks: [{ type: 'thinking', thinking: 'think', signature: '' }] }),
      delta({ thinking_blocks: [{ type: 'thinking', thinking: '', signature: 'abc' }] }),
      delta({ thinking_blocks: [{ type: 'thinking', thinking: 'again', signature: null }] }),
      delta(
        { tool_calls: [{ index: 0, ...call, provider_specific_fields: { thought_signature: 's' } }] },
        'tool_calls',
      ),
    ],
    {
      thinking_blocks: [
        { type: 'thinking', thinking: 'I think', signature: 'abc' },
        { type: 'thinking', thinking: 'again', signature: null },
      ],
    },
    { provider_specific_fields: { thought_signature: 's' } },
  ],
  [
    'DeepSeek: its thoughts',
    [
      delta({ reasoning_content: 'I ' }),
      delta({ reasoning_content: 'think' }),
      delta({ tool_calls: [{ index: 0, ...call }] }, 'tool_calls'),
    ],
    { reasoning_content: 'I think' },
    {},
  ],
]

const plain = { role: 'assistant', content: null }
const plainCall = { id: 'call00000', type: 'function', function: call.function }

for (const [who, chunks, message, ofCall] of pieces) {
  test(`${who}: it goes back`, async (t) => {
    const [said] = await run(t, ['one/m'], (_, response) => events(response, chunks))
    assert.deepEqual(said, { ...plain, ...message, tool_calls: [{ ...plainCall, ...ofCall }] })
  })

  test(`${who}: another model is not sent it`, async (t) => {
    const gone: Handler = ({ body }, response) =>
      body['model'] === 'm'
        ? json(response, 404, { error: { message: 'gone' } })
        : json(response, 200, completion({ content: 'Warm.' }))
    const said = await run(t, ['one/m', 'two/n'], (_, response) => events(response, chunks), gone)
    assert.deepEqual(said.at(-1), { ...plain, tool_calls: [plainCall] })
  })
}

test('a whole answer has them too', async (t) => {
  const message = {
    content: null,
    reasoning_content: 'I think',
    tool_calls: [{ ...call, extra_content: signature }],
  }
  const [said] = await run(t, ['one/m'], (_, response) =>
    json(response, 200, completion(message, 'tool_calls')),
  )
  assert.deepEqual(said, {
    ...plain,
    reasoning_content: 'I think',
    tool_calls: [{ ...plainCall, extra_content: signature }],
  })
})

test('a server that refuses such a field is asked without it', async (t) => {
  const strict: Handler = (received, response) =>
    'reasoning_content' in saidIn(received)
      ? json(response, 400, {
          error: { message: "'messages.2' : property 'reasoning_content' is unsupported" },
        })
      : json(response, 200, completion({ content: 'Warm.' }))
  const [, said] = await run(
    t,
    ['one/m'],
    (_, response) => events(response, pieces.at(-1)?.[1] ?? []),
    strict,
  )
  assert.deepEqual(said, { ...plain, tool_calls: [plainCall] })
})

test("a later Gemini that goes on with another model's call is told so in its own way", async (t) => {
  const gone: Handler = ({ body }, response) =>
    body['model'] === 'm'
      ? json(response, 404, { error: { message: 'gone' } })
      : json(response, 200, completion({ content: 'Warm.' }))
  const said = await run(
    t,
    ['one/m', 'two/gemini-3-pro'],
    (_, response) => events(response, pieces.at(-1)?.[1] ?? []),
    gone,
  )
  const extra = { google: { thought_signature: 'skip_thought_signature_validator' } }
  assert.deepEqual(said.at(-1), { ...plain, tool_calls: [{ ...plainCall, extra_content: extra }] })
})
