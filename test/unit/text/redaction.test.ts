import assert from 'node:assert/strict'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readEnvironment } from '../../../runtime/config/environment.ts'
import { environmentSecrets } from '../../../runtime/config/environment/secrets.ts'
import { describe, FlotillaError, toFailure } from '../../../runtime/errors.ts'
import {
  keepPassingSecrets,
  keepSecrets,
  REDACTED,
  redacted,
  redactedJson,
  secretsOfHeader,
  secretsOfUrl,
  shownUrl,
} from '../../../runtime/text/redaction.ts'

test('a secret is found in each of its forms, and nothing else is touched', () => {
  const secret = 'p@ss "w/ö+rd"\\'
  keepSecrets([secret, 'tiny'])
  const forms = [
    secret,
    encodeURIComponent(secret),
    encodeURIComponent(secret).toLowerCase(),
    String(new URLSearchParams([['x', secret]])).slice(2),
    JSON.stringify({ text: secret }).slice(9, -2),
    JSON.stringify(JSON.stringify(secret)).slice(3, -3),
    Buffer.from(secret).toString('base64'),
  ]
  for (const form of forms)
    assert.equal(redacted(`a ${form} b`).replace(/=+ b/, ' b'), `a ${REDACTED} b`, form)
  assert.equal(redacted('tiny p@ss word'), 'tiny p@ss word')
})

test('secrets are known by other names of variables, and within the settings that a value lists', () => {
  const found = environmentSecrets({
    DB_PASS: 'canary-pass',
    MYSQL_PWD: 'canary-pwd',
    GITHUB_PAT: 'canary-pat',
    SESSION_COOKIE: 'canary-cookie',
    DATABASE_DSN: "host=db user=svc password='canary dsn' sslmode=require",
    STORAGE_CONNECTION_STRING: 'AccountName=filesname;AccountKey=canary-account==;EndpointSuffix=x.test',
    SQL_CONNECTION: 'Server=db.test;Pwd=canary-sql;Encrypt=true',
    SERVICE_ACCOUNT: '{"client_email":"svc@x.test","private_key":"canary-private","key_id": "canary-id"}',
    PWD: '/home/somebody',
    OLDPWD: '/home/somebody',
    MONKEY: 'bananas-every-day',
    NOTE: 'monkey=business-as-usual',
  })
  const secrets = ['pass', 'pwd', 'pat', 'cookie', 'account==', 'sql', 'private'].map(
    (end) => `canary-${end}`,
  )
  for (const secret of [...secrets, 'canary dsn']) assert.ok(found.includes(secret), secret)
  const open = [
    '/home/somebody',
    'bananas-every-day',
    'business-as-usual',
    'filesname',
    'svc@x.test',
    'x.test',
  ]
  assert.deepEqual(
    open.filter((text) => found.includes(text)),
    [],
  )
})

test('JSON loses secrets in values and names, and is the same object where it has none', () => {
  keepSecrets(['canary-json-1'])
  const clean = { a: [1, null, { b: 'x' }], date: new Date(0) }
  assert.equal(redactedJson(clean), clean)
  const dirty = { a: ['k canary-json-1'], 'canary-json-1': 1, same: clean }
  const after = redactedJson(dirty)
  assert.deepEqual(after, { a: [`k ${REDACTED}`], [REDACTED]: 1, same: clean })
  assert.equal(after.same, clean)
  const own = JSON.parse('{"__proto__":"canary-json-1"}') as object
  assert.deepEqual(Object.entries(redactedJson(own)), [['__proto__', REDACTED]])
})

test('a name that was harmless is replaced once it is a secret', () => {
  const named = { 'canary-name-later': 1 }
  assert.equal(redactedJson(named), named)
  keepSecrets(['canary-name-later'])
  assert.deepEqual(redactedJson(named), { [REDACTED]: 1 })
  assert.deepEqual(redactedJson([{ deep: [named] }]), [{ deep: [{ [REDACTED]: 1 }] }])
})

test('errors show no secret, whoever made them', () => {
  keepSecrets(['canary-error-1'])
  const error = new FlotillaError('TOOL_FAILED', 'said canary-error-1', {
    details: { body: 'canary-error-1' },
  })
  assert.deepEqual([error.message, error.details], [`said ${REDACTED}`, { body: REDACTED }])
  assert.equal(toFailure(new Error('with canary-error-1')).message, `with ${REDACTED}`)
  assert.ok(!describe(new Error('with canary-error-1')).includes('canary'))
})

test('secrets of the environment: by name, in URLs, in headers, in the path of a webhook', () => {
  const found = environmentSecrets({
    OPENAI_API_KEY: 'canary-key-1',
    MY_STRIPE_KEY: ' canary-key-2 ',
    GITHUB_TOKEN: 'canary-token',
    ALERT_WEBHOOK_SECRET: 'canary-secret',
    KAFKA_SASL_PASSWORD: 'canary-password',
    KAFKA_SSL_KEY: '/etc/ssl/key.pem',
    REDIS_URL: 'redis://:canary%2Fredis@cache:6379',
    DATABASE_URL: 'postgres://flotilla:flotilla@db/flotilla',
    SCHEMA_REGISTRY_URL: 'https://svc:canary-registry@host/path?apikey=canary-query&page=overview1',
    SLACK_WEBHOOK_URL: 'https://hooks.test/services/T000/B000/canary-slack',
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20canary-otel,x-team=platform-one',
    LOG_LEVEL: 'warnings',
    MAX_TOKENS: '10000000',
  })
  const basic = Buffer.from('svc:canary-registry').toString('base64').replace(/=+$/, '')
  for (const secret of ['canary-key-1', 'canary-key-2', 'canary-token', 'canary-secret', 'canary-password'])
    assert.ok(found.includes(secret), secret)
  for (const secret of [
    'canary/redis',
    'canary-registry',
    basic,
    'canary-query',
    'canary-slack',
    'canary-otel',
  ])
    assert.ok(found.includes(secret), secret)
  const open = [
    'flotilla',
    'overview1',
    'platform-one',
    '/etc/ssl/key.pem',
    '10000000',
    'postgres',
    'warnings',
  ]
  assert.deepEqual(
    open.filter((text) => found.includes(text)),
    [],
  )
})

test('secrets of headers and URLs', () => {
  assert.deepEqual(secretsOfHeader('Authorization', 'Bearer abc'), ['abc'])
  assert.deepEqual(
    secretsOfHeader('authorization', `Basic ${Buffer.from('u:pw').toString('base64')}`).slice(1),
    ['u:pw', 'pw'],
  )
  assert.deepEqual(secretsOfHeader('x-api-key', 'k'), ['k'])
  assert.deepEqual(secretsOfHeader('accept', 'application/json'), [])
  assert.deepEqual(secretsOfUrl('http://h/?keyword=temperature&monkey=1&q=2'), [])
  assert.deepEqual(secretsOfUrl('http://h/?access_token=a&sig=b'), ['a', 'b'])
  assert.equal(shownUrl('https://u:p@host:1/a/b?key=1#f'), 'https://host:1/a/b')
  assert.equal(shownUrl('::'), 'a URL that can not be read')
})

test('secrets that come and go are kept for a while, and the first ones are given up', () => {
  keepPassingSecrets(['passing-secret-0'])
  assert.equal(redacted('passing-secret-0'), REDACTED)
  keepPassingSecrets(Array.from({ length: 300 }, (_, n) => `later-secret-${n}`))
  assert.equal(redacted('passing-secret-0 later-secret-299'), `passing-secret-0 ${REDACTED}`)
})

test('a secret may stand in a file, and then stands in no message either', () => {
  const path = join(mkdtempSync(join(tmpdir(), 'flotilla-secrets-')), 'key')
  writeFileSync(path, 'canary-file-1\n')
  const { raw } = readEnvironment({ OPENAI_API_KEY_FILE: path, FOREIGN_KEY_FILE: '/nowhere' })
  assert.equal(raw['OPENAI_API_KEY'], 'canary-file-1')
  assert.equal(redacted('canary-file-1'), REDACTED)
  assert.throws(
    () => readEnvironment({ OPENAI_API_KEY_FILE: path, OPENAI_API_KEY: 'x' }),
    /OPENAI_API_KEY is set too/,
  )
  assert.throws(
    () => readEnvironment({ REDIS_URL_FILE: '/nowhere' }),
    /REDIS_URL_FILE: the file that it names can't be read \(ENOENT\)/,
  )
  const inPlaceOfThePath = { OPENAI_API_KEY_FILE: 'canary-file-2' }
  assert.throws(
    () => readEnvironment(inPlaceOfThePath),
    (error: Error) => !error.message.includes('canary') && error.message.includes('OPENAI_API_KEY_FILE'),
  )
  writeFileSync(path, '\uFEFFcanary-file-3\r\n')
  const written = readEnvironment({ OPENAI_API_KEY_FILE: path }).raw
  assert.equal(written['OPENAI_API_KEY'], 'canary-file-3', 'by an editor that marks what it writes')
  for (const nothing of ['\n', '\uFEFF\r\n']) {
    writeFileSync(path, nothing)
    assert.throws(() => readEnvironment({ REDIS_URL_FILE: path }), /is empty/)
  }
})

test('an API key is known by its form, also a damaged one; its id is kept', () => {
  const secret = 'feedc0de'.repeat(8)
  for (const text of [
    `flk_0123456789ab_${secret}`,
    `flk_0123456789ab_${secret.slice(0, 9)}`,
    `flk_x_${secret}Z-_`,
  ])
    assert.match(redacted(`could not use ${text}, sorry`), /^could not use flk_\w+_\*\*\*, sorry$/)
  assert.deepEqual(redactedJson({ a: [`flk_0123456789ab_${secret}`] }), { a: ['flk_0123456789ab_***'] })
  for (const text of ['flk_', 'flk_0123456789ab', 'flk_<id>_<secret>', 'send Bearer flk_…'])
    assert.equal(redacted(text), text)
})

test('a secret of any length is masked, and leaves the others masked', () => {
  const long = 'long-secret-'.repeat(300_000)
  keepPassingSecrets([long, 'short-secret-1'])
  assert.equal(redacted(`${long} and short-secret-1`), `${REDACTED} and ${REDACTED}`)
  assert.equal(redacted(long.slice(0, 300)), long.slice(0, 300))
})
