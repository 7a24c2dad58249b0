import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Tool, ToolContext } from '../../runtime/config/fleet.ts'
import { FlotillaError, toFailure, type ErrorCode } from '../../runtime/errors.ts'
import type { Json } from '../../schemas/json.ts'
import { fetchPage, httpJson, httpTool } from '../../services/tool-executor/tools/index.ts'
import { pageText } from '../../services/tool-executor/tools/web/page-text.ts'
import { closeParsing } from '../../services/tool-executor/tools/parsing.ts'
import { isPublicAddress } from '../../services/tool-executor/tools/web/address-guard.ts'
import { createWeb } from '../../services/tool-executor/tools/web/web.ts'

let handler: RequestListener
let requests: { method: string; url: string; headers: IncomingMessage['headers']; body: string }[] = []
const server = createServer(async (request, response) => {
  const body = Buffer.concat(await request.toArray()).toString()
  requests.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body })
  handler(request, response)
})
let origin = ''

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
beforeEach(() => (requests = []))
after(async () => {
  await closeParsing()
  server.closeAllConnections()
  server.close()
})

const local = createWeb(() => ['127.0.0.1'])
const guarded = createWeb(() => [])
const context = (signal = new AbortController().signal): ToolContext => ({
  signal,
  taskId: 't',
  userId: null,
  agent: null,
  idempotencyKey: 'call-1',
  traceparent: '00-1-2-01',
})
const run = (tool: Tool, input: Json, signal?: AbortSignal) => tool.run(input, context(signal))
const rejects = (promise: Promise<unknown>, code: ErrorCode, message: RegExp = /./) =>
  assert.rejects(promise, (error: FlotillaError) => {
    assert.equal(error.code, code, error.message)
    assert.match(error.message, message)
    return true
  })
const answer =
  (status: number, body: string | Buffer = '', headers: Record<string, string> = {}): RequestListener =>
  (_, response) =>
    void response.writeHead(status, headers).end(body)
const html = { 'content-type': 'text/html; charset=utf-8' }

test('a page becomes its title and readable text', async () => {
  handler = answer(
    200,
    '<title>Prices</title><script>x()</script><h1>Gold</h1><p>is  <b>dear</b> &amp; heavy',
    html,
  )
  assert.deepEqual(await run(fetchPage({ web: local }), { url: `${origin}/a` }), {
    url: `${origin}/a`,
    title: 'Prices',
    text: '# Gold\n\nis dear & heavy',
    truncated: false,
  })
})

test('lists and tables keep their shape; a page nested 100,000 deep is read', () => {
  const { text } = pageText('<ul><li>a<li>b</ul><table><tr><td>1<td>2<tr><td>3</table>', 100)
  assert.equal(text, '- a\n\n- b\n\n1\t2\n\n3')
  assert.equal(pageText(`${'<div>'.repeat(100_000)}deep`, 100).text, 'deep')
})

/** Formatting that is open when a paragraph ends is opened again in each one that follows: `tags` × `paragraphs` elements. */
const misnested = (tags: number, paragraphs: number): string =>
  `<p>${Array.from({ length: tags }, (_, id) => `<b id=${id}>`).join('')}</p>${'<p>x'.repeat(paragraphs)}`

test('a page whose tree explodes costs its own call, and the next page is read', async () => {
  const page = () => run(fetchPage({ web: local }), { url: origin })
  for (const [tags, paragraphs] of [
    [1_500, 8_000],
    [300, 100_000],
  ] as const) {
    handler = answer(200, misnested(tags, paragraphs), html)
    await rejects(page(), 'TOOL_FAILED', /can't be read as a page: it has more than 200000 elements/)
  }
  handler = answer(200, `<p>${'<br>'.repeat(190_000)}end`, html)
  assert.equal(((await page()) as { text: string }).text, 'end')
})

test('the charset is honoured, long text is cut, and what is no text is refused', async () => {
  handler = answer(200, Buffer.from('caf\xe9', 'latin1'), {
    'content-type': 'text/plain; charset=iso-8859-1',
  })
  const page = (await run(fetchPage({ web: local }), { url: origin, max_chars: 3 })) as {
    text: string
    truncated: boolean
  }
  assert.deepEqual([page.text, page.truncated], ['caf', true])
  assert.equal(((await run(fetchPage({ web: local }), { url: origin })) as { text: string }).text, 'café')
  handler = answer(200, 'x'.repeat(3_000_000), { 'content-type': 'text/plain' })
  assert.equal(
    ((await run(fetchPage({ web: local }), { url: origin })) as { truncated: boolean }).truncated,
    true,
  )
  handler = answer(200, 'PNG', { 'content-type': 'image/png' })
  await rejects(run(fetchPage({ web: local }), { url: origin }), 'TOOL_FAILED', /image\/png/)
})

test('private addresses are refused, as literals, by name and by redirect', async () => {
  handler = answer(200, 'secret')
  const { port } = server.address() as AddressInfo
  for (const host of [
    '127.0.0.1',
    '2130706433',
    '[::1]',
    '[::ffff:127.0.0.1]',
    'localhost',
    '169.254.169.254',
    '0.0.0.0',
  ]) {
    await rejects(
      run(fetchPage({ web: guarded }), { url: `http://${host}:${port}/` }),
      'TOOL_DENIED',
      /not a public address/,
    )
  }
  assert.equal(requests.length, 0)
  handler = (_, response) => void response.writeHead(302, { location: `http://localhost:${port}/` }).end()
  await rejects(run(fetchPage({ web: local }), { url: origin }), 'TOOL_DENIED', /localhost/)
  assert.equal(requests.length, 1)
  await rejects(run(fetchPage({ web: guarded }), { url: 'file:///etc/passwd' }), 'TOOL_DENIED', /file:/)
})

test('only addresses of the public internet are public', () => {
  const refused = [
    '10.1.2.3',
    '100.64.0.1',
    '172.31.0.1',
    '192.168.1.1',
    '224.0.0.1',
    'fd00::1',
    'fe80::1',
    '::',
    '64:ff9b::a00:1',
    'x',
  ]
  for (const address of refused) assert.equal(isPublicAddress(address), false, address)
  for (const address of ['93.184.216.34', '2606:4700::1111', '::ffff:8.8.8.8'])
    assert.ok(isPublicAddress(address), address)
})

test('an allowed host may be limited to a port', async () => {
  handler = answer(200, '1')
  const { port } = server.address() as AddressInfo
  assert.equal(await run(httpJson({ web: createWeb(() => [`127.0.0.1:${port}`]) }), { url: origin }), 1)
  await rejects(run(httpJson({ web: createWeb(() => ['127.0.0.1:1']) }), { url: origin }), 'TOOL_DENIED')
})

test('redirects are followed, up to five', async () => {
  handler = ({ url }, response) => {
    const hop = Number(url?.slice(1))
    if (hop === 5) return void response.end('{"at":5}')
    response.writeHead(302, { location: `/${hop + 1}` }).end()
  }
  assert.deepEqual(await run(httpJson({ web: local }), { url: `${origin}/0` }), { at: 5 })
  handler = answer(302, '', { location: '/again' })
  await rejects(run(httpJson({ web: local }), { url: origin }), 'TOOL_FAILED', /more than 5/)
})

test('statuses: 4xx fails, 5xx and 429 may be tried again, after Retry-After', async () => {
  handler = answer(404, 'no such page')
  await rejects(run(httpJson({ web: local }), { url: origin }), 'TOOL_FAILED', /404: no such page/)
  handler = answer(429, '', { 'retry-after': '7' })
  await assert.rejects(run(httpJson({ web: local }), { url: origin }), {
    code: 'TOOL_TARGET_UNAVAILABLE',
    retryAfterMs: 7_000,
  })
  handler = answer(503)
  await rejects(run(httpJson({ web: local }), { url: origin }), 'TOOL_TARGET_UNAVAILABLE', /503/)
  handler = ({ socket }) => void socket.destroy()
  await rejects(run(httpJson({ web: local }), { url: origin }), 'TOOL_TARGET_UNAVAILABLE')
  await rejects(
    run(httpJson({ web: createWeb(() => ['127.0.0.1']) }), { url: 'http://127.0.0.1:1/' }),
    'TOOL_TARGET_UNAVAILABLE',
  )
})

test('JSON that is not, or is too large, is refused', async () => {
  handler = answer(200, '<html>')
  await rejects(
    run(httpJson({ web: local }), { url: origin }),
    'TOOL_FAILED',
    /did not answer with JSON but with: <html>/,
  )
  handler = answer(200, JSON.stringify('x'.repeat(1_000_001)))
  await rejects(run(httpJson({ web: local }), { url: origin }), 'TOOL_OUTPUT_TOO_LARGE')
})

test('an abort ends the request, and the server sees it', async () => {
  const stop = new AbortController()
  const gone = new Promise<void>((resolve) => {
    handler = (request) => {
      request.socket.once('close', resolve)
      stop.abort(new FlotillaError('CALL_ABORTED', 'stopped'))
    }
  })
  await rejects(run(httpJson({ web: local }), { url: origin }, stop.signal), 'CALL_ABORTED')
  await gone
})

const input = { type: 'object', properties: { id: { type: 'string' }, n: { type: 'number' } } } as const
const define = (change: Partial<Parameters<typeof httpTool>[0]>) =>
  httpTool({
    name: 'endpoint',
    description: 'E.',
    input: { ...input },
    url: `${origin}/items/{id}`,
    ...change,
  })

test('an HTTP endpoint as a tool: POST sends the arguments as JSON, with idempotency key and trace', async () => {
  handler = answer(200, '{"ok":true}', { 'content-type': 'application/json' })
  assert.deepEqual(await run(define({ headers: () => ({ authorization: 'k' }) }), { id: 'a&b', n: 1 }), {
    ok: true,
  })
  const [sent] = requests
  assert.deepEqual([sent?.method, sent?.url, sent?.body], ['POST', '/items/a%26b', '{"n":1}'])
  const { authorization, traceparent, 'idempotency-key': key, 'content-type': type } = sent?.headers ?? {}
  assert.deepEqual([authorization, traceparent, key, type], ['k', '00-1-2-01', 'call-1', 'application/json'])
  await rejects(run(define({}), { n: 'x' }), 'TOOL_ARGUMENTS_INVALID', /n:/)
  requests = []
  for (const id of ['..', '', 'a/b', '%2e%2e', '..%5c'])
    await rejects(run(define({}), { id }), 'TOOL_ARGUMENTS_INVALID', /part of an address/)
  assert.deepEqual(requests, [])
})

test('GET sends arguments as query, is idempotent, and takes text and nothing for an answer', async () => {
  handler = answer(200, 'plain')
  const get = define({ method: 'GET' })
  assert.deepEqual([get.spec.idempotent, define({}).spec.idempotent], [true, false])
  assert.equal(await run(get, { id: 'x', n: 2 }), 'plain')
  assert.equal(requests[0]?.url, '/items/x?n=2')
  handler = answer(204)
  assert.equal(await run(get, { id: 'x' }), null)
})

test('an endpoint that is down opens its breaker; one that asks to wait, or refuses, does not', async () => {
  for (const [status, code] of [
    [503, 'TOOL_UNAVAILABLE'],
    [429, 'TOOL_TARGET_UNAVAILABLE'],
    [400, 'TOOL_FAILED'],
  ] as const) {
    handler = answer(status)
    await rejects(run(define({}), { id: 'x' }), code)
  }
})

test('no message shows the user, the key or the query of an endpoint, nor what it repeats of them', async () => {
  const url = `${origin.replace('//', '//svc:canary-password@')}/items/{id}?api_key=canary-parameter`
  const tool = define({ url, method: 'GET', headers: () => ({ 'X-Api-Key': 'canary-header' }) })
  const echo: RequestListener = (request, response) =>
    void response.writeHead(500).end(`${request.url} ${JSON.stringify(request.headers)} ${'x'.repeat(300)}`)
  for (handler of [echo, answer(404), answer(302, '', { location: '/x?api_key=canary-parameter' })])
    await assert.rejects(run(tool, { id: 'x' }), ({ message }: Error) => {
      assert.ok(!/canary|c3ZjOmNhbmFyeS/.test(message), message)
      return message.includes('/items/{id}')
    })
  const [sent] = requests
  assert.equal(sent?.url, '/items/x?api_key=canary-parameter')
  assert.equal(sent.headers.authorization, `Basic ${Buffer.from('svc:canary-password').toString('base64')}`)
  assert.equal(sent.headers['x-api-key'], 'canary-header')
})

test('tools that fetch may be limited to hosts, redirects included', async () => {
  handler = answer(200, '1')
  const asking = (...hosts: string[]) => run(httpJson({ web: local, hosts }), { url: origin })
  const { host } = new URL(origin)
  assert.equal(await asking('example.org', host), 1)
  assert.equal(await asking('127.0.0.1'), 1)
  for (const hosts of [[], ['example.org'], ['*.0.0.1.example'], ['127.0.0.1:1'], ['0.0.1']])
    await rejects(asking(...hosts), 'TOOL_DENIED', /not a host that this tool may ask/)
  handler = answer(302, '', { location: 'http://evil.example/?d=1' })
  await rejects(asking(host), 'TOOL_DENIED', /evil\.example/)
  const page = fetchPage({ web: local, hosts: ['*.example.org'] })
  for (const url of ['http://example.org/', 'http://example.org.evil.test/', 'http://evilexample.org/'])
    await rejects(run(page, { url }), 'TOOL_DENIED', /may ask/)
  assert.deepEqual(
    [httpJson().spec.sends, fetchPage({ hosts: ['*'] }).spec.sends, page.spec.sends],
    [true, true, undefined],
  )
})

test('a redirect stays within the origin of an endpoint, and POST is not redirected', async () => {
  const other = createServer(() => assert.fail('asked'))
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const location = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`
  handler = answer(302, '', { location })
  const headers = { authorization: 'k' }
  await rejects(run(define({ method: 'GET', headers }), { id: 'x' }), 'TOOL_DENIED', /another origin/)
  handler = (request, response) =>
    void (request.url === '/items/x' ? response.writeHead(302, { location: '/there' }) : response).end(
      '"there"',
    )
  assert.equal(await run(define({ method: 'GET', headers }), { id: 'x' }), '"there"')
  assert.equal(requests.at(-1)?.headers.authorization, 'k')
  handler = answer(302, '', { location })
  await rejects(run(define({ headers }), { id: 'x' }), 'TOOL_FAILED', /302/)
  other.closeAllConnections()
  other.close()
})

test('a packed body that is longer than its limit, and never ends, leaves no connection behind', async () => {
  const closed = Promise.withResolvers<void>()
  handler = (_, response) => {
    response
      .writeHead(200, { ...html, 'content-encoding': 'gzip' })
      .write(gzipSync(Buffer.alloc(3_000_000, ' ')))
    response.on('close', () => closed.resolve())
  }
  const page = (await run(fetchPage({ web: local }), { url: `${origin}/a` })) as { truncated: boolean }
  assert.equal(page.truncated, true)
  await closed.promise
})

test('whatever wait a server states, the failure can be written', async () => {
  const waits = ['9'.repeat(40), '9'.repeat(300), 'Sat, 01 Jan 9999 00:00:00 GMT', '1.5', '-3']
  for (const wait of waits) {
    handler = answer(503, '', { 'retry-after': wait })
    const error = await run(fetchPage({ web: local }), { url: `${origin}/a` }).then(
      () => assert.fail('it was refused'),
      (thrown: unknown) => toFailure(thrown),
    )
    const { retryAfterMs } = error
    assert.ok(retryAfterMs === null || (retryAfterMs >= 0 && retryAfterMs <= 31 * 86_400_000), wait)
  }
})
