// What one client may take of a server: connections, time, bytes, depth. Over real sockets, with short limits.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { createHttpServer, type HttpLimits } from '../../../../runtime/host/http/server.ts'
import { eventually } from '../../../conformance/waiting.ts'

const shared = Buffer.alloc(1_000_000)

interface Started {
  readonly port: number
  ask(path: string, init?: RequestInit): Promise<{ status: number; body: string }>
  open(): Socket
  connections(): Promise<number>
}

const secret = () => Promise.reject(new Error('secret text in /srv/flotilla/metrics.ts'))

async function started(
  limits: Partial<HttpLimits> = {},
  metrics: () => Promise<string> = secret,
): Promise<Started> {
  const app = createHttpServer({
    service: 'test',
    readiness: () => Promise.resolve({ ready: true, parts: [] }),
    health: () => ({ status: 'ok', unhandledRejections: 0 }),
    metrics,
    hosts: { host: '127.0.0.1', allowed: [] },
    limits,
  })
  app.post('/echo', ({ body }) => ({ body: body ?? null }))
  app.get<{ Params: { id: string } }>('/ids/:id', ({ params }) => params.id)
  app.get('/endless', (_request, reply) =>
    reply.send(Readable.from(Array.from({ length: 1_000 }, () => shared))),
  )
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const sockets: Socket[] = []
  after(async () => {
    for (const socket of sockets) socket.destroy()
    await app.close()
  })
  return {
    port,
    async ask(path, init) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, init)
      return { status: response.status, body: await response.text() }
    },
    connections: () => promisify(app.server.getConnections.bind(app.server))(),
    open() {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      sockets.push(socket)
      return socket
    },
  }
}

const post = (body: string): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body,
})
/** An error comes before the end, and says no more. */
const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.resume()
    if (socket.closed) resolve()
    else socket.once('close', () => resolve())
  })

test(
  'a body that trickles, headers that trickle and a silent connection are ended in time',
  { timeout: 240_000 },
  async () => {
    const server = await started({ headersMs: 300, requestMs: 600 })
    const [body, headers, silent] = [server.open(), server.open(), server.open()]
    body.write(
      'POST /echo HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{',
    )
    headers.write('GET /health HTTP/1.1\r\nX: ')
    const trickle = setInterval(
      () => [body, headers].forEach((socket) => socket.writable && socket.write('a')),
      50,
    )
    await Promise.all([body, headers, silent].map(closed))
    clearInterval(trickle)
    assert.equal((await server.ask('/health')).status, 200)
  },
)

test('an answer that nobody reads ends with its connection', { timeout: 240_000 }, async () => {
  const server = await started({ stillMs: 1_500 })
  const socket = server.open()
  socket.pause()
  socket.write('GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await eventually('the answer has begun', async () => (await server.connections()) === 1)
  await eventually('the server has closed it', async () => (await server.connections()) === 0)
})

test(
  'connections beyond the limit are closed, and those that idle make room again',
  { timeout: 240_000 },
  async () => {
    const server = await started({ connections: 20, headersMs: 400, requestMs: 500 })
    const idle = Array.from({ length: 60 }, () => server.open())
    let refused = 0
    for (const socket of idle) socket.once('close', () => refused++)
    await Promise.all(idle.map(closed))
    assert.equal(refused, 60)
    assert.equal((await server.ask('/health')).status, 200)
  },
)

test('one address can’t take every connection, and gets room back as it closes some', async () => {
  const server = await started({ connections: 20, connectionsPerClient: 5, headersMs: 60_000 })
  const held = Array.from({ length: 8 }, () => server.open())
  const closedOnes = new Set<Socket>()
  for (const socket of held) socket.once('close', () => closedOnes.add(socket)).resume()
  await eventually('three are closed', () => closedOnes.size === 3)
  assert.equal(await server.connections(), 5)
  await assert.rejects(server.ask('/health'))
  const other = connect({ port: server.port, host: '127.0.0.1', localAddress: '127.0.0.2' })
  other.write('GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  const [answer] = (await once(other, 'data')) as [Buffer]
  assert.match(answer.toString(), /^HTTP\/1.1 200/)
  held.find((socket) => !closedOnes.has(socket))?.destroy()
  await eventually('there is room', () =>
    server.ask('/health').then(
      ({ status }) => status === 200,
      () => false,
    ),
  )
})

test('a body that is too long or too deep, and JSON that is none: a clear 4xx', async () => {
  const server = await started()
  const deep = '['.repeat(400_000) + ']'.repeat(400_000)
  for (const [body, status, message] of [
    [`"${'x'.repeat(1_000_000)}"`, 413, /longer than 1,000,000 bytes/],
    [deep, 400, /nested more than 200 levels/],
    ['{"a":'.repeat(201), 400, /nested more than 200 levels/],
    ['{"text": ', 400, /JSON/],
    ['{"text": "a"} {', 400, /not valid JSON: .*position 14/],
    ['{"userId":"ann","text":"a","userId":"eve"}', 400, /gives userId twice, with different values/],
    ['{"a":[{"b":{"c" : 1, "\\u0063":2}}]}', 400, /gives c twice/],
  ] as const) {
    const answer = await server.ask('/echo', post(body))
    assert.equal(answer.status, status, answer.body)
    assert.match(answer.body, message)
  }
  const shallow = `${'['.repeat(200)}${']'.repeat(200)}`
  assert.equal((await server.ask('/echo', post(shallow))).status, 200)
  const brackets = JSON.stringify(`"\\${'['.repeat(1_000)}`)
  assert.equal((await server.ask('/echo', post(brackets))).status, 200, 'brackets in a text are text')
  assert.equal(
    (await server.ask('/echo', post('{"a":1,"b":"\\"a\\":2","a":1}'))).status,
    200,
    'one value, twice',
  )
  assert.deepEqual(await server.ask('/echo', post('')), { status: 200, body: '{"body":null}' })
})

test('a body that is no UTF-8, or packed, is refused with what to do, and never changed', async () => {
  const { ask } = await started()
  const post = (body: string | Buffer<ArrayBuffer>, headers: Record<string, string> = {}) =>
    ask('/echo', { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body })
  const latin = await post(Buffer.from('{"text":"Grüße"}', 'latin1'), {
    'content-type': 'application/json; charset=latin1',
  })
  assert.deepEqual([latin.status, /the body is not UTF-8/.test(latin.body)], [400, true])
  const packed = await post(gzipSync('{"text":"x"}'), { 'content-encoding': 'gzip' })
  assert.equal(packed.status, 400)
  assert.match(packed.body, /the body is packed \(content-encoding: gzip\); send it as it is/)
  const plain = await post('{"text":"Grüße"}', { 'content-encoding': 'identity' })
  assert.deepEqual([plain.status, plain.body], [200, '{"body":{"text":"Grüße"}}'])
})

test('a body keeps the digits of its numbers', async () => {
  const { ask } = await started()
  const post = (body: string) =>
    ask('/echo', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  assert.deepEqual(JSON.parse((await post('{"taskId":9007199254740993,"n":[1,9007199254740992]}')).body), {
    body: { taskId: '9007199254740993', n: [1, 9007199254740992] },
  })
})

test('a name that is one of JavaScript’s own is data like any other, and changes no object', async () => {
  const { ask } = await started()
  for (const body of [
    '{"__proto__":{"polluted":1}}',
    '{"__proto__":9007199254740993}',
    '{"constructor":{"prototype":{"polluted":1}}}',
    '\uFEFF{"a":[{"__proto__":null}]}',
  ]) {
    const { status, body: answer } = await ask('/echo', post(body))
    assert.deepEqual(
      [status, answer.replace('"9007199254740993"', '9007199254740993')],
      [200, `{"body":${body.replace('\uFEFF', '')}}`],
    )
  }
  assert.equal(({} as { polluted?: number }).polluted, undefined)
})

test('figures are read once for all who ask at once, and by a bounded number of readers', async () => {
  let readings = 0
  const reading = Promise.withResolvers<string>()
  const server = await started({}, () => {
    readings++
    return reading.promise
  })
  const refused: string[] = []
  const asked = Array.from({ length: 20 }, async () => {
    const answer = await server.ask('/metrics')
    if (answer.status === 503) refused.push(answer.body)
    return answer
  })
  await eventually('those who are too many are refused', () => refused.length === 4)
  assert.match(refused.join(), /TOO_MANY_STREAMS/)
  reading.resolve('figures')
  const statuses = (await Promise.all(asked)).map(({ status }) => status)
  assert.deepEqual([statuses.filter((status) => status === 200).length, readings], [16, 1])
  await eventually('there is room', async () => (await server.ask('/metrics')).body === 'figures')
})

test('ids of 128 characters are reached, also escaped; longer parts of a path are refused', async () => {
  const server = await started()
  assert.equal((await server.ask(`/ids/${'a'.repeat(128)}`)).status, 200)
  assert.equal((await server.ask(`/ids/${'a'.repeat(300)}`)).status, 414)
})

test('too many or too long headers are refused', async () => {
  const server = await started()
  const headers = Object.fromEntries(Array.from({ length: 110 }, (_, index) => [`x-${index}`, '1']))
  assert.equal((await server.ask('/health', { headers })).status, 431)
  const long = await server.ask('/health', { headers: { long: 'x'.repeat(20_000) } })
  assert.equal(long.status, 431)
  assert.match((JSON.parse(long.body) as { error: { message: string } }).error.message, /16,384 bytes/)
})

test('what is no request, or none in time, is answered in the form of every error', async () => {
  const server = await started({ headersMs: 300, requestMs: 600 })
  for (const [sent, status] of [
    ['GET /health HTTP/9.9\r\n\r\n', 400],
    ['GET /health HTTP/1.1\r\nX: ', 408],
  ] as const) {
    const socket = server.open()
    socket.on('error', () => {})
    socket.write(sent)
    const [head = '', body = ''] = (await text(socket)).split('\r\n\r\n')
    assert.match(head, new RegExp(`^HTTP/1.1 ${status} `))
    const { error } = JSON.parse(body) as { error: Record<string, unknown> }
    assert.deepEqual(Object.keys(error), ['code', 'message', 'remedy'])
  }
})

test('an unexpected error shows neither its text nor a stack', async () => {
  const { status, body } = await (await started()).ask('/metrics')
  assert.equal(status, 500)
  assert.deepEqual(Object.keys(JSON.parse(body) as object), ['error'])
  assert.doesNotMatch(body, /secret|flotilla\/|\bat /)
})
