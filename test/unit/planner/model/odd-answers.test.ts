// Bodies that no specification allows and some server sends: each is read as meant, or fails with words that show
// what came.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import zlib from 'node:zlib'
import { FlotillaError, type ErrorCode } from '../../../../runtime/errors.ts'
import type { ModelReply, ModelTool } from '../../../../services/planner/call.ts'
import { callContext, callerFor, completion, delta, request, startProvider } from './provider-server.ts'
import { ownMs } from '../../../support/own-time.ts'

const tools: ModelTool[] = [
  { type: 'function', function: { name: 'look', description: 'Looks.', parameters: { type: 'object' } } },
]

async function ask(
  t: TestContext,
  body: string | Buffer,
  headers: Record<string, string> = {},
): Promise<ModelReply> {
  const server = await startProvider(t, (_, response) => response.writeHead(200, headers).end(body))
  return await callerFor({ test: { baseUrl: server.url } })(request({ stream: true, tools }), callContext())
}

const text = (value: unknown): string => JSON.stringify(value)
const stream = (...chunks: unknown[]): string =>
  [...chunks.map((chunk) => `data: ${text(chunk)}`), 'data: [DONE]', ''].join('\n\n')
const hello = [delta({ content: 'hel' }), delta({ content: 'lo' }, 'stop')]
const unfinished = delta({ content: 'hello' })
const choice = (index: number, content: string, finish_reason: string | null = null) => ({
  index,
  delta: { content },
  finish_reason,
})

const answers: [what: string, body: string | Buffer, headers?: Record<string, string>][] = [
  [
    'events that end with a single line end',
    `${hello.map((chunk) => `data: ${text(chunk)}\n`).join('')}data: [DONE]\n`,
  ],
  ['two chunks in one event', `data: ${hello.map(text).join('')}\n\ndata: [DONE]\n\n`],
  ['the field name twice', hello.map((chunk) => `data: data: ${text(chunk)}\n\n`).join('')],
  ['lines of JSON', `${hello.map(text).join('\n')}\n`],
  ['a JSON text sequence', hello.map((chunk) => `\u001E${text(chunk)}\n`).join('')],
  ['words that are no failure', `data: ping\n\ndata: keep-alive\n\n${stream(...hello)}data: an error\n\n`],
  ['a list of chunks', text(hello)],
  ['a list of one completion', text([completion({ content: 'hello' })])],
  ['a completion with [DONE] behind it', `${text(completion({ content: 'hello' }))}\n\ndata: [DONE]\n\n`],
  ['two byte order marks', `\uFEFF\uFEFF${text(completion({ content: 'hello' }))}`],
  ['NaN', stream(...hello).replace('"index":0', '"index":0,"logprobs":[NaN,-Infinity]')],
  [
    'the choices of two answers',
    stream(
      { choices: [choice(1, 'other'), choice(0, 'hel')] },
      { choices: [choice(1, 's', 'stop')] },
      { choices: [choice(0, 'lo', 'stop')] },
    ),
  ],
  ['choices that are no list', stream({ choices: choice(0, 'hello', 'stop') })],
  ['the text of the older API', stream({ choices: [{ index: 0, text: 'hello', finish_reason: 'stop' }] })],
  ['a message that is text', text({ choices: [{ message: 'hello', finish_reason: 'stop' }] })],
  ['one part of content', text(completion({ content: { type: 'text', text: { value: 'hello' } } }))],
  ['a byte order mark before each event', hello.map((chunk) => `\uFEFFdata: ${text(chunk)}\n\n`).join('')],
  ['U+0000 before each event', hello.map((chunk) => `\0data: ${text(chunk)}\n\n`).join('')],
  [
    'lines that are indented, or in capitals',
    ` data: ${text(hello[0])}\n\nDATA : ${text(hello[1])}\n\ndata: [DONE]`,
  ],
  ...['[done]', '"[DONE]"', 'DONE'].map((end): [string, string] => [
    `the end as ${end}`,
    `data: ${text(unfinished)}\n\ndata: ${end}\n\n`,
  ]),
  ['the end as the name of an event', `data: ${text(unfinished)}\n\nevent: done\ndata: {}\n\n`],
  ['gzip that is not named', zlib.gzipSync(stream(...hello))],
  ['gzip that is named and is none', stream(...hello), { 'content-encoding': 'gzip' }],
  [
    'UTF-16',
    Buffer.from(`\uFEFF${text(completion({ content: 'hello' }))}`, 'utf16le'),
    { 'content-type': 'application/json; charset=utf-16' },
  ],
  ...['br', 'zstd', 'br, gzip'].map((encoding): [string, string, Record<string, string>] => [
    `${encoding} that is named and is none`,
    stream(...hello),
    { 'content-encoding': encoding },
  ]),
  ['zstd that is not named', zlib.zstdCompressSync(stream(...hello))],
  ['gzip that is named br', zlib.gzipSync(stream(...hello)), { 'content-encoding': 'br' }],
  ['zstd that is named gzip', zlib.zstdCompressSync(stream(...hello)), { 'content-encoding': 'gzip' }],
  ['zlib that is named gzip', zlib.deflateSync(stream(...hello)), { 'content-encoding': 'gzip' }],
  [
    'brotli behind much that is the same',
    zlib.brotliCompressSync(`${' '.repeat(5_000_000)}${stream(...hello)}`),
    { 'content-encoding': 'br' },
  ],
  [
    'a message beside an empty piece',
    stream({ choices: [{ index: 0, delta: {}, message: { content: 'hello' }, finish_reason: 'stop' }] }),
  ],
  ['deflate without a header', zlib.deflateRawSync(stream(...hello)), { 'content-encoding': 'deflate' }],
  ['deflate with a header', zlib.deflateSync(stream(...hello)), { 'content-encoding': 'deflate' }],
]
for (const [what, body, headers] of answers) {
  test(`read as meant: ${what}`, async (t) => {
    assert.equal((await ask(t, body, headers)).text, 'hello')
  })
}

const charsets: [what: string, bytes: Buffer, charset: string][] = [
  ['Latin-1', Buffer.from('h\u00e9llo', 'latin1'), 'ISO-8859-1'],
  ['Latin-1 that is named and is none', Buffer.from('h\u00e9llo'), '"iso-8859-1"'],
  ['GBK', Buffer.from([0x68, 0xa8, 0xa6, 0x6c, 0x6c, 0x6f]), 'gbk'],
  ['an unknown charset', Buffer.from('h\u00e9llo'), 'klingon'],
]
for (const [what, bytes, charset] of charsets) {
  test(`read as meant: ${what}`, async (t) => {
    const [before, after] = text(completion({ content: '|' }))
      .split('|')
      .map(Buffer.from)
    assert.ok(before && after)
    const server = await startProvider(t, (_, response) => {
      response.writeHead(200, { 'content-type': `application/json; charset=${charset}` })
      for (const byte of Buffer.concat([before, bytes, after])) response.write(Buffer.of(byte))
      response.end()
    })
    const call = callerFor({ test: { baseUrl: server.url } })
    assert.equal((await call(request({ stream: true, tools }), callContext())).text, 'h\u00e9llo')
  })
}

test('line ends within a string are text', async (t) => {
  const body = text(completion({ content: 'a|b' })).replace('|', '\n\t')
  assert.equal((await ask(t, body)).text, 'a\n\tb')
})

test('usage in text counts', async (t) => {
  const usage = { prompt_tokens: '12', completion_tokens: '3' }
  const reply = await ask(t, stream(...hello, { choices: [], usage }))
  assert.deepEqual([reply.inputTokens, reply.outputTokens, reply.usageIsEstimate], [12, 3, false])
})

const piece = (wanted: Record<string, unknown>, more: Record<string, unknown> = { index: 0, id: 'a' }) =>
  delta({ tool_calls: [{ ...more, function: wanted }] })
const end = delta({}, 'tool_calls')
const calls: [what: string, body: string][] = [
  [
    'empty arguments first',
    stream(
      piece({ name: 'look', arguments: {} }),
      piece({ arguments: '{"x"' }),
      piece({ arguments: ':1}' }),
      end,
    ),
  ],
  [
    'each piece with all before it',
    stream(...['{"x"', '{"x":1', '{"x":1}'].map((all) => piece({ name: 'look', arguments: all })), end),
  ],
  [
    'a call that is no list',
    stream(
      delta({ tool_calls: { id: 'a', function: { name: 'look', arguments: '{"x":1}' } } }, 'tool_calls'),
    ),
  ],
  [
    'empty entries beside it',
    stream(
      delta({ tool_calls: [null, {}, { id: 'a', function: { name: 'look', arguments: '{"x":1}' } }] }),
      end,
    ),
  ],
  [
    'the name in place of the function',
    stream(delta({ tool_calls: [{ id: 'a', function: 'look', arguments: '{"x":1}' }] }), end),
  ],
  [
    "Anthropic's part of the content",
    text(completion({ content: [{ type: 'tool_use', id: 'a', name: 'look', input: { x: 1 } }] }, 'tool_use')),
  ],
  [
    'the arguments before the name',
    stream(piece({ arguments: '{"x":1}' }), piece({ name: 'look' }, { index: 0 }), end),
  ],
  [
    'a custom tool',
    stream(
      delta({ tool_calls: [{ id: 'a', type: 'custom', custom: { name: 'look', input: '{"x":1}' } }] }),
      end,
    ),
  ],
  [
    'text and call as two choices',
    text({
      choices: [
        { message: { content: 'I look.' }, finish_reason: 'tool_calls' },
        {
          message: { tool_calls: [{ id: 'a', function: { name: 'look', arguments: '{"x":1}' } }] },
          finish_reason: 'tool_calls',
        },
      ],
    }),
  ],
  ['args', stream(piece({ name: 'look', args: { x: 1 } }), end)],
]
for (const [what, body] of calls) {
  test(`one call: ${what}`, async (t) => {
    const { toolCalls } = await ask(t, body)
    assert.deepEqual(toolCalls, [{ id: 'a', name: 'look', argumentsText: '{"x":1}' }])
  })
}

test('arguments as an object keep all digits', async (t) => {
  const body = stream(piece({ name: 'look', arguments: { id: 1 } }), end).replace(
    '"id":1',
    '"id":12345678901234567890',
  )
  assert.equal((await ask(t, body)).toolCalls[0]?.argumentsText, '{"id":"12345678901234567890"}')
})

const failures: [
  what: string,
  body: string | Buffer,
  gives: ErrorCode,
  says: RegExp,
  headers?: Record<string, string>,
][] = [
  [
    'a login page',
    '<!doctype html><title>Sign in</title>',
    'MODEL_ANSWER_MALFORMED',
    /not JSON.*<title>Sign in/,
  ],
  ['words', 'no healthy upstream', 'MODEL_ANSWER_MALFORMED', /no healthy upstream/],
  [
    'words that are packed, with something behind them',
    Buffer.concat([zlib.deflateSync('no healthy upstream'), Buffer.from('!')]),
    'MODEL_ANSWER_MALFORMED',
    /no healthy upstream/,
    { 'content-encoding': 'deflate' },
  ],
  [
    'words of a proxy in the middle',
    `data: ${text(hello[0])}\n\ndata: Internal Server Error\n\ndata: [DONE]\n\n`,
    'MODEL_UNAVAILABLE',
    /Internal Server Error/,
  ],
  [
    'a page of a proxy in the middle',
    `data: ${text(hello[0])}\n\n<html><h1>502 Bad Gateway</h1></html>\n\ndata: [DONE]\n\n`,
    'MODEL_UNAVAILABLE',
    /Bad Gateway/,
  ],
  [
    'a refusal as a part of the content',
    text(completion({ content: [{ type: 'refusal', refusal: 'I will not.' }] })),
    'MODEL_CONTENT_FILTERED',
    /I will not/,
  ],
  ['another object', '{"job":"j1","state":"queued"}', 'MODEL_ANSWER_MALFORMED', /with job, state/],
  ['lines of JSON that were cut', `${text(hello[0])}\n`, 'MODEL_UNAVAILABLE', /cut/],
  [
    'a chunk that was cut within lines of JSON',
    hello.map(text).join('\n').slice(0, -5),
    'MODEL_ANSWER_MALFORMED',
    /not JSON/,
  ],
  [
    'a call that was announced',
    stream(delta({ content: 'Let me look.' }), end),
    'MODEL_ANSWER_MALFORMED',
    /sent none/,
  ],
  [
    'very many calls',
    stream(
      delta({
        tool_calls: Array.from({ length: 20_000 }, (_, index) => ({
          index,
          id: `c${index}`,
          function: { name: 'look', arguments: '{}' },
        })),
      }),
      end,
    ),
    'MODEL_ANSWER_MALFORMED',
    /more than 1000 tool calls/,
  ],
  [
    'what is not gzip',
    Buffer.concat([Buffer.of(0x1f), Buffer.from(stream(...hello))]),
    'MODEL_ANSWER_MALFORMED',
    /not packed as its content-encoding/,
    { 'content-encoding': 'gzip' },
  ],
  [
    'an error that is nested deep',
    `{"error":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
    'MODEL_UNAVAILABLE',
    /deeply nested/,
  ],
  [
    'arguments that are nested deep',
    `{"choices":[{"message":{"tool_calls":[{"function":{"name":"look","arguments":${'['.repeat(20_000)}${']'.repeat(20_000)}}}]}}]}`,
    'MODEL_ANSWER_MALFORMED',
    /nested more than 1000 levels/,
  ],
  [
    'a chunk that is nested deep',
    `data: {"choices":[{"delta":{"content":${'['.repeat(20_000)}${']'.repeat(20_000)}}}]}\n\n`,
    'MODEL_ANSWER_MALFORMED',
    /nested more than 1000 levels/,
  ],
  [
    "MiniMax's error",
    text({ choices: null, base_resp: { status_code: 1008, status_msg: 'insufficient balance' } }),
    'MODEL_QUOTA_EXCEEDED',
    /balance/,
  ],
  [
    "Cloudflare's error",
    text({ success: false, result: null, errors: [{ code: 5007, message: 'No such model' }] }),
    'MODEL_UNAVAILABLE',
    /No such model/,
  ],
  [
    "DashScope's filter",
    stream({ code: 'DataInspectionFailed', message: 'inappropriate' }),
    'MODEL_CONTENT_FILTERED',
    /inappropriate/,
  ],
  [
    'a flag for an error',
    text({ error: true, message: 'too many requests' }),
    'MODEL_RATE_LIMITED',
    /too many/,
  ],
]
for (const [what, body, gives, says, headers] of failures) {
  test(`no answer: ${what}`, async (t) => {
    await assert.rejects(ask(t, body, headers), (error: unknown) => {
      assert.ok(error instanceof FlotillaError, String(error))
      assert.equal(error.code, gives, error.message)
      assert.match(error.message, says)
      return true
    })
  })
}

test('words that are not packed as named are shown with their status', async (t) => {
  const server = await startProvider(t, (_, response) =>
    response.writeHead(400, { 'content-encoding': 'br' }).end(text({ error: { message: 'no such voice' } })),
  )
  const asked = callerFor({ test: { baseUrl: server.url } })(request({ stream: true }), callContext())
  await assert.rejects(asked, { code: 'MODEL_REQUEST_REFUSED', message: /400 .*no such voice/ })
})

test('names, ids and what is attached to a call are bounded', async (t) => {
  const end = delta({}, 'tool_calls')
  const endless = [{ name: 'n'.repeat(400_001) }, { name: 'look' }].map((wanted, index) =>
    piece(wanted, { index: 0, id: index === 0 ? 'a' : 'i'.repeat(400_001) }),
  )
  const pieces = Array.from({ length: 401 }, (_, index) => piece({ name: `${index}${'n'.repeat(1_000)}` }))
  for (const chunks of [...endless.map((chunk) => [chunk]), pieces])
    await assert.rejects(ask(t, stream(...chunks, end)), {
      code: 'MODEL_ANSWER_MALFORMED',
      message: /more than 400000 characters of names and ids/,
      retryable: false,
    })
  const attached = { index: 0, id: 'a', extra_content: { google: 'x'.repeat(400_001) } }
  const { toolCalls } = await ask(t, stream(piece({ name: 'look', arguments: '{}' }, attached), end))
  assert.deepEqual(toolCalls, [{ id: 'a', name: 'look', argumentsText: '{}' }])
  const named = { ...delta({ content: 'hello' }, 'e'.repeat(1_000)), model: 'm'.repeat(1_000) }
  const { model, finishReason } = await ask(t, stream(named))
  assert.deepEqual([model.length, finishReason.length], [200, 200])
})

test('an answer that is too large is not asked for again: each would be paid', async (t) => {
  const calls = Array.from({ length: 1_001 }, () => ({ function: { name: 'look', arguments: '{}' } }))
  for (const large of [{ content: 'x'.repeat(4_000_001) }, { tool_calls: calls }])
    await assert.rejects(ask(t, text(completion(large))), {
      code: 'MODEL_ANSWER_MALFORMED',
      retryable: false,
    })
})

test('a refusal that is nested deep is a refusal all the same', async (t) => {
  const body = `{"error":{"message":${'['.repeat(20_000)}${']'.repeat(20_000)}}}`
  const server = await startProvider(t, (_, response) => response.writeHead(400).end(body))
  const asked = callerFor({ test: { baseUrl: server.url } })(request({ stream: true }), callContext())
  await assert.rejects(asked, { code: 'MODEL_REQUEST_REFUSED', message: /deeply nested/ })
})

test('blanks before an answer cost no more the longer they are', async (t) => {
  const blanks = ' '.repeat(30_000_000)
  const begunMs = ownMs()
  assert.equal((await ask(t, blanks + text(completion({ content: 'hello' })))).text, 'hello')
  // Kept and searched with each part they took minutes.
  assert.ok(ownMs() - begunMs < 20_000)
})
