// Pages and JSON of the web as servers send them: in any encoding, packed, with what no reader sees.
import assert from 'node:assert/strict'
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import zlib from 'node:zlib'
import type { Tool, ToolContext } from '../../runtime/config/fleet.ts'
import type { FlotillaError } from '../../runtime/errors.ts'
import type { Json } from '../../schemas/json.ts'
import { fetchPage, httpJson } from '../../services/tool-executor/tools/index.ts'
import { pageText } from '../../services/tool-executor/tools/page-text.ts'
import { closeParsing } from '../../services/tool-executor/tools/parsing.ts'
import { createWeb } from '../../services/tool-executor/tools/web.ts'

let handler: RequestListener
let asked: IncomingHttpHeaders = {}
const server = createServer((request, response) => {
  asked = request.headers
  handler(request, response)
})
let origin = ''
before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
after(async () => {
  await closeParsing()
  server.closeAllConnections()
  server.close()
})

const local = createWeb(() => ['127.0.0.1'])
const context: ToolContext = {
  signal: new AbortController().signal,
  taskId: 't',
  userId: null,
  agent: null,
  idempotencyKey: 'k',
  traceparent: null,
}
const run = (tool: Tool, input: Json) => tool.run(input, context)
const rejects = (promise: Promise<unknown>, code: string, message: RegExp = /./) =>
  assert.rejects(promise, (error: FlotillaError) => {
    assert.equal(error.code, code, error.message)
    assert.match(error.message, message)
    return true
  })
const answer =
  (status: number, body: string | Buffer, headers: Record<string, string> = {}): RequestListener =>
  (_, response) =>
    void response.writeHead(status, headers).end(body)
const html = { 'content-type': 'text/html; charset=utf-8' }

const pageOf = async (body: string | Buffer, headers: Record<string, string> = html) => {
  handler = answer(200, body, headers)
  return (await run(fetchPage({ web: local }), { url: origin })) as { title: string | null; text: string }
}

test('the encoding is the mark\u2019s, the header\u2019s, the page\u2019s own, or the likeliest', async () => {
  const bytes = (...parts: (string | number[])[]) =>
    Buffer.concat(
      parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))),
    )
  const novel = [0x8f, 0xac, 0x90, 0xe0]
  const bare = { 'content-type': 'text/html' }
  for (const [body, headers, text] of [
    [bytes('<html><head><meta charset="Shift_JIS"></head><p>', novel), bare, '小説'],
    [
      bytes("<html><head><META content='text/html; charset = shift_jis' http-equiv=Content-Type><p>", novel),
      bare,
      '小説',
    ],
    [
      bytes('<?xml version="1.0" encoding="Shift_JIS"?><html><p>', novel),
      { 'content-type': 'application/xhtml+xml' },
      '小説',
    ],
    [bytes('<html><p>', novel), { 'content-type': "text/html; charset='Shift_JIS'" }, '小説'],
    [bytes('<html><p>', novel), { 'content-type': 'text/html;Charset = "shift_jis"' }, '小説'],
    [bytes('<html><meta charset=iso-8859-1><p>caf\xe9'), bare, 'café'],
    [bytes('<html><p>caf\xe9'), bare, 'café'],
    [bytes('<html><p>caf\xe9'), html, 'café'],
    [bytes('<html><meta charset=utf-16><p>hello'), bare, 'hello'],
    [bytes('<html><meta charset=klingon><p>hello'), bare, 'hello'],
    [bytes('<html><!-- <meta charset=shift_jis> --><p>caf\xc3\xa9'), bare, 'café'],
    [Buffer.from('\ufeff<html><p>hellö', 'utf16le'), bare, 'hellö'],
    [Buffer.from('\ufeff<html><p>hellö', 'utf16le').swap16(), html, 'hellö'],
    [
      Buffer.from('\ufeff<html><meta charset=iso-8859-1><p>hellö'),
      { 'content-type': 'text/html; charset=latin1' },
      'hellö',
    ],
  ] as const)
    assert.equal(
      (await pageOf(body, headers)).text,
      text,
      `${JSON.stringify(headers)} ${body.toString('latin1')}`,
    )
  handler = answer(200, '\ufeff{"a":9007199254740993}', { 'content-type': 'application/json' })
  assert.deepEqual(await run(httpJson({ web: local }), { url: origin }), { a: '9007199254740993' })
  handler = answer(200, Buffer.from('\ufeff{"a":"é"}', 'utf16le'))
  assert.deepEqual(await run(httpJson({ web: local }), { url: origin }), { a: 'é' })
})

test('answers that are packed are unpacked, up to the limit, however often they were asked not to be', async () => {
  const page = '<html><p>squeezed'
  const packings = {
    gzip: zlib.gzipSync,
    'x-gzip': zlib.gzipSync,
    GZIP: zlib.gzipSync,
    deflate: zlib.deflateSync,
    br: zlib.brotliCompressSync,
    zstd: zlib.zstdCompressSync,
    'gzip, br': (data: string) => zlib.brotliCompressSync(zlib.gzipSync(data)),
    identity: Buffer.from,
  }
  for (const [packing, pack] of Object.entries(packings)) {
    const headers = { ...html, 'content-encoding': packing }
    assert.equal((await pageOf(pack(page), headers)).text, 'squeezed', packing)
  }
  const headers = { ...html, 'content-encoding': 'deflate' }
  assert.equal((await pageOf(zlib.deflateRawSync(page), headers)).text, 'squeezed')
  assert.equal(asked['accept-encoding'], 'gzip, deflate, br, zstd')
  handler = answer(200, zlib.gzipSync('{"a":1}'), { 'content-encoding': 'gzip' })
  assert.deepEqual(await run(httpJson({ web: local }), { url: origin }), { a: 1 })
  handler = answer(404, zlib.gzipSync('no such page'), { 'content-encoding': 'gzip' })
  await rejects(run(httpJson({ web: local }), { url: origin }), 'TOOL_FAILED', /404: no such page/)
  handler = answer(200, zlib.gzipSync(Buffer.alloc(20_000_000, 32)), { 'content-encoding': 'gzip' })
  await rejects(run(httpJson({ web: local }), { url: origin }), 'TOOL_OUTPUT_TOO_LARGE')
  for (const [packing, why] of [
    ['gzip', /answered what is not gzip, as it says/],
    ['br', /answered what is not br/],
    ['zstd', /answered what is not zstd/],
    ['lzma', /packed as lzma, which is not known/],
    ['gzip, gzip, gzip', /packed 3 times over/],
  ] as const) {
    handler = answer(200, page, { 'content-encoding': packing })
    await rejects(run(httpJson({ web: local }), { url: origin }), 'TOOL_FAILED', why)
  }
})

test('preformatted text keeps its lines and indents', async () => {
  const code = 'def f():\n    return 1\n\n\n\nprint(f())'
  assert.equal(
    (await pageOf(`<p>Run  it:</p><pre><code>${code}\n</code></pre>`)).text.trim(),
    `Run it:\n\n${code}`,
  )
  assert.equal((await pageOf('<pre>a  b\n\tc</pre>')).text, 'a  b\n\tc')
  assert.equal((await pageOf('<textarea>l1\nl2</textarea>')).text, 'l1\nl2')
  assert.equal((await pageOf('<div style="white-space: pre-wrap">a\n  b</div>')).text, 'a\n  b')
})

test('what no reader sees is left out, and what stands apart stays apart', async () => {
  const unseen = [
    '<p hidden>no</p>',
    '<p hidden="until-found">no</p>',
    '<div style="color:red; display : none">no</div>',
    '<div style="visibility:hidden">no</div>',
    '<div style="opacity:0">no</div>',
    '<div style="font-size:0px">no</div>',
    '<p aria-hidden="true">no<b>no</b></p>',
    '<noscript><p>no</p></noscript>',
    '<template><p>no</p></template>',
    '<dialog>no</dialog>',
    '<select><option>no</select>',
  ]
  assert.equal((await pageOf(`<p>seen</p>${unseen.join('')}`)).text, 'seen')
  const seen = [
    '<p aria-hidden="false">a</p>',
    '<p style="opacity:0.5">b</p>',
    '<p style="font-size:09px">c</p>',
  ]
  assert.equal((await pageOf(seen.join(''))).text, 'a\n\nb\n\nc')
  assert.equal(
    (await pageOf('<button>Buy</button><button>Sell</button><label>Name</label>')).text,
    'Buy Sell Name',
  )
  const late = await pageOf('<body><title>Late\n one</title><p>x</p><svg><title>icon</title></svg>')
  assert.deepEqual([late.title, late.text], ['Late one', 'x'])
})

test('text is cut at a whole character', () => {
  assert.deepEqual(pageText('<p>a😀b', 2), { title: null, text: 'a', truncated: true })
  assert.equal(pageText('<p>a😀', 3).text, 'a😀')
})
