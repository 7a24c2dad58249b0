import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FlotillaError } from '../../../../../runtime/errors.ts'
import type { Json } from '../../../../../schemas/json.ts'
import { urlTemplate } from '../../../../../services/tool-executor/tools/web/url-template.ts'

const orders = urlTemplate('http://user:pw@shop.test:81/v1/tenants/{tenant}/orders/{id}?view={view}&all=1')
const fill = (values: Record<string, Json>) => orders.fill(new Map(Object.entries(values))).href
const refused = (values: Record<string, Json>, words: RegExp = /./) =>
  assert.throws(
    () => fill(values),
    (error: FlotillaError) => error.code === 'TOOL_ARGUMENTS_INVALID' && words.test(error.message),
    JSON.stringify(values),
  )

test('values are encoded into their places, numbers too, and a missing query value is empty', () => {
  assert.equal(
    fill({ tenant: 'a b', id: 7, view: 'x&y=1#z\r\n' }),
    'http://shop.test:81/v1/tenants/a%20b/orders/7?view=x%26y%3D1%23z%0D%0A&all=1',
  )
  assert.equal(
    fill({ tenant: 'ünï', id: 'v1.2' }),
    'http://shop.test:81/v1/tenants/%C3%BCn%C3%AF/orders/v1.2?view=&all=1',
  )
  for (const id of ['...', 'a..b', '.hidden', '50%', '100%25', 'a:b', 'a;b', 'a?b', 'x@y', '~'])
    assert.match(fill({ tenant: 't', id }), /^http:\/\/shop\.test:81\/v1\/tenants\/t\/orders\/[^/]+\?/, id)
})

test('a value that changes the address, here or in a server that decodes again, is refused', () => {
  const hostile = [
    '',
    '.',
    '..',
    '%2e',
    '%2E%2e',
    '.%2e',
    '%252e%252e',
    '%25252e%25252e',
    '..;',
    '.;x=1',
    '..;/admin',
    '../x',
    'a/b',
    '/',
    '\\',
    '..\\x',
    '%2f',
    'a%2Fb',
    '%252f',
    '%5c',
    '%255C..',
    '%c0%ae%c0%ae',
    '%c0%af',
    '%ff',
    'a\0b',
    'a%00b',
    'a\r\nb',
    '%0d%0aX: y',
    'a\tb',
    '\x7f',
    '\x85',
    '．．',
    '‥',
    '．',
    'a／b',
    'a＼b',
    '%ef%bc%8e%ef%bc%8e',
    '\ud800',
  ]
  for (const id of hostile) refused({ tenant: 't', id })
  for (const value of [null, [], {}, ['..'], { a: 1 }])
    refused({ tenant: 't', id: value }, /text or a number/)
  refused({ tenant: 't' }, /id must be a text/)
})

test('a name that stands twice is filled twice; what nobody names is no placeholder', () => {
  const twice = urlTemplate('https://a.test/{x}/{x}')
  assert.equal(twice.fill(new Map([['x', 'y']])).href, 'https://a.test/y/y')
  const joined = urlTemplate('https://a.test/{a}{b}/z')
  assert.throws(() => joined.fill(new Map(Object.entries({ a: '.', b: '.' }))), {
    code: 'TOOL_ARGUMENTS_INVALID',
  })
  assert.throws(() => urlTemplate('https://a.test/.{x}/z').fill(new Map([['x', '%2e']])), {
    code: 'TOOL_ARGUMENTS_INVALID',
  })
})

test('messages show origin and path of the template; its user goes into a header', () => {
  assert.equal(orders.shown, 'http://shop.test:81/v1/tenants/{tenant}/orders/{id}')
  assert.equal(orders.credentials, 'user:pw')
  assert.deepEqual([...orders.names], ['tenant', 'id', 'view'])
})

test('what a template can not mean is a mistake of the configuration', () => {
  const wrong: [string, RegExp][] = [
    ['ftp://a.test/', /http/],
    ['nonsense', /http/],
    ['http://{host}/x', /not in its host/],
    ['http://a.test/{order-id}', /placeholder/],
    ['http://a.test/x}', /placeholder/],
    ['http://a.test/x#{y}', /fragment/],
  ]
  for (const [text, words] of wrong) assert.throws(() => urlTemplate(text), words, text)
})
