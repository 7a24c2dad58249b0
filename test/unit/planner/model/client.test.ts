// Long because every answer a provider can give has a test of its own, against one server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FlotillaError, type ErrorCode } from '../../../../runtime/errors.ts'
import type { Emit } from '../../../../runtime/stage.ts'
import {
  callContext,
  callerFor,
  completion,
  delta,
  events,
  json,
  request,
  startProvider,
  usage,
} from './provider-server.ts'

const failsWith = (code: ErrorCode, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof FlotillaError, String(error))
  assert.equal(error.code, code, error.message)
  assert.match(error.message, message)
  return true
}
const streamedText = (streamed: Emit[]) =>
  streamed.map((emit) => (emit.type === 'TokensStreamed' ? emit.data.text : '')).join('')

test('a whole completion: text, usage, the model that answered, and the headers that were sent', async (t) => {
  const server = await startProvider(t, (_, response) =>
    json(response, 200, completion({ content: 'Hello.' })),
  )
  const call = callerFor({ test: { baseUrl: server.url, keyEnv: 'TEST_KEY' } }, { TEST_KEY: 'secret' })
  assert.deepEqual(await call(request(), callContext()), {
    text: 'Hello.',
    toolCalls: [],
    inputTokens: 11,
    outputTokens: 7,
    usageIsEstimate: false,
    finishReason: 'stop',
    model: 'm-1',
    steered: [],
  })
  const [sent] = server.received
  assert.equal(sent?.path, '/v1/chat/completions')
  assert.equal(sent?.headers['authorization'], 'Bearer secret')
  assert.equal(sent?.headers['idempotency-key'], 'call-1')
  assert.match(sent?.headers['traceparent'] as string, /^00-1{32}-2{16}-01$/)
  assert.equal(sent?.body['max_tokens'], 100)
  assert.equal('tools' in (sent?.body ?? {}), false)
})

test('a stream: text in batches with step and sequence, usage from the last chunk', async (t) => {
  const words = ['Hel', 'lo', ', ', 'world', '.']
  const server = await startProvider(t, (_, response) =>
    events(response, [
      ...words.map((content) => delta({ content })),
      delta({}, 'stop'),
      { object: 'chat.completion.chunk', model: 'm-1', choices: [], usage },
    ]),
  )
  const streamed: Emit[] = []
  const reply = await callerFor({ test: { baseUrl: server.url } })(
    request({ stream: true }),
    callContext(streamed),
  )
  assert.equal(reply.text, 'Hello, world.')
  assert.deepEqual([reply.inputTokens, reply.outputTokens, reply.usageIsEstimate], [11, 7, false])
  assert.equal(streamedText(streamed), 'Hello, world.')
  assert.ok(streamed.length < words.length, 'batched')
  const [first] = streamed
  assert.ok(first?.type === 'TokensStreamed')
  const { attempt, ...data } = first.data
  assert.equal(first.topic, 'tasks.streaming')
  assert.deepEqual(data, { taskId: 'task-1', step: 3, sequence: 0, text: 'Hello, world.' })
  assert.match(attempt ?? '', /^[0-9a-f]{8}$/)
  assert.deepEqual(server.received[0]?.body['stream_options'], { include_usage: true })
})

test('a slow stream is passed on while it arrives', async (t) => {
  const server = await startProvider(t, (_, response) =>
    events(response, [delta({ content: 'first ' })], false),
  )
  const streamed: Emit[] = []
  const seen = Promise.withResolvers<void>()
  const context = { ...callContext(), stream: (emit: Emit) => (streamed.push(emit), seen.resolve()) }
  let open: { end(text: string): void } | undefined
  const before = server.handler
  server.handler = (received, response) => ((open = response), before(received, response))
  const reply = callerFor({ test: { baseUrl: server.url } })(request({ stream: true }), context)
  await seen.promise
  assert.equal(streamedText(streamed), 'first ')
  open?.end(`data: ${JSON.stringify(delta({ content: 'last' }, 'stop'))}\n\ndata: [DONE]\n\n`)
  assert.equal((await reply).text, 'first last')
  assert.equal(streamedText(streamed), 'first last')
})

test('servers that send no usage: tokens are estimated, and marked', async (t) => {
  const server = await startProvider(t, (_, response) =>
    events(response, [delta({ content: 'x'.repeat(400) }), delta({}, 'stop')]),
  )
  const reply = await callerFor({ test: { baseUrl: server.url } })(request({ stream: true }), callContext())
  assert.equal(reply.usageIsEstimate, true)
  assert.equal(reply.outputTokens, 100)
  assert.ok(reply.inputTokens > 5)
})

test('servers that take `stream` and answer whole', async (t) => {
  const server = await startProvider(t, (_, response) =>
    json(response, 200, completion({ content: 'whole' })),
  )
  const streamed: Emit[] = []
  const call = callerFor({ test: { baseUrl: server.url } })
  assert.equal((await call(request({ stream: true }), callContext(streamed))).text, 'whole')
  assert.equal(streamedText(streamed), 'whole')
})

const toolStreams: [string, unknown[]][] = [
  [
    'OpenAI: by index, arguments in pieces',
    [
      delta({
        tool_calls: [{ index: 0, id: 'a', type: 'function', function: { name: 'add', arguments: '' } }],
      }),
      delta({ tool_calls: [{ index: 0, function: { arguments: '{"x":' } }] }),
      delta({ tool_calls: [{ index: 1, id: 'b', function: { name: 'sub', arguments: '{}' } }] }),
      delta({ tool_calls: [{ index: 0, function: { arguments: '1}' } }] }),
      delta({}, 'tool_calls'),
    ],
  ],
  [
    'Ollama: whole calls, each with index 0',
    [
      delta({ tool_calls: [{ index: 0, id: 'a', function: { name: 'add', arguments: '{"x":1}' } }] }),
      delta(
        { tool_calls: [{ index: 0, id: 'b', function: { name: 'sub', arguments: '{}' } }] },
        'tool_calls',
      ),
    ],
  ],
  [
    'without an index, arguments as an object',
    [
      delta({ tool_calls: [{ id: 'a', function: { name: 'add', arguments: { x: 1 } } }] }),
      delta({ tool_calls: [{ id: 'b', function: { name: 'sub', arguments: {} } }] }, 'tool_calls'),
    ],
  ],
]
for (const [shape, chunks] of toolStreams) {
  test(`parallel tool calls in a stream, ${shape}`, async (t) => {
    const server = await startProvider(t, (_, response) => events(response, chunks))
    const tool = {
      type: 'function' as const,
      function: { name: 'add', description: 'Adds.', parameters: { type: 'object' } },
    }
    const call = callerFor({ test: { baseUrl: server.url } })
    const reply = await call(request({ stream: true, tools: [tool] }), callContext())
    assert.deepEqual(reply.toolCalls, [
      { id: 'a', name: 'add', argumentsText: '{"x":1}' },
      { id: 'b', name: 'sub', argumentsText: '{}' },
    ])
    assert.equal(reply.finishReason, 'tool_calls')
    assert.deepEqual(server.received[0]?.body['tools'], [tool])
  })
}

test('arguments that are not JSON are handed on as they were written', async (t) => {
  const message = {
    content: null,
    tool_calls: [{ type: 'function', function: { name: 'add', arguments: '{oops' } }],
  }
  const server = await startProvider(t, (_, response) =>
    json(response, 200, completion(message, 'tool_calls')),
  )
  const reply = await callerFor({ test: { baseUrl: server.url } })(request(), callContext())
  assert.deepEqual(reply.toolCalls, [{ id: 'call_0', name: 'add', argumentsText: '{oops' }])
})

for (const stream of [false, true]) {
  const how = stream ? 'streamed' : 'whole'
  const bad: [string, ErrorCode, RegExp, Parameters<typeof startProvider>[1]][] = [
    [
      'garbage',
      'MODEL_ANSWER_MALFORMED',
      /not JSON|not a chat completion/,
      (_, r) => json(r, 200, '{"choices": ['),
    ],
    [
      'a web page',
      'MODEL_ANSWER_MALFORMED',
      /not JSON|not a chat completion/,
      (_, r) => {
        r.writeHead(200, { 'content-type': 'text/html' })
        r.end('<html>It works</html>')
      },
    ],
    [
      'JSON of something else',
      'MODEL_ANSWER_MALFORMED',
      /not a chat completion/,
      (_, r) => json(r, 200, { ok: true }),
    ],
    ['a null', 'MODEL_ANSWER_MALFORMED', /not JSON|not a chat completion/, (_, r) => json(r, 200, 'null')],
    ['no choices', 'MODEL_ANSWER_MALFORMED', /./, (_, r) => json(r, 200, { choices: [] })],
    [
      'a filtered answer',
      'MODEL_CONTENT_FILTERED',
      /content filter/,
      (_, r) => json(r, 200, completion({ content: null }, 'content_filter')),
    ],
    [
      'a closed connection',
      'MODEL_UNAVAILABLE',
      /closed the connection without an answer/,
      (_, r) => r.destroy(),
    ],
  ]
  for (const [what, code, message, handler] of bad) {
    test(`${how}: ${what} is ${code}`, async (t) => {
      const server = await startProvider(t, handler)
      const promise = callerFor({ test: { baseUrl: server.url } })(request({ stream }), callContext())
      await assert.rejects(promise, (error: unknown) => {
        assert.ok(error instanceof FlotillaError)
        assert.match(error.code, new RegExp(`^${code}$`), error.message)
        assert.match(error.message, message)
        return true
      })
    })
  }
}

const cut: [string, ErrorCode, Parameters<typeof startProvider>[1]][] = [
  [
    'ends without a finish reason',
    'MODEL_UNAVAILABLE',
    (_, r) => {
      events(r, [delta({ content: 'half of' })], false)
      r.end()
    },
  ],
  [
    'loses its connection',
    'MODEL_UNAVAILABLE',
    (_, r) => {
      events(r, [delta({ content: 'half of' })], false)
      setTimeout(() => r.destroy(), 20)
    },
  ],
  [
    'turns into garbage',
    'MODEL_ANSWER_MALFORMED',
    (_, r) => events(r, [delta({ content: 'half' }), 'data: {"cho\n\n']),
  ],
  [
    'reports an overload',
    'MODEL_UNAVAILABLE',
    (_, r) =>
      events(r, [delta({ content: 'half' }), { error: { type: 'overloaded_error', message: 'Overloaded' } }]),
  ],
]
for (const [what, code, handler] of cut) {
  test(`a stream that ${what} in the middle is ${code}, and says what it used`, async (t) => {
    const server = await startProvider(t, handler)
    const promise = callerFor({ test: { baseUrl: server.url } })(request({ stream: true }), callContext())
    await assert.rejects(promise, (error: unknown) => {
      assert.ok(error instanceof FlotillaError)
      assert.equal(error.code, code, error.message)
      assert.ok((error.details as { outputTokens: number }).outputTokens >= 1)
      return true
    })
  })
}

test('nobody listens: MODEL_UNAVAILABLE with the address', async (t) => {
  const server = await startProvider(t, () => {})
  await server.stop()
  const call = callerFor({ test: { baseUrl: server.url } })
  await assert.rejects(
    call(request(), callContext()),
    failsWith(
      'MODEL_UNAVAILABLE',
      /http:\/\/127\.0\.0\.1:\d+\/v1 could not be reached \(ECONNREFUSED\): connect ECONNREFUSED/,
    ),
  )
})

for (const when of ['before the answer', 'in the middle of a stream'] as const) {
  test(`abort ${when} closes the connection and keeps the host's reason`, async (t) => {
    const closed = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const server = await startProvider(t, (_, response) => {
      response.on('close', () => closed.resolve())
      if (when !== 'before the answer') events(response, [delta({ content: 'half' })], false)
      else begun.resolve()
    })
    const stop = new AbortController()
    const context = { ...callContext([], stop.signal), stream: () => begun.resolve() }
    const promise = callerFor({ test: { baseUrl: server.url } })(request({ stream: true }), context)
    await begun.promise
    stop.abort(new FlotillaError('CALL_TIMEOUT', 'it took too long'))
    await assert.rejects(promise, failsWith('CALL_TIMEOUT', /too long/))
    await closed.promise
  })
}

for (const finish of ['stop', 'length']) {
  test(`an empty completion (${finish}) is an answer, for the planner to judge, with what it cost`, async (t) => {
    const server = await startProvider(t, (_, response) =>
      json(response, 200, completion({ content: null }, finish)),
    )
    const reply = await callerFor({ test: { baseUrl: server.url } })(request({ stream: true }), callContext())
    assert.deepEqual(
      [reply.text, reply.toolCalls, reply.finishReason, reply.outputTokens],
      ['', [], finish, 7],
    )
  })
}

test('a provider without its key names the variable, and nothing is sent', async (t) => {
  const server = await startProvider(t, () => {})
  const call = callerFor({ test: { baseUrl: server.url, keyEnv: 'TEST_KEY' } })
  await assert.rejects(call(request(), callContext()), failsWith('MODEL_NOT_CONFIGURED', /TEST_KEY/))
  await assert.rejects(
    call(request({ model: 'gpt-4o' }), callContext()),
    failsWith('MODEL_NOT_CONFIGURED', /OPENAI_API_KEY/),
  )
  assert.equal(server.received.length, 0)
})

test('a refused parameter is left out or renamed, and remembered', async (t) => {
  const refuse = (message: string, param: string) => ({
    error: { message, type: 'invalid_request_error', param, code: 'unsupported_parameter' },
  })
  const server = await startProvider(t, ({ body }, response) => {
    if ('max_tokens' in body) {
      const message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
      return json(response, 400, refuse(message, 'max_tokens'))
    }
    if ('temperature' in body)
      return json(response, 400, refuse('temperature does not support 0.2', 'temperature'))
    json(response, 200, completion({ content: 'ok' }))
  })
  const call = callerFor({ test: { baseUrl: server.url } })
  assert.equal((await call(request(), callContext())).text, 'ok')
  assert.equal(server.received.length, 3)
  assert.equal(server.received[2]?.body['max_completion_tokens'], 100)
  await call(request(), callContext())
  assert.equal(server.received.length, 4)
})

test('a parameter that stays refused is an error, not a loop', async (t) => {
  const server = await startProvider(t, (_, response) =>
    json(response, 400, {
      error: { message: 'temperature is not supported', code: null, param: 'temperature' },
    }),
  )
  const call = callerFor({ test: { baseUrl: server.url } })
  await assert.rejects(call(request(), callContext()), failsWith('MODEL_REQUEST_REFUSED', /temperature/))
  assert.equal(server.received.length, 2)
})

test('`default` asks the server which model it holds, once', async (t) => {
  const server = await startProvider(t, ({ path }, response) =>
    path.endsWith('/models')
      ? json(response, 200, { object: 'list', data: [{ id: 'mistral-7b', object: 'model' }] })
      : json(response, 200, completion({ content: 'ok' })),
  )
  const call = callerFor({ local: { baseUrl: server.url } })
  for (let i = 0; i < 2; i++) await call(request({ model: 'local/default' }), callContext())
  assert.deepEqual(
    server.received.map(({ path, body }) => [path, body['model']]),
    [
      ['/v1/models', undefined],
      ['/v1/chat/completions', 'mistral-7b'],
      ['/v1/chat/completions', 'mistral-7b'],
    ],
  )
})

test('`default` on a server that holds nothing, and on one without a list', async (t) => {
  const server = await startProvider(t, (_, response) => json(response, 200, { object: 'list', data: [] }))
  const call = callerFor({ local: { baseUrl: server.url } })
  const ask = () => call(request({ model: 'local/default' }), callContext())
  await assert.rejects(ask(), failsWith('MODEL_REQUEST_REFUSED', /holds no model/))
  server.handler = ({ path }, response) =>
    path.endsWith('/models') ? json(response, 404, {}) : json(response, 200, completion({ content: 'ok' }))
  assert.equal((await ask()).text, 'ok')
})

for (const stream of [false, true]) {
  test(`connections are kept open between ${stream ? 'streams, also where the end comes after [DONE]' : 'calls'}`, async (t) => {
    let ended = Promise.resolve()
    const server = await startProvider(t, (_, response) => {
      ended = new Promise((resolve) => response.once('finish', resolve))
      if (!stream) return json(response, 200, completion({ content: 'ok' }))
      events(response, [delta({ content: 'ok' }, 'stop'), 'data: [DONE]\n\n'], false)
      setTimeout(() => response.end(), 5)
    })
    const call = callerFor({ test: { baseUrl: server.url } })
    for (let i = 0; i < 10; i++) {
      await call(request({ stream }), callContext())
      // The end of the body may be sent after the answer; it is read in a later turn of the loop that both share.
      await ended
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    }
    // One, but where a busy kernel brings the end of a body late; where they are cut there is one for each call.
    assert.ok(server.connections() <= 3, `${server.connections()} connections for 10 calls`)
  })
}

test('user and password of a URL are sent where there is no key', async (t) => {
  const server = await startProvider(t, (_, response) =>
    json(response, 200, completion({ content: 'hello' })),
  )
  const baseUrl = server.url.replace('//', '//ann:a%20b@')
  await callerFor({ test: { baseUrl } })(request(), callContext())
  await callerFor({ test: { baseUrl, keyEnv: 'K' } }, { K: 'key' })(request(), callContext())
  const sent = server.received.map(({ headers }) => headers.authorization)
  assert.deepEqual(sent, [`Basic ${Buffer.from('ann:a b').toString('base64')}`, 'Bearer key'])
})

test('a key never appears in a message', async (t) => {
  const server = await startProvider(t, (_, response) =>
    json(response, 401, {
      error: { message: 'Incorrect API key provided: sk-very-secret.', code: 'invalid_api_key' },
    }),
  )
  const call = callerFor(
    { test: { baseUrl: server.url, keyEnv: 'TEST_KEY' } },
    { TEST_KEY: 'sk-very-secret' },
  )
  await assert.rejects(call(request(), callContext()), (error: unknown) => {
    failsWith('MODEL_AUTH_FAILED', /provided: \*\*\*.*TEST_KEY/)(error)
    assert.doesNotMatch(String(error), /very-secret/)
    return true
  })
})

test('no more output is asked for than the model can give', async (t) => {
  const server = await startProvider(t, (_, response) => json(response, 200, completion({ content: 'hi' })))
  const sizes = [{ model: 'test/m', maxOutputTokens: 50 }]
  const call = callerFor({ test: { baseUrl: server.url } }, {}, sizes)
  await call(request({ maxOutputTokens: 100 }), callContext())
  await call(request({ maxOutputTokens: 40 }), callContext())
  assert.deepEqual(
    server.received.map(({ body }) => body['max_tokens']),
    [50, 40],
  )
})

test('a prompt that can not fit the model is not sent, and says what fits', async (t) => {
  const server = await startProvider(t, (_, response) => json(response, 200, completion({ content: 'hi' })))
  const call = callerFor({ test: { baseUrl: server.url } }, {}, [{ model: 'test/m', contextTokens: 1_000 }])
  const asking = (chars: number) =>
    call(request({ messages: [{ role: 'user', content: 'x'.repeat(chars) }] }), callContext())
  await assert.rejects(
    asking(9_000),
    failsWith('MODEL_CONTEXT_TOO_LONG', /at least 1125 tokens, and test's model m-1 takes 1000/),
  )
  assert.equal(server.received.length, 0)
  await asking(8_000)
  assert.equal(server.received.length, 1, 'what may fit is for the provider to say')
})
