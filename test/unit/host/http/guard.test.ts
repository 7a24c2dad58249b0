// Which requests a server takes (runtime/host/http/guard.ts).
import assert from 'node:assert/strict'
import type { IncomingHttpHeaders } from 'node:http'
import { test } from 'node:test'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { guard, type AllowedHosts } from '../../../../runtime/host/http/guard.ts'

const loopback: AllowedHosts = { host: '127.0.0.1', allowed: [] }

/** Null: taken. Else the code, or the status, of the refusal. */
function refusal(
  headers: IncomingHttpHeaders,
  { method = 'GET', hosts = loopback }: { method?: string; hosts?: AllowedHosts } = {},
): string | number | null {
  const rawHeaders = Object.entries(headers).flatMap(([name, value]) => [name, String(value)])
  try {
    guard({ method, headers, rawHeaders }, hosts)
    return null
  } catch (error) {
    return error instanceof FlotillaError ? error.code : (error as { statusCode: number }).statusCode
  }
}

test('localhost and addresses are taken, whatever the port; other names are not', () => {
  for (const host of [
    'localhost',
    'LOCALHOST:8000',
    'localhost.',
    '127.0.0.1:1',
    '10.1.2.3',
    '[::1]:8000',
    '[fe80::1]',
  ])
    assert.equal(refusal({ host }), null, host)
  const foreign = [
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.nip.io',
    'planner',
    '',
    '[::1',
    '127.1',
    'a:b:c',
  ]
  for (const host of foreign) assert.equal(refusal({ host }), 'HOST_REFUSED', host)
  assert.equal(refusal({}), 'HOST_REFUSED')
})

test('HOST and FLOTILLA_ALLOWED_HOSTS name the server', () => {
  const hosts = { host: 'Box.internal', allowed: ['gateway', '*.example.org'] }
  for (const host of ['box.internal', 'gateway:8000', 'a.example.org', 'a.b.EXAMPLE.org:1'])
    assert.equal(refusal({ host }, { hosts }), null, host)
  for (const host of ['example.org', 'gateway.evil.example', 'aexample.org', 'a.example.org.evil.example'])
    assert.equal(refusal({ host }, { hosts }), 'HOST_REFUSED', host)
})

test('a request that names two hosts is refused', () => {
  const headers = { host: 'localhost' }
  const rawHeaders = ['Host', 'localhost', 'HOST', 'evil.example']
  assert.throws(() => guard({ method: 'GET', headers, rawHeaders }, loopback), { code: 'HOST_REFUSED' })
})

test('a header that decides something comes once', () => {
  const codeOf = (name: string, values: [string, string]) => {
    const rawHeaders = ['Host', 'localhost', name, values[0], name.toUpperCase(), values[1]]
    // As Node gives them: the first.
    const headers = { host: 'localhost', [name]: values[0] }
    try {
      guard({ method: 'GET', headers, rawHeaders }, loopback)
      return null
    } catch (error) {
      return (error as FlotillaError).code
    }
  }
  assert.equal(codeOf('authorization', ['Bearer a', 'Bearer b']), 'REQUEST_INVALID')
  assert.equal(codeOf('authorization', ['Bearer a', 'Bearer a']), 'REQUEST_INVALID')
  assert.equal(codeOf('sec-fetch-site', ['same-origin', 'cross-site']), 'REQUEST_INVALID')
  assert.equal(codeOf('content-type', ['application/json', 'text/plain']), 'REQUEST_INVALID')
  assert.equal(codeOf('idempotency-key', ['a', 'b']), 'REQUEST_INVALID')
  assert.equal(codeOf('last-event-id', ['0:1', '0:2']), 'REQUEST_INVALID')
  assert.equal(codeOf('accept', ['a', 'b']), null)
})

test('what a browser says comes from another site is refused, GETs too', () => {
  const host = '127.0.0.1:8000'
  for (const site of ['cross-site', 'same-site'])
    assert.equal(refusal({ host, 'sec-fetch-site': site }), 'ORIGIN_REFUSED', site)
  for (const site of ['same-origin', 'none'])
    assert.equal(refusal({ host, 'sec-fetch-site': site }), null, site)
  for (const origin of [
    'http://evil.example',
    'http://127.0.0.1:9000',
    'null',
    'http://127.0.0.1',
    'file://',
  ])
    assert.equal(refusal({ host, origin }), 'ORIGIN_REFUSED', origin)
  for (const origin of ['http://127.0.0.1:8000', 'https://127.0.0.1:8000'])
    assert.equal(refusal({ host, origin }), null)
})

test('what is no GET or HEAD says that it is JSON', () => {
  const host = 'localhost'
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    for (const type of ['application/json', 'Application/JSON; charset=utf-8'])
      assert.equal(refusal({ host, 'content-type': type }, { method }), null, type)
    for (const type of ['text/plain', 'application/jsonx', 'text/plain; x=application/json', ''])
      assert.equal(refusal({ host, 'content-type': type }, { method }), 415, type)
    const withBody = { host, 'content-length': '2' }
    assert.equal(refusal(withBody, { method }), 415)
    if (method !== 'DELETE') assert.equal(refusal({ host }, { method }), 415)
  }
  for (const method of ['GET', 'HEAD']) assert.equal(refusal({ host }, { method }), null)
})

test('a deletion without a body says nothing: no page of another site can send one unasked', () => {
  const host = 'localhost'
  assert.equal(refusal({ host }, { method: 'DELETE' }), null)
  assert.equal(refusal({ host, 'content-length': '0' }, { method: 'DELETE' }), null)
  for (const more of [{ 'transfer-encoding': 'chunked' }, { 'content-type': 'text/plain' }])
    assert.equal(refusal({ host, ...more }, { method: 'DELETE' }), 415, JSON.stringify(more))
  assert.equal(refusal({ host, 'sec-fetch-site': 'cross-site' }, { method: 'DELETE' }), 'ORIGIN_REFUSED')
})

test('a request without a body may name its key instead', () => {
  const key = { host: 'localhost', authorization: 'Bearer k' }
  assert.equal(refusal(key, { method: 'POST' }), null)
  assert.equal(refusal({ ...key, 'content-length': '0' }, { method: 'POST' }), null)
  for (const more of [
    { 'content-length': '2' },
    { 'transfer-encoding': 'chunked' },
    { 'content-type': 'text/plain' },
  ])
    assert.equal(refusal({ ...key, ...more }, { method: 'POST' }), 415, JSON.stringify(more))
  // A browser adds these by itself once it has them.
  const basic = { host: 'localhost', authorization: 'Basic eDp5' }
  assert.equal(refusal(basic, { method: 'POST' }), 415)
  assert.equal(refusal({ ...key, 'sec-fetch-site': 'cross-site' }, { method: 'POST' }), 'ORIGIN_REFUSED')
})

test('more than 100 headers are refused', () => {
  const headers = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`x-${index}`, '1']))
  assert.equal(refusal({ ...headers, host: 'localhost' }), 431)
})

test('a link of another site opens a page, in a tab of its own; nothing else of another site is taken', () => {
  const link = {
    host: 'localhost',
    'sec-fetch-site': 'cross-site',
    'sec-fetch-mode': 'navigate',
    'sec-fetch-dest': 'document',
  }
  const taken = (headers: IncomingHttpHeaders, isPage: boolean, method = 'GET'): boolean => {
    const rawHeaders = Object.entries(headers).flatMap(([name, value]) => [name, String(value)])
    try {
      guard(
        { method, headers: { ...headers, 'content-type': 'application/json' }, rawHeaders, isPage },
        loopback,
      )
      return true
    } catch (error) {
      assert.equal((error as FlotillaError).code, 'ORIGIN_REFUSED')
      return false
    }
  }
  assert.equal(taken(link, true), true)
  assert.equal(taken(link, false), false, 'what is no page')
  assert.equal(taken(link, true, 'POST'), false, 'a form')
  assert.equal(taken({ ...link, 'sec-fetch-dest': 'iframe' }, true), false, 'a frame')
  assert.equal(
    taken({ ...link, 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }, true),
    false,
    'an image',
  )
  assert.equal(taken({ ...link, origin: 'https://evil.example' }, true), false, 'a script')
})
