// A fleet whose every secret is a canary, and failures that would show one: none may be in its output, in its data file (every
// topic, row, journal entry and ledger), in a span, in an HTTP answer or in what the command prints.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { flotilla } from '../support/command.ts'
import { traceIdOfKey } from '../../runtime/telemetry/trace-context.ts'
import { startServices } from '../support/service-process.ts'
import { contentNames, mistakesOf } from '../unit/telemetry/genai-schemas.ts'
import { startSink, type Sink } from '../unit/telemetry/sink.ts'

const servers: Server[] = []
after(() => servers.forEach((server) => (server.closeAllConnections(), server.close())))

async function serve(
  answer: (request: IncomingMessage, body: string, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(async (request, response) => {
    answer(request, Buffer.concat(await request.toArray()).toString(), response)
  })
  servers.push(server)
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Repeats what it was sent, with the status that the path names. */
const startEcho = () =>
  serve((request, body, response) => {
    const said = JSON.stringify({ url: request.url, headers: request.headers, body })
    const [, status = ''] = /\/(\w+)/.exec(request.url ?? '') ?? []
    if (status === 'cut') return void request.socket.destroy()
    const location = status === '302' ? { location: `http://other.test/?${said}` } : {}
    response.writeHead(Number(status) || 500, { 'content-type': 'application/json', ...location }).end(said)
  })

interface Chat {
  messages: { role: string; content: string }[]
}

/** Calls the tool that the task names, then repeats what it was sent; `refused` is answered 401 with the key. */
const startModel = () =>
  serve((request, body, response) => {
    const { messages } = JSON.parse(body) as Chat
    const task = messages.find(({ role }) => role === 'user')?.content ?? ''
    const told = messages.findLast(({ role }) => role === 'tool')?.content
    const send = (status: number, answer: unknown) =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
    if (task === 'refused')
      return send(401, {
        error: {
          message: `${'x'.repeat(480)} bad key ${request.headers.authorization}`,
          code: 'invalid_api_key',
        },
      })
    const calls = [{ id: 'c1', type: 'function', function: { name: task, arguments: '{}' } }]
    const message =
      told === undefined ? { content: null, tool_calls: calls } : { content: `it said: ${told}` }
    send(200, {
      model: 'm',
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', ...message } }],
      usage: { prompt_tokens: 1, completion_tokens: 1 },
    })
  })

const canary = /canary-[a-z]+-1|Y2FuYXJ5L|c3ZjOmNhbmFyeS|(?:feedc0de){4}/g
const assertClean = (where: string, text: string): void => {
  const found = [...text.matchAll(canary)].map(({ index }) => text.slice(Math.max(0, index - 80), index + 40))
  assert.deepEqual(found.slice(0, 3), [], where)
}

const secrets = {
  OPENAI_API_KEY: 'canary-openai-1',
  MY_SERVICE_TOKEN: 'canary-service-1',
  ALERT_WEBHOOK_SECRET: `whsec_${Buffer.from('canary-webhook-1-canary-webhook-1').toString('base64')}`,
  SMTP_URL: 'smtp://svc:canary-smtp-1@127.0.0.1:1',
  FLOTILLA_SANDBOX_TOKEN: 'canary-sandbox-1',
  FLOTILLA_ADMIN_KEY: 'canary-admin-1-and-some-more-characters',
}

/** Credentials that are wrong, each in a way of its own. */
const attempts = [
  'canary-attempt-1',
  `flk_0123456789ab_${'feedc0de'.repeat(8)}`,
  `flk_0123456789ab_${'feedc0de'.repeat(4)}`,
  `eyJhbGciOiJub25lIn0.${'feedc0de'.repeat(8)}.canary-signature-1`,
]

/** What a fleet puts on its spans fits the convention, and all that belongs to a task is in its trace. */
function checkContent({ spans }: Sink, taskId: string): void {
  const found = new Set<string>()
  for (const { name, attributes } of spans)
    for (const attribute of contentNames.filter((each) => each in attributes)) {
      found.add(`${name.split(' ')[0]} ${attribute}`)
      assert.equal(
        mistakesOf(attribute, JSON.parse(String(attributes[attribute]))),
        '',
        `${name} ${attribute}`,
      )
    }
  assert.deepEqual([...found].sort(), [
    'chat gen_ai.input.messages',
    'chat gen_ai.output.messages',
    'chat gen_ai.system_instructions',
    'chat gen_ai.tool.definitions',
    'execute_tool gen_ai.tool.call.arguments',
    'execute_tool gen_ai.tool.call.result',
    'invoke_agent gen_ai.input.messages',
    'invoke_agent gen_ai.output.messages',
  ])
  const own = spans.filter(({ traceId }) => traceId === traceIdOfKey(taskId))
  const root = own.find(({ name }) => name.startsWith('invoke_agent'))
  const score = own.find(({ name }) => name === 'gen_ai.evaluation.result')
  assert.equal(score?.parentSpanId, root?.spanId)
  const { attributes } = score?.events[0] ?? {}
  assert.equal(attributes?.['gen_ai.evaluation.score.value'], 0.5)
  assert.equal(attributes['gen_ai.evaluation.explanation'], 'it may do')
}

test('no failure of a tool, a model or a channel shows a secret anywhere', async () => {
  const [echo, model, sink] = [await startEcho(), await startModel(), await startSink()]
  const data = mkdtempSync(join(tmpdir(), 'flotilla-canaries-'))
  const fleet = await startServices([], {
    env: {
      ...secrets,
      ECHO_URL: echo,
      OPENAI_BASE_URL: `${model}/v1`,
      OPENAI_MODEL: 'm',
      FLOTILLA_MODEL: '',
      SLACK_WEBHOOK_URL: `${echo}/500/canary-slack-1`,
      FLOTILLA_DATA: data,
      FLOTILLA_PARTITIONS: '2',
      FLOTILLA_CONFIG: join(import.meta.dirname, '../support/canary.config.ts'),
      OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20canary-otel-1',
      OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'SPAN_ONLY',
      LOG_LEVEL: 'debug',
    },
  })
  const authorization = `Bearer ${secrets.FLOTILLA_ADMIN_KEY}`
  const post = async (path: string, body: object) => {
    const headers = { 'content-type': 'application/json', authorization }
    const response = await fetch(`${fleet.url}${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    })
    return response.text()
  }
  await fleet.ready()
  const tasks = ['200', '404', '500', '302', 'cut'].map((status) => `answers_${status}`)
  const answers = await Promise.all(
    [...tasks, 'is_nowhere', 'throws', 'refused'].map((text) =>
      post('/v1/tasks?wait=30', { text, timeoutMs: 40_000 }),
    ),
  )
  for (const answer of answers) assert.match(answer, /"status"/)
  assert.match(answers[0] ?? '', /it said: .*\*\*\*/)
  assert.match(answers.at(-1) ?? '', /MODEL_AUTH_FAILED/)
  assertClean('results', answers.join('\n'))
  const { taskId } = JSON.parse(answers[0] ?? '') as { taskId: string }
  await post(`/v1/tasks/${taskId}/feedback`, { satisfaction: 0.5, comment: 'it may do' })
  assertClean('a test of the channels', await post('/v1/alerts/high_error_rate/test', {}))
  const paths = [
    '/ready',
    '/metrics',
    '/v1/dead-letters',
    '/v1/breakers',
    '/v1/alerts',
    '/v1/usage',
    '/v1/doctor',
  ]
  for (const path of paths)
    assertClean(path, await (await fetch(`${fleet.url}${path}`, { headers: { authorization } })).text())
  const key = { name: 'canary', userId: 'ann', scopes: ['tasks:read'] }
  const { key: made } = JSON.parse(await post('/v1/keys', key)) as { key: string }
  for (const attempt of attempts) {
    const query = `?api_key=${attempt}`
    const refused = await fetch(`${fleet.url}/v1/tasks${query}`, {
      headers: { authorization: `Bearer ${attempt}` },
    })
    assert.equal(refused.status, 401)
    assertClean('a refusal', (await refused.text()) + JSON.stringify([...refused.headers]))
  }
  const lost = await fetch(`${fleet.url}/v1/nothing?api_key=${made}`)
  assert.equal((await lost.text()).includes(made), false)
  assert.equal(await fleet.drain(), 0)
  sink.close()
  assert.match(fleet.output(), /tool_execution/)
  assertClean('the output', fleet.output())
  assert.match(fleet.output(), /its credentials are wrong/)
  assert.equal(fleet.output().includes(made.slice(20)), false)
  assert.ok(sink.spans.length > 20)
  assertClean('spans', JSON.stringify(sink.spans))
  checkContent(sink, taskId)
  const files = readdirSync(data).map((file) => readFileSync(join(data, file), 'latin1'))
  assert.ok(files.join('').includes('it said: '))
  assertClean('the data file', files.join('\n'))
  assert.equal(files.join('\n').includes(made.slice(20)), false)
})

test('no finding of doctor, and no mistake of the environment, shows a secret', async () => {
  const user = 'svc:canary-url-1@127.0.0.1:1'
  const env = {
    ...secrets,
    FLOTILLA_DATA: mkdtempSync(join(tmpdir(), 'flotilla-canaries-')),
    OPENAI_BASE_URL: `http://${user}/v1?key=canary-query-1`,
    FLOTILLA_MODEL: '',
    SCHEMA_REGISTRY_URL: `http://${user}/apis`,
    DATABASE_URL: `postgres://${user}/db`,
    FLOTILLA_SANDBOX_URL: `http://${user}`,
    SLACK_WEBHOOK_URL: 'http://127.0.0.1:1/services/canary-slack-1',
  }
  const ended = await flotilla(['doctor', '--json'], { env })
  assert.equal(ended.code, 1, ended.err)
  assert.match(ended.out, /schema registry/)
  assertClean('doctor', ended.out + ended.err)
  const wrong = await flotilla(['doctor'], {
    env: { ...env, DATABASE_URL: 'mysql://svc:canary-url-1@db', PORT: 'canary-openai-1' },
  })
  assert.match(wrong.err, /2 mistakes/)
  assertClean('mistakes', wrong.out + wrong.err)
})
