import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test, type TestContext } from 'node:test'
import { FlotillaError, type ErrorCode } from '../../../runtime/errors.ts'
import type { Emit } from '../../../runtime/stage.ts'
import { loadConversations, type Conversation } from '../../../runtime/scripted-model/conversations.ts'
import { startScriptedModel, type ScriptedModelOptions } from '../../../runtime/scripted-model/server.ts'
import { createModelCaller } from '../../../services/planner/model/client.ts'
import type { Message, ModelTool } from '../../../services/planner/call.ts'
import { eventually } from '../../conformance/waiting.ts'

const CODE = 'You write Python and end with final_answer(value).'
const TOOLS = 'You solve tasks with the given tools.'
const echo: ModelTool = {
  type: 'function',
  function: { name: 'echo', description: 'Echoes.', parameters: { type: 'object' } },
}
const weather: Conversation = {
  title: 'Weather',
  task: 'Which city is warmer?',
  mode: 'tools',
  turns: [
    {
      toolCalls: [
        { name: 'read', arguments: { city: 'Rome' } },
        { name: 'read', arguments: { city: 'Oslo' } },
      ],
    },
    { needs: ['31'], text: 'Rome is warmer.' },
  ],
}

async function setUp(t: TestContext, options: ScriptedModelOptions = {}) {
  const server = await startScriptedModel({ conversations: [weather], ...options })
  t.after(() => server.stop())
  const call = createModelCaller({
    fleet: { models: { providers: { scripted: { baseUrl: server.url } } } },
    environment: { raw: {} },
  })
  let calls = 0
  const ask = (
    messages: Message[],
    more: { tools?: ModelTool[]; stream?: boolean; signal?: AbortSignal } = {},
  ) => {
    const { signal = new AbortController().signal, stream = false, tools } = more
    const request = {
      model: 'scripted/demo',
      messages,
      temperature: 0,
      maxOutputTokens: 100,
      stream,
      step: 1,
    }
    const streamed: Emit[] = []
    const context = {
      callId: `call-${++calls}`,
      key: 't',
      signal,
      traceparent: null,
      stream: (e: Emit) => streamed.push(e),
    }
    return call(tools === undefined ? request : { ...request, tools }, context)
  }
  return { server, ask, call }
}

const start = (task: string, system = TOOLS): Message[] => [
  { role: 'system', content: system },
  { role: 'user', content: task },
]
const assistant: Message = { role: 'assistant', content: 'earlier' }

for (const stream of [false, true]) {
  const how = stream ? 'streamed' : 'whole'
  test(`${how}: a recorded conversation, turn by turn, and it says that it is scripted`, async (t) => {
    const { ask } = await setUp(t)
    const first = await ask(start(`Please: ${weather.task} Thanks.`), { tools: [echo], stream })
    assert.deepEqual(
      first.toolCalls.map(({ name, argumentsText }) => [name, argumentsText]),
      [
        ['read', '{"city":"Rome"}'],
        ['read', '{"city":"Oslo"}'],
      ],
    )
    assert.match(first.text, /^Scripted model/)
    assert.equal(first.usageIsEstimate, false)
    assert.ok(first.inputTokens > 0 && first.outputTokens > 0)
    assert.equal(new Set(first.toolCalls.map(({ id }) => id)).size, 2)
    const heard: Message[] = [assistant, { role: 'tool', tool_call_id: 'a', content: '31 degrees' }]
    const second = await ask([...start(weather.task), ...heard], { tools: [echo], stream })
    assert.match(second.text, /^Rome is warmer\.\n\n\(Scripted model/)
  })

  test(`${how}: any other task is told how to connect a model, in the form of its mode`, async (t) => {
    const { ask } = await setUp(t)
    const text = await ask(start('What is the meaning of life?'), { tools: [echo], stream })
    assert.match(text.text, /^This is the scripted model[\s\S]*OPENAI_API_KEY[\s\S]*OLLAMA_HOST/)
    const code = await ask(start('What is the meaning of life?', CODE), { stream })
    assert.match(
      code.text,
      /^```python\nfinal_answer\("This is the scripted model.*OPENAI_API_KEY.*"\)\n```$/,
    )
  })
}

test('the answer to any other task lists those that are played with the tools that it has', async (t) => {
  const read = { ...echo, function: { ...echo.function, name: 'read' } }
  const power: Conversation = { title: 'Power', task: 'What is 2 + 2?', mode: 'code', turns: [{ text: '4' }] }
  const { ask } = await setUp(t, { conversations: [weather, power] })
  const answer = async (system: string, tools?: ModelTool[]) =>
    (await ask(start('What is the meaning of life?', system), tools ? { tools } : {})).text
  assert.match(await answer(TOOLS, [echo, read]), /word for word:\n- Which city is warmer\?\nFor any other/)
  assert.doesNotMatch(await answer(TOOLS, [echo]), /word for word/)
  assert.match(await answer(CODE), /word for word:\\n- What is 2 \+ 2\?\\nFor any other/)
})

test('a recording that does not fit what the tools returned says so', async (t) => {
  const { ask } = await setUp(t)
  const heard: Message[] = [assistant, { role: 'tool', tool_call_id: 'a', content: 'Error TOOL_FAILED' }]
  const reply = await ask([...start(weather.task), ...heard], { tools: [echo] })
  assert.match(reply.text, /did not return "31", so the recording does not fit/)
  assert.doesNotMatch(reply.text, /Rome is warmer/)
})

test('a recording that is over says so, and one of the other mode is not played', async (t) => {
  const { ask } = await setUp(t)
  const over = await ask([...start(weather.task), assistant, assistant], { tools: [echo] })
  assert.match(over.text, /ends here/)
  assert.match((await ask(start(weather.task, CODE))).text, /final_answer\("This is the scripted model/)
})

test('the bench conversation: one call of echo, then done', async (t) => {
  const { ask } = await setUp(t)
  const [first] = (await ask(start('task=b-17 please'), { tools: [echo] })).toolCalls
  assert.deepEqual([first?.name, first?.argumentsText], ['echo', '{"text":"hi"}'])
  assert.equal((await ask([...start('task=b-17 please'), assistant], { tools: [echo] })).text, 'done b-17')
  assert.match((await ask(start('task=b-17', CODE))).text, /echo\(text="hi"\)/)
  assert.match((await ask([...start('task=b-17', CODE), assistant])).text, /final_answer\("done b-17"\)/)
})

test("a test's own script comes first", async (t) => {
  const { ask } = await setUp(t, { script: ({ task }) => (task === 'mine' ? { text: 'own' } : undefined) })
  assert.equal((await ask(start('mine'))).text, 'own')
  assert.match((await ask(start('else'))).text, /connect/i)
})

const faults: [string, ErrorCode][] = [
  ['429', 'MODEL_RATE_LIMITED'],
  ['401', 'MODEL_AUTH_FAILED'],
  ['404', 'MODEL_REQUEST_REFUSED'],
  ['500', 'MODEL_UNAVAILABLE'],
  ['quota', 'MODEL_QUOTA_EXCEEDED'],
  ['context', 'MODEL_CONTEXT_TOO_LONG'],
  ['garbage', 'MODEL_ANSWER_MALFORMED'],
  ['html', 'MODEL_ANSWER_MALFORMED'],
  ['reset', 'MODEL_UNAVAILABLE'],
  ['cut', 'MODEL_UNAVAILABLE'],
]
for (const [fault, code] of faults) {
  test(`fault=${fault} is ${code}, as often as asked`, async (t) => {
    const { ask } = await setUp(t)
    const fails = () =>
      assert.rejects(
        ask(start(`task=f fault=${fault}x2`), { tools: [echo], stream: true }),
        (error: unknown) => {
          assert.ok(error instanceof FlotillaError)
          assert.equal(error.code, code, error.message)
          return true
        },
      )
    await fails()
    await fails()
    assert.equal((await ask(start(`task=f fault=${fault}x2`), { tools: [echo] })).toolCalls[0]?.name, 'echo')
  })
}

test('faults of the model itself: bad arguments, an unknown tool, bad Python, prose, no end', async (t) => {
  const { ask } = await setUp(t)
  const first = (fault: string, system = TOOLS) =>
    ask(start(`task=f fault=${fault}`, system), { tools: system === CODE ? [] : [echo] })
  assert.equal((await first('empty')).text, '')
  assert.equal((await first('bad-json-args')).toolCalls[0]?.argumentsText, '{"text": "hi')
  assert.equal((await first('unknown-tool')).toolCalls[0]?.name, 'no_such_tool')
  assert.match((await first('unknown-tool', CODE)).text, /no_such_tool\(/)
  assert.match((await first('bad-python', CODE)).text, /range\(3\)\n/)
  assert.match((await first('prose', CODE)).text, /rather talk/)
  for (const fault of ['bad-json-args', 'unknown-tool', 'prose']) {
    const next = await ask([...start(`task=f fault=${fault}`), assistant], { tools: [echo] })
    assert.equal(next.text, 'done f')
  }
  const later = await ask([...start('task=f fault=loop'), assistant, assistant], { tools: [echo] })
  assert.equal(later.toolCalls[0]?.name, 'echo')
})

test('every call is counted and logged with its key, answered or aborted', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'scripted-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const log = join(directory, 'calls.jsonl')
  const { ask, server, call } = await setUp(t, { log })
  await ask(start('task=a'), { tools: [echo] })
  const stop = new AbortController()
  const hung = ask(start('task=b fault=hang'), { signal: stop.signal })
  await eventually('it is asked', () => server.stats().received >= 2)
  stop.abort()
  await assert.rejects(hung)
  await eventually('the call is aborted', () => server.stats().aborted >= 1)
  const again = {
    callId: 'call-1',
    key: 't',
    signal: new AbortController().signal,
    traceparent: 'tp',
    stream: () => {},
  }
  const messages = start('task=a')
  await call(
    {
      model: 'scripted/x',
      messages,
      tools: [echo],
      temperature: 0,
      maxOutputTokens: 1,
      stream: false,
      step: 1,
    },
    again,
  )
  await eventually('both are answered', () => server.stats().answered >= 2)
  const stats = await (await fetch(server.url.replace('/v1', '/stats'))).json()
  assert.deepEqual(stats, { received: 3, answered: 2, aborted: 1, calls: 1, repeated: 1 })
  const lines = readFileSync(log, 'utf8').trim().split('\n')
  const seen = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual(
    seen.map(({ task, turn, callId, outcome, status }) => [task, turn, callId, outcome, status]),
    [
      ['a', 1, 'call-1', 'answered', 200],
      ['b', 1, 'call-2', 'aborted', 200],
      ['a', 1, 'call-1', 'answered', 200],
    ],
  )
  assert.equal(seen[2]?.['traceparent'], 'tp')
})

test('latency: of the server and of a task', async (t) => {
  const { ask } = await setUp(t, { latencyMs: 20 })
  const before = performance.now()
  await ask(start('task=a latency=40'), { tools: [echo] })
  assert.ok(performance.now() - before >= 58)
})

test('what is not a chat request gets an error in the shape of the API', async (t) => {
  const { server } = await setUp(t)
  const post = async (path: string, body: string) => {
    const response = await fetch(server.url + path, { method: 'POST', body })
    return [response.status, ((await response.json()) as { error: { type: string } }).error.type]
  }
  assert.deepEqual(await post('/chat/completions', 'nonsense'), [400, 'invalid_request_error'])
  assert.deepEqual(await post('/chat/completions', '{"messages":[]}'), [400, 'invalid_request_error'])
  assert.deepEqual(await post('/embeddings', '{}'), [404, 'invalid_request_error'])
})

test('a port in use rejects, and stop is idempotent', async (t) => {
  const { server } = await setUp(t)
  const port = Number(new URL(server.url).port)
  await assert.rejects(startScriptedModel({ port }), /EADDRINUSE/)
  await Promise.all([server.stop(), server.stop()])
})

test('a conversation file with a mistake is named', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'scripted-'))
  t.after(() => rmSync(directory, { recursive: true }))
  writeFileSync(
    join(directory, 'bad.json'),
    JSON.stringify({ title: 'x', task: 'y', mode: 'chat', turns: [] }),
  )
  assert.throws(() => loadConversations(pathToFileURL(`${directory}/`)), /conversation bad\.json[\s\S]*mode/)
})
