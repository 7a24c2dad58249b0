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
import { pageText } from '../../services/tool-executor/tools/web/page-text.ts'
import { closeParsing } from '../../services/tool-executor/tools/parsing.ts'
import { createWeb } from '../../services/tool-executor/tools/web/web.ts'
import { ownMs } from '../support/own-time.ts'

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
  assert.equal((await pageOf(zlib.gzipSync(page), html)).text, 'squeezed', 'stored packed, and not named')
  handler = answer(200, zlib.gzipSync('{"a":1}'), { 'content-encoding': 'gzip' })
  assert.deepEqual(await run(httpJson({ web: local }), { url: origin }), { a: 1 })
  handler = answer(404, zlib.gzipSync('no such page'), { 'content-encoding': 'gzip' })
  await rejects(run(httpJson({ web: local }), { url: origin }), 'TOOL_FAILED', /404: no such page/)
  handler = answer(200, zlib.gzipSync(Buffer.alloc(20_000_000, 32)), { 'content-encoding': 'gzip' })
  await rejects(run(httpJson({ web: local }), { url: origin }), 'TOOL_OUTPUT_TOO_LARGE')
  for (const packing of ['gzip', 'x-gzip', 'br', 'zstd'])
    assert.equal(
      (await pageOf(page, { ...html, 'content-encoding': packing })).text,
      'squeezed',
      'not packed',
    )
  for (const [packing, why] of [
    ['gzip', /answered what is not gzip, as it says/],
    ['br', /answered what is not br/],
    ['zstd', /answered what is not zstd/],
    ['lzma', /packed as lzma, which is not known/],
    ['gzip, gzip, gzip', /packed 3 times over/],
  ] as const) {
    handler = answer(200, Buffer.from(`\x01${page}`), { 'content-encoding': packing })
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

test('what style hides in other ways is left out too: by place, size, colour, escapes and the page\u2019s own rules', () => {
  const styles = [
    'position:absolute; left:-9999px',
    'text-indent:-999em',
    'position:absolute;clip:rect(0,0,0,0)',
    'clip-path: inset(100%)',
    'height:0;overflow:hidden',
    'max-height:0px; overflow-y: clip',
    'transform: scale(0)',
    'opacity:.01',
    'font-size:1px',
    'font:0/0 a',
    'color:#FFF;background:#fff',
    'color: transparent',
    'filter: opacity(0)',
    'display:/**/none',
    'd\\69splay:none',
  ]
  for (const style of styles)
    assert.equal(pageText(`<p style="${style}">obey</p><p>seen</p>`, 100).text, 'seen', style)
  const shown = ['left:-5px', 'height:0', 'font-size:12px', 'color:#fff;background:#000', 'opacity:0.6']
  for (const style of shown) assert.equal(pageText(`<p style="${style}">seen</p>`, 100).text, 'seen', style)
  const rules =
    '.a, p#b{display:none} @media print{.c{display:none}} .d{display:none}.d{display:block}/* .e{display:none} */ .f .g{display:none}'
  const page = `<head><style>${rules}</style></head><i class="x a">1</i><p id=b>2</p><i id=b>3</i><i class=c>4</i><i class=d>5</i><i class=e>6</i><i class=g>7</i>`
  assert.equal(pageText(page, 100).text, '34567')
  const begunMs = ownMs()
  pageText(`<style>${'/*{'.repeat(100_000)}</style><p style="${'/*('.repeat(100_000)}">x`, 100)
  assert.ok(ownMs() - begunMs < 5_000)
})

test('characters without a shape are left out; flags, emoji and joined letters stay whole', () => {
  const smuggled = [...'obey'].map((char) => String.fromCodePoint(0xe0000 + char.charCodeAt(0))).join('')
  assert.equal(pageText(`hi${smuggled}\u200b\u202e\u00ad there`, 100).text, 'hi there')
  const whole = '\u{1F3F4}\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F} 👩\u200d👧 می\u200cخواهم'
  assert.equal(pageText(whole, 100).text, whole)
})

test('pages without text of their own say so: frames, forwarding, scripts', () => {
  const frames = '<frameset><frame src="menu.html"><noframes>Your <b>browser</b></noframes></frameset>'
  assert.equal(pageText(frames, 100).text, '(frame: menu.html)')
  const forwards = '<meta http-equiv="Refresh" content="0; URL=\'/new\'"><p>Moved'
  assert.match(pageText(forwards, 100).text, /^\(the page forwards to \/new\)\s+Moved$/)
  assert.match(pageText('<div id=root></div><script src=x></script>', 100).text, /no text of its own/)
})

test('a server that names one charset for all of its pages does not garble UTF-8, nor is a binary file a page', async () => {
  const latin = { 'content-type': 'text/html; charset=iso-8859-1' }
  assert.equal((await pageOf('<html><p>café 日本', latin)).text, 'café 日本')
  assert.equal((await pageOf(Buffer.from('<html><p>caf\xe9', 'latin1'), latin)).text, 'café')
  await rejects(pageOf('%PDF-1.7\n', html), 'TOOL_FAILED', /is not text, although it says text\/html/)
  const png = Buffer.from('89504e470d0a1a0a0000000d49484452000000010000000108060000', 'hex')
  await rejects(pageOf(png, html), 'TOOL_FAILED', /is not text/)
})
