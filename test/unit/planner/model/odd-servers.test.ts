// Servers whose answers are odd below the body: status lines, headers, redirects, certificates. Each has one clear
// outcome, and is asked once.
import assert from 'node:assert/strict'
import { createServer, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { FlotillaError, type ErrorCode } from '../../../../runtime/errors.ts'
import { providerError } from '../../../../services/planner/model/errors.ts'
import { callContext, callerFor, completion, request } from './provider-server.ts'

const body = JSON.stringify(completion({ content: 'hello' }))
const answer = (status: string, headers: readonly string[], text = body): string =>
  [`HTTP/1.1 ${status}`, ...headers, `content-length: ${text.length}`, '', text].join('\r\n')

/** Answers each request with these bytes; `asked` counts them. */
async function startRaw(t: TestContext, bytes: string) {
  const state = { url: '', asked: 0 }
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    let heard = ''
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1')
      const end = heard.indexOf('\r\n\r\n') + 4
      const length = Number(/^content-length: (\d+)/im.exec(heard)?.[1] ?? 0)
      if (end < 4 || heard.length < end + length) return
      heard = ''
      state.asked++
      socket.write(bytes)
    })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  return state
}

const ask = (url: string) => callerFor({ test: { baseUrl: url } })(request(), callContext())

for (const [what, bytes] of [
  ['early hints', `HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n${answer('200 OK', [])}`],
  ['no reason', answer('200', [])],
  ['20,000 bytes of headers', answer('200 OK', [`x-filters: ${'y'.repeat(20_000)}`])],
  ...[`)]}'\n`, `)]}',`, 'while(1);', 'for (;;);', 'callback(', '/**/ my.back( ', '\u001e'].map((guard) => [
    `the guard ${guard.trim()}`,
    answer('200 OK', [], guard + body),
  ]),
  [
    'trailers',
    `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\nx-a: 1\r\n\r\n`,
  ],
] as const) {
  test(`read as meant: ${what}`, async (t) => {
    const server = await startRaw(t, bytes as string)
    assert.equal((await ask(server.url)).text, 'hello')
    assert.equal(server.asked, 1)
  })
}

const failures: readonly (readonly [what: string, bytes: string, code: ErrorCode, says: RegExp])[] = [
  [
    'lines that end in LF alone',
    answer('200 OK', []).replaceAll('\r\n', '\n'),
    'MODEL_UNAVAILABLE',
    /sent an answer that can not be read \(not HTTP\/1\.1\): .*Missing expected CR/,
  ],
  [
    'another protocol',
    '220 mail.example.org ESMTP\r\n',
    'MODEL_UNAVAILABLE',
    /can not be read \(not HTTP\/1\.1\)/,
  ],
  [
    'headers without end',
    `HTTP/1.1 200 OK\r\nx-a: ${'y'.repeat(200_000)}`,
    'MODEL_UNAVAILABLE',
    /can not be read \(UND_ERR_HEADERS_OVERFLOW\)/,
  ],
  [
    '100 Continue unasked',
    `HTTP/1.1 100 Continue\r\n\r\n${answer('200 OK', [])}`,
    'MODEL_UNAVAILABLE',
    /bad response/,
  ],
  [
    'an empty body',
    answer('200 OK', [], ''),
    'MODEL_ANSWER_MALFORMED',
    /^test sent an empty body as its answer \(model m-1\)\.$/,
  ],
  [
    'an error behind a guard',
    answer('200 OK', [], `)]}'\n{"error":{"message":"slow down","code":429}}`),
    'MODEL_RATE_LIMITED',
    /answered 429 for model m-1: slow down/,
  ],
  [
    'a refusal behind a guard',
    answer('400 Bad Request', [], `)]}'\n{"error":{"message":"bad"}}`),
    'MODEL_REQUEST_REFUSED',
    /: bad$/,
  ],
  [
    'a redirect to another server',
    answer('308 Moved', ['location: https://u:p@models.example/v2?sig=x'], ''),
    'MODEL_REQUEST_REFUSED',
    /another server, https:\/\/models\.example\/v2, to which no key is sent/,
  ],
  [
    'a redirect that says no place',
    answer('307 Moved', [], ''),
    'MODEL_REQUEST_REFUSED',
    /does not say where/,
  ],
  [
    'a redirect to the answer of another request',
    answer('303 See Other', ['location: /v1/answers/7'], ''),
    'MODEL_REQUEST_REFUSED',
    /redirects to http:\/\/127\.0\.0\.1:\d+\/v1\/answers\/7, where a request is not sent again/,
  ],
]

for (const [what, bytes, code, says] of failures) {
  test(`${code}: ${what}`, async (t) => {
    const server = await startRaw(t, bytes)
    await assert.rejects(ask(server.url), (error) => {
      assert.ok(error instanceof FlotillaError)
      assert.equal(error.code, code)
      assert.match(error.message, says)
      return true
    })
    assert.equal(server.asked, 1)
  })
}

test('a connection that is closed without an answer is no server that could not be reached', async (t) => {
  const server = createServer((socket) => socket.once('data', () => socket.destroy()))
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  await assert.rejects(ask(url), /closed the connection without an answer \(\w+\)/)
})

test('a certificate of one’s own: the variable that takes its authority is named', () => {
  const failure = {
    status: undefined,
    codes: [],
    param: null,
    message: 'self-signed certificate',
    retryDelay: null,
  }
  const site = { provider: 'test', model: 'm-1', keyEnv: undefined, baseUrl: 'https://m.example/v1' }
  const said = providerError({ ...failure, cause: 'DEPTH_ZERO_SELF_SIGNED_CERT', header: () => null }, site)
  assert.match(said.message, /could not be reached \(DEPTH_ZERO_SELF_SIGNED_CERT\): .*NODE_EXTRA_CA_CERTS/)
})
