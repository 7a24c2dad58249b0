// How long a call may take: limited by silence and by a total, whatever else the server sends meanwhile; and an answer that
// is complete does not wait for a connection that nobody closes.
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test, type TestContext } from 'node:test'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { verdictOf } from '../../../../runtime/breakers.ts'
import type { ModelSpend } from '../../../../services/planner/call.ts'
import {
  callContext,
  callerFor,
  completion,
  delta,
  events,
  request,
  startProvider,
  usage,
} from './provider-server.ts'

const asked = request({ stream: true })
const LONG_MS = 60_000
/** Long enough to connect and send on a machine that is busy with other tests. */
const IDLE_MS = 1_000

type Limits = { idleTimeoutMs?: number; timeoutMs?: number }

async function ask(t: TestContext, limits: Limits, answer: (response: ServerResponse) => void) {
  const provider = await startProvider(t, (_, response) => answer(response))
  const call = callerFor({ test: { baseUrl: provider.url, ...limits } })
  const beganMs = performance.now()
  try {
    return { reply: await call(asked, callContext()), ms: performance.now() - beganMs }
  } catch (error) {
    assert.ok(error instanceof FlotillaError, String(error))
    return { error, ms: performance.now() - beganMs }
  }
}

/** Writes these, one each `everyMs`, and never ends. */
function drip(response: ServerResponse, parts: readonly string[], everyMs: number, repeat = false): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  let at = 0
  const timer = setInterval(() => {
    const part = parts[repeat ? at++ % parts.length : at++]
    if (part === undefined) clearInterval(timer)
    else response.write(part)
  }, everyMs)
  response.on('close', () => clearInterval(timer))
}

const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`
const word = event(delta({ content: 'word ' }))

const silent: [what: string, answer: (response: ServerResponse) => void, received: RegExp, output: number][] =
  [
    ['no headers', () => {}, /before its answer began/, 0],
    ['headers and nothing else', (response) => events(response, [], false), /before its answer began/, 0],
    [
      'the beginning of an answer',
      (response) => events(response, [delta({ content: 'word '.repeat(80) })], false),
      /after about 100 tokens \(400 characters\)/,
      100,
    ],
    [
      'thoughts only',
      (response) => events(response, [delta({ reasoning_content: 'hmm '.repeat(10) })], false),
      /after about 10 tokens/,
      10,
    ],
    [
      'a tool call without its end',
      (response) =>
        events(
          response,
          [delta({ tool_calls: [{ index: 0, id: 'a', function: { name: 'look', arguments: '{"city":' } }] })],
          false,
        ),
      /after about 2 tokens/,
      2,
    ],
    [
      'keep-alives',
      (response) => drip(response, [': keep-alive\n\n', 'event: ping\ndata: {"type":"ping"}\n\n'], 20, true),
      /before its answer began/,
      0,
    ],
    [
      'half of a whole answer',
      (response) => void response.writeHead(200).write('{"choices":[{"message":{"content":"wo'),
      /before its answer began/,
      0,
    ],
  ]

for (const [what, answer, received, output] of silent)
  test(`silence ends a call that has brought ${what}, and what it brought is paid for`, async (t) => {
    const { error, ms } = await ask(t, { idleTimeoutMs: IDLE_MS, timeoutMs: LONG_MS }, answer)
    assert.equal(error?.code, 'MODEL_TIMEOUT')
    assert.equal(error.retryable, true)
    assert.equal(verdictOf(error), 'down')
    assert.match(error.message, /test sent nothing for 1 s \(model m-1\)/)
    assert.match(error.message, received)
    assert.match(error.message, /raise models\.providers\.test\.idleTimeoutMs/)
    const spend = error.details as ModelSpend
    assert.equal(spend.usageIsEstimate, true)
    assert.equal(spend.outputTokens, output)
    assert.ok(spend.inputTokens > 0, 'the prompt was read')
    assert.ok(ms < LONG_MS / 2)
  })

test('an answer that comes slower in all than the silence allows is taken', async (t) => {
  const { reply, ms } = await ask(t, { idleTimeoutMs: 3 * IDLE_MS }, (response) =>
    drip(
      response,
      [...Array(12).fill(word), event(delta({}, 'stop')), event({ choices: [], usage }), 'data: [DONE]\n\n'],
      300,
    ),
  )
  assert.equal(reply?.text, 'word '.repeat(12))
  assert.equal(reply.usageIsEstimate, false)
  assert.ok(ms > 3 * IDLE_MS)
})

test('one that never ends reaches the limit: no retry, and no sign that its server is down', async (t) => {
  const { error } = await ask(t, { idleTimeoutMs: LONG_MS, timeoutMs: 3_000 }, (response) =>
    drip(response, [word], 20, true),
  )
  assert.equal(error?.code, 'MODEL_TIMEOUT')
  assert.equal(error.retryable, false)
  assert.equal(verdictOf(error), 'up')
  assert.match(
    error.message,
    /did not finish within 3 s .* after about \d+ tokens .*raise models\.providers\.test\.timeoutMs/,
  )
  assert.ok((error.details as ModelSpend).outputTokens > 5)
})

const complete: [what: string, answer: (response: ServerResponse) => void, isEstimate: boolean][] = [
  [
    'a stream with usage',
    (response) => events(response, [delta({ content: 'hello' }, 'stop'), { choices: [], usage }], false),
    false,
  ],
  [
    'a stream without usage',
    (response) => events(response, [delta({ content: 'hello' }), delta({}, 'stop')], false),
    true,
  ],
  [
    'a stream behind which keep-alives go on',
    (response) =>
      drip(
        response,
        [event(delta({ content: 'hello' }, 'stop')), ...Array<string>(2_000).fill(': keep-alive\n\n')],
        10,
      ),
    true,
  ],
  [
    'a whole answer',
    (response) => void response.writeHead(200).write(JSON.stringify(completion({ content: 'hello' }))),
    false,
  ],
]

for (const [what, answer, isEstimate] of complete)
  test(`never closed: ${what} is done a moment later`, async (t) => {
    const { reply, error, ms } = await ask(t, {}, answer)
    assert.equal(error, undefined)
    assert.equal(reply?.text, 'hello')
    assert.equal(reply.usageIsEstimate, isEstimate)
    assert.ok(ms < 15_000, `${ms} ms`)
  })

test('a complete answer outlives a silence that is shorter than that moment', async (t) => {
  const { reply } = await ask(t, { idleTimeoutMs: IDLE_MS }, (response) =>
    events(response, [delta({ content: 'hello' }, 'stop')], false),
  )
  assert.equal(reply?.text, 'hello')
})

test('a whole answer counts where the connection breaks behind it', async (t) => {
  const { reply } = await ask(t, {}, (response) => {
    response.writeHead(200)
    response.write(JSON.stringify(completion({ content: 'hello' })), () => response.destroy())
  })
  assert.equal(reply?.text, 'hello')
})
