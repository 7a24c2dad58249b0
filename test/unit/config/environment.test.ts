import assert from 'node:assert/strict'
import { isAbsolute } from 'node:path'
import { test } from 'node:test'
import { readEnvironment } from '../../../runtime/config/environment.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { kafkaOptions } from '../../../runtime/log/kafka/open.ts'

function mistakesIn(raw: Record<string, string>): string[] {
  try {
    readEnvironment(raw)
  } catch (error) {
    assert.ok(error instanceof FlotillaError && error.code === 'CONFIG_INVALID', String(error))
    return error.message.split('\n').slice(1)
  }
  return []
}

test('nothing set, or set and empty: the defaults', () => {
  const empty = { KAFKA_BROKERS: '', PORT: ' ', LOG_LEVEL: '', FLOTILLA_DATA: '' }
  for (const raw of [{}, empty]) {
    const { kafkaBrokers, port, host, prefix, partitions, dataDir, databaseUrl } = readEnvironment(raw)
    assert.deepEqual(
      { kafkaBrokers, port, host, prefix, partitions, databaseUrl },
      {
        kafkaBrokers: [],
        port: 8000,
        host: '127.0.0.1',
        prefix: 'flotilla',
        partitions: 12,
        databaseUrl: null,
      },
    )
    assert.ok(isAbsolute(dataDir))
  }
})

test('a process has a name of its own for Kafka, or the one that it is given: quotas go by the whole of it', () => {
  const nameWith = (raw: Record<string, string>) =>
    kafkaOptions(readEnvironment({ KAFKA_BROKERS: 'a:1', FLOTILLA_PREFIX: 'mine', ...raw })).clientId
  assert.equal(nameWith({}), `mine-${process.pid}`)
  assert.equal(nameWith({ KAFKA_CLIENT_ID: 'fleet' }), 'fleet')
  assert.match(mistakesIn({ KAFKA_CLIENT_ID: 'a fleet' }).join(), /KAFKA_CLIENT_ID: may hold letters/)
})

test('names of hosts are given without scheme and port; a prefix has no part that is of readers', () => {
  const { http } = readEnvironment({ FLOTILLA_ALLOWED_HOSTS: 'gateway, *.example.org,' })
  assert.deepEqual(http.allowedHosts, ['gateway', '*.example.org'])
  for (const wrong of ['http://gateway', 'gateway:8000', '*', 'a/b'])
    assert.match(
      mistakesIn({ FLOTILLA_ALLOWED_HOSTS: wrong }).join(),
      /FLOTILLA_ALLOWED_HOSTS: must be names/,
    )
  for (const prefix of ['readers', 'fleet.readers', 'fleet.readers.x'])
    assert.match(mistakesIn({ FLOTILLA_PREFIX: prefix }).join(), /may have no part named readers/)
  assert.deepEqual(mistakesIn({ FLOTILLA_PREFIX: 'my-readers' }), [])
})

test('the line ends of Windows are no part of a value', () => {
  const { dataDir, raw, port } = readEnvironment({
    FLOTILLA_DATA: '/data/a\r',
    OPENAI_API_KEY: 'k\r',
    PORT: '\r',
  })
  assert.deepEqual([dataDir, raw['OPENAI_API_KEY'], port], ['/data/a', 'k', 8000])
})

test('a gateway is named by its URL, and a key is one that a header can carry', () => {
  for (const wrong of ['127.0.0.1:9', 'gateway', 'ftp://gateway'])
    assert.match(mistakesIn({ FLOTILLA_URL: wrong }).join(), /FLOTILLA_URL: must be a URL, such as http/)
  for (const wrong of ['k\nx', 'ключ'])
    assert.match(mistakesIn({ FLOTILLA_API_KEY: wrong }).join(), /FLOTILLA_API_KEY: holds a line end/)
  assert.deepEqual(mistakesIn({ FLOTILLA_URL: 'https://gateway/fleet', FLOTILLA_API_KEY: 'k\n' }), [])
})

test('every mistake at once, each by the name of its variable', () => {
  const mistakes = mistakesIn({
    KAFKA_BROKERS: 'one:9092, two',
    SCHEMA_REGISTRY_URL: 'registry:8081',
    REDIS_URL: 'http://localhost',
    DATABASE_URL: 'mysql://me:secret@db',
    LOG_LEVEL: 'loud',
    PORT: '80000',
    FLOTILLA_PREFIX: 'a fleet',
    FLOTILLA_PARTITIONS: '1.5',
    FLOTILLA_ALLOW_VOLATILE_STORE: 'yes',
  })
  assert.deepEqual(mistakes, [
    '  KAFKA_BROKERS: must be host:port, several separated by commas, not "one:9092, two"',
    '  SCHEMA_REGISTRY_URL: must be a URL that begins with http:// or https://',
    '  REDIS_URL: must be a URL that begins with redis:// or rediss://',
    '  DATABASE_URL: must be a URL that begins with postgres:// or postgresql://',
    '  LOG_LEVEL: must be one of fatal, error, warn, info, debug, trace, silent, not "loud"',
    '  PORT: must be a whole number from 0 to 65535, not "80000"',
    '  FLOTILLA_PREFIX: may hold letters, digits, dot, dash and underscore, at most 63, not "a fleet"',
    '  FLOTILLA_PARTITIONS: must be a whole number from 1 to 1000, not "1.5"',
    '  FLOTILLA_ALLOW_VOLATILE_STORE: must be one of 0, 1, true, false, not "yes"',
  ])
})

test('a value that may hold a password is not repeated in the message', () => {
  const text = mistakesIn({ DATABASE_URL: 'mysql://me:secret@db', REDIS_URL: 'x://:secret@r' }).join()
  assert.match(text, /REDIS_URL.*DATABASE_URL/)
  assert.doesNotMatch(text, /secret/)
})

test('a URL of a store that would be read in another way than it is meant is a mistake, and shows no password', () => {
  for (const [scheme, host, variable] of [
    ['redis', 'store.test:6379/2', 'REDIS'],
    ['postgres', 'store.test:5432/fleet?sslmode=require', 'DATABASE'],
    ['https', 'registry.test/apis/ccompat/v7', 'SCHEMA_REGISTRY'],
  ] as const) {
    const mistakes = (user: string) => mistakesIn({ [`${variable}_URL`]: `${scheme}://${user}@${host}` })
    for (const password of ['pa/1hidden', '12/1hidden', 'pa#1hidden', '%zz1hidden', '1hidden%']) {
      const [mistake = '', ...more] = mistakes(`me:${password}`)
      assert.match(
        mistake,
        new RegExp(`${variable}_URL: can't be read; .*%40.*, or set ${variable}_PASSWORD$`),
      )
      assert.doesNotMatch(mistake, /hidden/)
      assert.deepEqual(more, [])
    }
    assert.deepEqual(mistakes('me:p%40%2F%23%3F%25'), [])
    const [several = ''] = mistakesIn({ [`${variable}_URL`]: `${scheme}://me:pw@one.test:1,two.test:1` })
    assert.match(several, /must name one server/)
    const [listed = ''] = mistakesIn({ [`${variable}_URL`]: `${scheme}://me:pw@one.test,two.test:1` })
    assert.match(listed, /must name one server/)
  }
  for (const odd of ['SSLMODE=require', 'ssl_mode=require', 'sslmode=require&sslmode=disable'])
    assert.match(
      mistakesIn({ DATABASE_URL: `postgres://db.test/fleet?${odd}` }).join(),
      /has (SSLMODE|ssl_mode|sslmode) in a way that does not count/,
    )
  for (const end of ['', '/', '/0', '/15'])
    assert.deepEqual(mistakesIn({ REDIS_URL: `redis://store.test${end}` }), [])
  for (const end of ['/fleet', '/-1', '/1/2'])
    assert.match(mistakesIn({ REDIS_URL: `redis://store.test${end}` }).join(), /number of a database/)
  assert.match(mistakesIn({ REDIS_URL: 'redis://store.test?db=3' }).join(), /takes no parameters/)
})

test('brokers are a list', () => {
  assert.deepEqual(readEnvironment({ KAFKA_BROKERS: ' a:1, b:2 ,' }).kafkaBrokers, ['a:1', 'b:2'])
})

test('what belongs together is asked for together', () => {
  assert.deepEqual(mistakesIn({ KAFKA_SASL_USERNAME: 'me' }), [
    '  KAFKA_SASL_MECHANISM: is needed with the other KAFKA_SASL_ variables',
    '  KAFKA_SASL_PASSWORD: is needed with the other KAFKA_SASL_ variables',
  ])
})

test('the HTTP API starts as FLOTILLA_API_ACCESS says; a weak admin key is refused, and not shown', () => {
  const { access, adminKey } = readEnvironment({}).http
  assert.deepEqual([access, adminKey], [null, null])
  const key = 'k'.repeat(32)
  const given = readEnvironment({ FLOTILLA_API_ACCESS: 'closed', FLOTILLA_ADMIN_KEY: key }).http
  assert.deepEqual([given.access, given.adminKey], ['closed', key])
  assert.match(mistakesIn({ FLOTILLA_API_ACCESS: 'shut' }).join(), /must be one of open, closed, not "shut"/)
  for (const weak of ['short-one', `with a space ${key}`, 'ü'.repeat(40)]) {
    const [mistake = ''] = mistakesIn({ FLOTILLA_ADMIN_KEY: weak })
    assert.match(mistake, /FLOTILLA_ADMIN_KEY: must be 32 to 200 visible/)
    assert.equal(mistake.includes(weak), false)
  }
})
