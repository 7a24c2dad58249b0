// Answers of a provider that never end, and what is left of one, over real HTTP.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import type { FlotillaError } from '../../../../runtime/errors.ts'
import { errorReader, textReader } from '../../../../services/planner/model/text-reader.ts'
import { createTransport, httpUrl, type Answered } from '../../../../services/planner/model/transport.ts'
import { isUnpackingError } from '../../../../runtime/text/unpacking.ts'

/** The text of an answer. */
async function read(url: string, variables: Record<string, string> = {}): Promise<string> {
  let text = ''
  const answered: Answered = (status) =>
    status < 300
      ? textReader((whole) => (text = whole))
      : errorReader((shown) => {
          throw new Error(shown)
        })
  const request = { method: 'GET', url: httpUrl(url), headers: [], body: null } as const
  await createTransport(variables)(request, answered).done
  return text
}

/** Sends text until the client goes away. `sent` resolves then with its length. */
async function endless(status: number, headers: Record<string, string> = {}) {
  const { promise: sent, resolve } = Promise.withResolvers<number>()
  const piece = 'x'.repeat(64_000)
  const server = createServer((request, response) => {
    if (request.url === '/end') return void response.end('the end')
    let length = 0
    const send = (): void => {
      do length += piece.length
      while (response.write(piece))
    }
    response.writeHead(status, headers).on('drain', send)
    response.on('close', () => resolve(length))
    send()
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  after(() => server.close())
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/`, sent }
}

test('the text of an error is read as far as it is shown, and the connection is cut', async () => {
  const { url, sent } = await endless(500)
  await assert.rejects(read(url), (error: Error) => error.message.length === 64_000)
  assert.ok((await sent) < 30_000_000, `${await sent} bytes were sent`)
})

test('an answer that does not end is refused', async () => {
  const { url, sent } = await endless(200)
  await assert.rejects(read(url), /more than 32000000 bytes/)
  assert.ok((await sent) < 100_000_000, `${await sent} bytes were sent`)
})

test('of what its reader does not need a little is drained, and then the connection is cut', async () => {
  const { url, sent } = await endless(200)
  let pieces = 0
  const request = { method: 'GET', url: httpUrl(url), headers: [], body: null } as const
  const answered: Answered = () => ({ feed: () => ++pieces < 1, end: () => assert.fail('it had enough') })
  await createTransport({})(request, answered).done
  assert.ok((await sent) < 10_000_000, `${await sent} bytes were sent`)
  assert.equal(pieces, 1)
})

test('a redirect is followed although its own body does not end', { timeout: 240_000 }, async () => {
  const { url, sent } = await endless(307, { location: '/end' })
  assert.equal(await read(url), 'the end')
  assert.ok((await sent) < 10_000_000, `${await sent} bytes were sent`)
})

test('a redirect is followed although its own body is cut short', { timeout: 240_000 }, async () => {
  const server = createServer((request, response) => {
    if (request.url === '/end') return void response.end('the end')
    response.writeHead(307, { location: '/end', 'content-length': '10' }).write('half')
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  assert.equal(await read(`http://127.0.0.1:${port}/`), 'the end')
})

test('a proxy may be named as curl takes it; what names none is refused, and not shown', async () => {
  const server = createServer((request, response) => response.end(`proxied ${request.url}`))
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  after(() => server.close())
  const { port } = server.address() as AddressInfo
  assert.equal(
    await read('http://m.invalid/', { HTTP_PROXY: `127.0.0.1:${port}` }),
    'proxied http://m.invalid/',
  )
  for (const value of ['ftp://u:secret@h', 'http://', 'not secret', 'http://127.0.0.1:99999'])
    assert.throws(
      () => createTransport({ https_proxy: value }),
      ({ code, message }: FlotillaError) =>
        code === 'CONFIG_INVALID' &&
        /^HTTPS_PROXY is no address/.test(message) &&
        !message.includes('secret'),
    )
})

test('an answer that is packed thousands of times over is refused before anything is unpacked', async () => {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-encoding': Array(2_000).fill('gzip').join(',') }).end('x')
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  after(() => server.close())
  const { port } = server.address() as AddressInfo
  await assert.rejects(
    read(`http://127.0.0.1:${port}/`),
    (error) => isUnpackingError(error) && /2000 times/.test(error.message),
  )
})
