// What a sandbox server may do to its fleet, and a fleet to its server.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { HttpExecutor } from '../../services/code-sandbox/executors/http/http-executor.ts'
import { eventually } from '../conformance/waiting.ts'
import { TOKEN, startServer, type ServerProcess } from './http-server.ts'
import { TestSession } from './suite/session.ts'

const executorAt = (url: string, token = TOKEN): HttpExecutor => {
  const executor = new HttpExecutor({ memoryMb: 512, maxChildren: 4, url, token })
  after(() => executor.close())
  return executor
}

async function started(settings: Record<string, string> = {}): Promise<ServerProcess> {
  const server = await startServer(settings)
  after(() => server.stop())
  return server
}

const server = await started({ FLOTILLA_SANDBOX_SESSIONS: '2' })
const post = (path: string, body: string, headers: Record<string, string> = {}) =>
  fetch(server.url + path, {
    method: 'POST',
    body,
    headers: { authorization: `Bearer ${TOKEN}`, ...headers },
  })

test('another token, a server that allows more memory and a server that is not there are told with the remedy', async () => {
  const unavailable = (message: RegExp) => ({ code: 'SANDBOX_UNAVAILABLE', message })
  await assert.rejects(executorAt(server.url, 'another').check(), unavailable(/401.*FLOTILLA_SANDBOX_TOKEN/))
  const small = new HttpExecutor({ memoryMb: 100, maxChildren: 1, url: server.url, token: TOKEN })
  await assert.rejects(small.check(), unavailable(/may use 512 MB, and limits.codeMemoryMb is 100/))
  await assert.rejects(new TestSession(small).step('1'), unavailable(/422.*FLOTILLA_SANDBOX_MEMORY_MB/))
  const nobody = executorAt('http://127.0.0.1:9')
  await assert.rejects(nobody.check(), unavailable(/127\.0\.0\.1:9.*FLOTILLA_SANDBOX_URL/))
  await assert.rejects(new TestSession(nobody).step('1'), unavailable(/ECONNREFUSED/))
  await executorAt(server.url).check()
})

test('a server that is open to others does not start without a token', async () => {
  await assert.rejects(startServer({ HOST: '0.0.0.0', FLOTILLA_SANDBOX_TOKEN: '' }), /ended \(1\)/)
})

test('without a token no web page gets in, and a fleet on the same machine does', async () => {
  const open = await started({ FLOTILLA_SANDBOX_TOKEN: '' })
  const json = { 'content-type': 'application/json' }
  const ask = async (
    headers: Record<string, string>,
    method = 'POST',
    path = '/v1/sessions',
  ): Promise<number> => {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const body = method === 'POST' ? '{"memoryMb": 512}' : undefined
    request(open.url + path, { method, headers }, resolve)
      .on('error', reject)
      .end(body)
    const answer = await promise
    answer.resume()
    return answer.statusCode ?? 0
  }
  const { port } = new URL(open.url)
  for (const host of ['evil.example', `evil.example:${port}`, 'localhost.evil.example', '127.0.0.1.nip.io'])
    assert.equal(await ask({ ...json, host }), 421, host)
  assert.equal(await ask({ host: 'evil.example' }, 'GET', '/v1'), 421)
  assert.equal(await ask({ ...json, origin: 'http://evil.example' }), 403)
  assert.equal(await ask({ ...json, 'sec-fetch-site': 'cross-site' }), 403)
  for (const type of [{}, { 'content-type': 'text/plain' }]) assert.equal(await ask(type), 415)
  assert.equal(await ask({ ...json, host: `localhost:${port}` }), 201)
  assert.equal((await new TestSession(executorAt(open.url, '')).step('1 + 1')).value, 2)
})

test('what the protocol does not know is refused, and the server goes on', async () => {
  const statuses = [
    (await post('/v1/sessions', '{')).status,
    (await post('/v1/sessions', '[]')).status,
    (await post('/v1/sessions/none/frames', '{}')).status,
    (await post('/v2', '{}')).status,
    (await post('/v1', '', { authorization: 'Bearer x' })).status,
    (await fetch(`${server.url}/v1`)).status,
    (await fetch(`${server.url}/health`)).status,
  ]
  assert.deepEqual(statuses, [400, 400, 410, 404, 401, 401, 200])
  assert.equal((await new TestSession(executorAt(server.url)).step('1 + 1')).value, 2)
})

test('sessions that were crowded out go on where they were, and no tool is asked twice', async () => {
  const executor = executorAt(server.url)
  const sessions = Array.from({ length: 4 }, () => new TestSession(executor))
  const outcomes = await Promise.all(
    sessions.map((session, index) =>
      session.step(`r = [int(search(str(i))) for i in range(3)]\nsum(r) + ${index}`, () => 10),
    ),
  )
  assert.deepEqual(
    outcomes.map(({ error, value }) => [error, value]),
    sessions.map((_, index) => [null, 30 + index]),
  )
  assert.deepEqual(
    sessions.map(({ asked }) => asked.length),
    [3, 3, 3, 3],
  )
  assert.ok((await server.described()).sessions <= 2)
})

test('a server that was killed and started again: the outage is told, and the session goes on from its log', async () => {
  const first = await startServer()
  const port = new URL(first.url).port
  const session = new TestSession(executorAt(first.url))
  await session.step('x = 1')
  await first.stop()
  await assert.rejects(session.step('x += 1'), { code: 'SANDBOX_UNAVAILABLE', retryable: true })
  await started({ PORT: port })
  assert.equal((await session.step('x + 1')).value, 2)
})

test('an executor that is closed leaves no session on the server', async () => {
  const executor = executorAt(server.url)
  await new TestSession(executor).step('x = 1')
  const computing = new TestSession(executor).step('while True: pass')
  await eventually('it computes', async () => (await server.described()).computing === 1)
  await Promise.all([executor.close(), assert.rejects(computing, { code: 'SANDBOX_UNAVAILABLE' })])
  assert.equal((await server.described()).sessions, 0)
})

test('a host that is killed leaves no program at work on the server', async () => {
  const program = `
    const { HttpExecutor } = await import(${JSON.stringify(fileURLToPath(new URL('../../services/code-sandbox/executors/http/http-executor.ts', import.meta.url)))})
    const { TestSession } = await import(${JSON.stringify(fileURLToPath(new URL('./suite/session.ts', import.meta.url)))})
    const executor = new HttpExecutor({ memoryMb: 512, maxChildren: 4, url: ${JSON.stringify(server.url)}, token: ${JSON.stringify(TOKEN)} })
    await new TestSession(executor).step('while True: pass')`
  const host = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' })
  await eventually('it computes', async () => (await server.described()).computing === 1)
  host.kill('SIGKILL')
  await eventually('it is ended', async () => (await server.described()).computing === 0)
})

test('sessions that nobody asks for, and steps that nobody ends, are ended by the server', async () => {
  const short = await started({ FLOTILLA_SANDBOX_IDLE_S: '1', FLOTILLA_SANDBOX_STEP_S: '1' })
  const session = new TestSession(executorAt(short.url))
  await session.step('x = 1')
  await assert.rejects(session.step('while True: pass'), { code: 'SANDBOX_UNAVAILABLE' })
  await session.step('x')
  await eventually('it is gone', async () => (await short.described()).sessions === 0)
  assert.equal((await session.step('x + 1')).value, 2)
})

/** A server that starts sessions and answers frames as `answer` says. */
async function hostile(answer: (response: ServerResponse, request: IncomingMessage) => void) {
  const fake = createServer((request, response) => {
    const path = request.url ?? ''
    request.resume()
    if (path === '/v1/sessions') return response.writeHead(201).end('{"id":"one"}')
    if (path.endsWith('/frames')) return answer(response, request)
    return response.end('{"state":"waiting"}')
  })
  await new Promise<void>((resolve) => fake.listen(0, '127.0.0.1', resolve))
  after(() => {
    fake.closeAllConnections()
    fake.close()
  })
  return executorAt(`http://127.0.0.1:${(fake.address() as AddressInfo).port}`)
}

const lines: readonly [what: string, line: string, message: RegExp][] = [
  ['is not JSON', 'hello', /not JSON/],
  ['is no frame', '[1]', /not an object/],
  ['has no end', `{"t":"out","text":"${'x'.repeat(9_000_000)}`, /a line without end/],
  ['only prints', '{"t":"out","text":"x"}', /an answer without an end/],
  ['calls what is no tool', '{"t":"calls","calls":[{"name":"constructor","arguments":{}}]}', /no tool/],
]
for (const [what, line, message] of lines)
  test(`an answer that ${what} ends the step`, async () => {
    const executor = await hostile((response) => response.end(`${line}\n`))
    const { error, lost } = await new TestSession(executor).step('1')
    assert.match(error?.message ?? '', message)
    assert.equal(lost, 'step')
  })

test('an answer that never ends is cut off, and so is one that never comes', async () => {
  const flood = await hostile((response) => {
    const more = () => {
      while (response.write('{"t":"out","text":"'.padEnd(100_000, 'x') + '"}\n'));
    }
    response.on('drain', more)
    more()
  })
  assert.match((await new TestSession(flood).step('1')).error?.message ?? '', /a flood of frames/)
  const silent = new TestSession(await hostile(() => {}))
  silent.limits = { ...silent.limits, timeoutMs: 300 }
  assert.equal((await silent.step('1')).error?.code, 'CODE_TIMEOUT')
})

test('a redirect is not followed: the token goes nowhere else', async () => {
  const executor = await hostile((response) =>
    response.writeHead(307, { location: `${server.url}/v1/sessions` }).end(),
  )
  await assert.rejects(new TestSession(executor).step('1'), {
    code: 'SANDBOX_UNAVAILABLE',
    message: /status 307/,
  })
})

test('cookies that tell a balancer where the session is are sent back', async () => {
  const sent: (string | undefined)[] = []
  const fake = createServer((request, response) => {
    request.resume()
    sent.push(request.headers.cookie)
    if (request.url === '/v1/sessions')
      return response.writeHead(201, { 'set-cookie': ['a=1; Path=/', 'b=2; HttpOnly'] }).end('{"id":"one"}')
    return response.end('{"t":"finished","result":{"value":7}}\n')
  })
  await new Promise<void>((resolve) => fake.listen(0, '127.0.0.1', resolve))
  after(() => void fake.close())
  const executor = executorAt(`http://127.0.0.1:${(fake.address() as AddressInfo).port}`)
  assert.equal((await new TestSession(executor).step('7')).value, 7)
  assert.deepEqual(sent, [undefined, 'a=1; b=2'])
})

test('a session whose frames break the protocol is to blame, not the server', async () => {
  const executor = executorAt(server.url)
  const session = new TestSession(executor)
  await session.step('kept = 1')
  const channel = 'import os, sys\nsink = sys.modules["sandbox_host"].CHANNEL.sink\n'
  const huge = await session.step(`${channel}os.write(sink, b"\\xff\\xff\\xff\\xff")\nwhile True: pass`)
  assert.deepEqual([huge.error?.code, huge.lost], ['CODE_FAILED', 'step'])
  assert.match(huge.error?.message ?? '', /broke the protocol: a frame that is too large/)
  assert.equal((await session.step('kept')).value, 1)
  const end = '{"t":"finished","dropped":0,"result":{"value":1,"final":false,"answer":null,"error":null}}'
  const both = `end = b'${end}'\nos.write(sink, 2 * (len(end).to_bytes(4, "little") + end))\nwhile True: pass`
  await session.step(`${channel}${both}`)
  const { error } = await session.step('"own"')
  assert.match(error?.message ?? 'none', /frames that were not asked for/)
})
