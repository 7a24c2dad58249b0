// What many requests together may have a server hold: bodies, in whatever pieces, and requests that are not answered yet.
import assert from 'node:assert/strict'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { after, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Bodies } from '../../../../runtime/host/http/body.ts'
import { createHttpServer, type HttpLimits } from '../../../../runtime/host/http/server.ts'
import { eventually } from '../../../conformance/waiting.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

test('characters that come in pieces are whole', async () => {
  const payload = new PassThrough()
  const read = new Bodies({ bytes: 1_000, heldBytes: 1_000 }).read(payload)
  for (const byte of Buffer.from('"grüße 🚢"')) payload.write(Buffer.of(byte))
  payload.end()
  assert.equal(await read, '"grüße 🚢"')
})

async function started(limits: Partial<HttpLimits> = {}) {
  const app = createHttpServer({
    service: 'test',
    readiness: () => Promise.resolve({ ready: true, parts: [] }),
    health: () => ({ status: 'ok', unhandledRejections: 0 }),
    metrics: () => Promise.resolve(''),
    hosts: { host: '127.0.0.1', allowed: [] },
    limits,
  })
  let begun = 0
  const { promise: released, resolve: release } = Promise.withResolvers<undefined>()
  app.post('/length', ({ body }) => ({ length: JSON.stringify(body).length }))
  app.get('/held', async () => {
    begun++
    await released
    return 'held'
  })
  const accepted: Socket[] = []
  app.server.on('connection', (socket) => accepted.push(socket))
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const sockets: Socket[] = []
  after(async () => {
    for (const socket of sockets) socket.destroy()
    await app.close()
  })
  return {
    release: () => release(undefined),
    begun: () => begun,
    /** Of the first connection. */
    bytesRead: () => accepted[0]?.bytesRead ?? 0,
    /** Writes it as it is; what was answered grows in `got`. */
    send(text: string) {
      const socket = connect(port, '127.0.0.1')
      const sent = { socket, got: '' }
      socket.on('error', () => {})
      socket.on('data', (bytes) => (sent.got += String(bytes)))
      socket.write(text)
      sockets.push(socket)
      return sent
    },
    async post(body: string): Promise<number> {
      const headers = { 'content-type': 'application/json' }
      const answer = await fetch(`http://127.0.0.1:${port}/length`, { method: 'POST', headers, body })
      await answer.text()
      return answer.status
    },
  }
}

test('a body in pieces of one byte takes no more memory than its size', async () => {
  const server = await started()
  const memory = (): number => (collect(), process.memoryUsage().heapUsed)
  const before = memory()
  const chunks = '1\r\nx\r\n'.repeat(200_000)
  const begin = 'POST /length HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/json\r\n'
  const sent = server.send(`${begin}transfer-encoding: chunked\r\n\r\n1\r\n"\r\n${chunks}`)
  await eventually('the server has read them', () => server.bytesRead() > chunks.length)
  const taken = memory() - before
  assert.ok(taken < 10_000_000, `${taken} bytes for a body of 200,000`)
  sent.socket.write('1\r\n"\r\n0\r\n\r\n')
  await eventually('it is answered', () => sent.got.includes('{"length":200002}'))
})

const head = (length: number): string =>
  `POST /length HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`

test('large bodies that are held take bounded memory together, and never keep a small one out', async () => {
  const server = await started({ heldBytes: 300_000 })
  const [large, small] = [`"${'x'.repeat(200_000)}"`, `"${'x'.repeat(10_000)}"`]
  const first = server.send(`${head(900_000)}"${'x'.repeat(200_000)}`)
  await eventually('the others are refused', async () => (await server.post(large)) === 503)
  assert.equal(await server.post(small), 200)
  first.socket.destroy()
  await eventually('there is room again', async () => (await server.post(large)) === 200)
})

test('requests that a connection sends ahead of its answers are bounded', async () => {
  const server = await started()
  const ahead = server.send('GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(50))
  const other = server.send('GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await eventually('both have begun', () => server.begun() >= 9)
  server.release()
  const statuses = (): string[] => ahead.got.match(/HTTP\/1\.1 \d+/g) ?? []
  await eventually('all are answered', () => statuses().length === 50 && other.got !== '')
  assert.deepEqual([server.begun(), statuses().filter((line) => line.endsWith('200')).length], [9, 8])
  assert.match(ahead.got, /"REQUEST_INVALID".*8 requests of this connection are not answered yet/)
})
