// The client of Docker's API against a server that answers as an engine does; test/sandbox/docker.test.ts has a real one.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import {
  Engine,
  engineAddress,
  splitOutputs,
} from '../../../../services/code-sandbox/executors/docker/engine.ts'

const directory = mkdtempSync(join(tmpdir(), 'flotilla-engine-'))
const socketPath = join(directory, 'docker.sock')
const engine = new Engine({ socketPath })
let server: Server

before(async () => {
  server = createServer((request, response) => {
    const { method = '', url = '' } = request
    if (url === '/images/nosuch/json') response.writeHead(404).end('{"message":"No such image: nosuch"}')
    else if (url === '/broken') response.writeHead(500, 'Oops').end('not JSON')
    else if (url === '/containers/1/start') response.writeHead(204).end()
    else if (url === '/cut') response.writeHead(200).write('{"a":', () => response.destroy())
    else request.pipe(response.setHeader('x-method', method))
  })
  // Docker switches protocols, and the first frame may come in the same packet.
  server.on('upgrade', ({ url = '' }, socket, head) => {
    if (url === '/containers/gone/attach')
      return socket.end('HTTP/1.1 409 Conflict\r\nContent-Length: 24\r\n\r\n{"message":"it is gone"}')
    socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nready')
    if (head.length > 0) socket.write(head)
    socket.pipe(socket)
  })
  server.listen(socketPath)
  await once(server, 'listening')
})
after(() => {
  server.closeAllConnections()
  server.close()
  rmSync(directory, { recursive: true })
})

test('a call sends its body and resolves with the answer', async () => {
  assert.deepEqual(await engine.call('POST', '/containers/create', { Image: 'a' }), { Image: 'a' })
  assert.equal(await engine.call('POST', '/containers/1/start'), null)
})

test('a refusal has its status and what the engine says; a broken answer rejects', async () => {
  await assert.rejects(engine.call('GET', '/images/nosuch/json'), {
    statusCode: 404,
    message: '(HTTP code 404) No such image: nosuch',
  })
  await assert.rejects(engine.call('GET', '/broken'), { statusCode: 500, message: '(HTTP code 500) Oops' })
  await assert.rejects(engine.attach('/containers/gone/attach'), {
    message: '(HTTP code 409) it is gone',
  })
  await assert.rejects(engine.call('GET', '/cut'), { code: 'ECONNRESET' })
  const none = new Engine({ socketPath: join(directory, 'nosuch') })
  await assert.rejects(none.call('GET', '/version'), { code: 'ENOENT' })
  await assert.rejects(none.attach('/attach'), { code: 'ENOENT' })
})

test('an attached stream begins with what came with the switch of protocols, and goes both ways', async () => {
  const stream = await engine.attach('/containers/1/attach')
  let heard = ''
  const { promise, resolve } = Promise.withResolvers<void>()
  stream.on('data', (chunk: Buffer) => {
    heard += chunk.toString()
    if (heard === 'ready hello') resolve()
  })
  stream.write(' hello')
  await promise
  stream.destroy()
})

const frame = (output: number, text: string): Buffer => {
  const header = Buffer.alloc(8)
  header[0] = output
  header.writeUInt32BE(Buffer.byteLength(text), 4)
  return Buffer.concat([header, Buffer.from(text)])
}

test('outputs are separated wherever the bytes are cut', () => {
  const bytes = Buffer.concat([frame(1, 'one'), frame(2, 'error'), frame(1, ''), frame(1, 'two')])
  for (let size = 1; size <= bytes.length; size++) {
    let [out, errors] = ['', '']
    const take = splitOutputs({
      out: (part) => (out += part.toString()),
      errors: (part) => (errors += part.toString()),
    })
    for (let at = 0; at < bytes.length; at += size) take(bytes.subarray(at, at + size))
    assert.deepEqual([out, errors], ['onetwo', 'error'], `in pieces of ${size}`)
  }
})

test('DOCKER_HOST is read as the docker command reads it', () => {
  assert.deepEqual(engineAddress({}), { socketPath: '/var/run/docker.sock' })
  assert.deepEqual(engineAddress({ DOCKER_HOST: 'unix:///run/d.sock' }), { socketPath: '/run/d.sock' })
  assert.deepEqual(engineAddress({ DOCKER_HOST: 'tcp://h' }), { protocol: 'http:', host: 'h', port: 2375 })
  assert.deepEqual(engineAddress({ DOCKER_HOST: 'tcp://[::1]:9', DOCKER_TLS_VERIFY: '1' }), {
    protocol: 'https:',
    host: '::1',
    port: 9,
  })
  assert.throws(() => engineAddress({ DOCKER_HOST: 'ssh://h' }), /ssh -L/)
  for (const wrong of ['h:2375', 'npipe://x', 'tcp://', 'nonsense'])
    assert.throws(() => engineAddress({ DOCKER_HOST: wrong }), /DOCKER_HOST must be unix/, wrong)
  assert.throws(
    () => engineAddress({ DOCKER_HOST: 'https://h', DOCKER_CERT_PATH: join(directory, 'nosuch') }),
    /ca.pem/,
  )
})
