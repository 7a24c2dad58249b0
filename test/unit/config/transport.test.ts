import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { rootCertificates } from 'node:tls'
import { defineTool } from '../../../runtime/config/define.ts'
import { readEnvironment } from '../../../runtime/config/environment.ts'
import { exposureWarnings } from '../../../runtime/config/exposure.ts'
import type { Tool, ToolDefinition } from '../../../runtime/config/fleet.ts'
import { alertWarnings, completeAlerts } from '../../../runtime/config/alerts.ts'
import { redacted } from '../../../runtime/text/redaction.ts'
import { openHostWarnings, transportWarnings } from '../../../runtime/config/environment/transport.ts'
import { createAuthority } from '../../infra/certificates.ts'
import { fetchPage, queryTable } from '../../../services/tool-executor/tools/index.ts'

const sasl = { KAFKA_SASL_USERNAME: 'u', KAFKA_SASL_PASSWORD: 'p' }
const servers = [
  ['KAFKA', 'kafka'],
  ['SCHEMA_REGISTRY', 'registry'],
  ['REDIS', 'redis'],
  ['DATABASE', 'database'],
] as const
const read = (raw: Record<string, string>) => readEnvironment({ ...raw })

test('SASL PLAIN without TLS is refused beyond this machine', () => {
  const plain = { ...sasl, KAFKA_SASL_MECHANISM: 'plain' }
  const remote = { ...plain, KAFKA_BROKERS: '127.0.0.1:9092,broker.test:9092' }
  assert.throws(
    () => read(remote),
    /KAFKA_SASL_MECHANISM: plain would send the password in clear to broker\.test:9092; set KAFKA_SSL=1/,
  )
  for (const broker of ['localhost:9092', '127.0.0.1:1', '127.9.9.9:1'])
    assert.ok(read({ ...plain, KAFKA_BROKERS: broker }).security.kafka.sasl, broker)
  assert.deepEqual(read({ ...remote, KAFKA_SSL: '1' }).security.kafka.tls?.(), {})
})

test('a file without the certificate that it should have is refused, and so is a key in place of a path', async () => {
  const authority = await createAuthority()
  const { cert, key } = await authority.issue('client', ['DNS:client.test'])
  const pem = readFileSync(authority.ca, 'utf8')
  const secret = readFileSync(key, 'utf8')
  const damaged = [
    ['empty.pem', '', /_SSL_CA: can't be used \(CA has no certificate\)/],
    ['garbage.pem', 'garbage', /CA has no certificate/],
    ['key.pem', secret, /CA has no certificate/],
    ['half.pem', pem + pem.slice(0, pem.length / 2), /certificate 2 of CA is damaged/],
  ] as const
  for (const [name, content] of damaged) writeFileSync(join(authority.directory, name), content)
  for (const [server] of servers) {
    for (const [name, , message] of damaged)
      assert.throws(() => read({ [`${server}_SSL_CA`]: join(authority.directory, name) }), message, name)
    assert.throws(
      () => read({ [`${server}_SSL_CERT`]: cert, [`${server}_SSL_KEY`]: secret }),
      ({ message }: Error) =>
        message.includes(`${server}_SSL_KEY: must be the path of a PEM file, not its content`) &&
        !message.includes(secret.split('\n')[1] ?? ''),
    )
  }
})

test('certificates that have expired are refused; a bundle may have some', async (context) => {
  const authority = await createAuthority()
  const { cert, key } = await authority.issue('client', ['DNS:client.test'])
  const bundle = join(authority.directory, 'bundle.pem')
  writeFileSync(bundle, `# two\n${readFileSync(authority.ca, 'utf8')}\n${rootCertificates[0]}\n`)
  const afterThreeDays = Date.now() + 3 * 86_400_000
  assert.ok(read({ KAFKA_SSL_CA: authority.ca, KAFKA_SSL_CERT: cert, KAFKA_SSL_KEY: key }).security.kafka.tls)
  context.mock.timers.enable({ apis: ['Date'], now: afterThreeDays })
  assert.throws(() => read({ KAFKA_SSL_CA: authority.ca }), /the certificate of CA expired at \d{4}-/)
  assert.throws(
    () => read({ KAFKA_SSL_CERT: cert, KAFKA_SSL_KEY: key }),
    /the certificate of CERT expired at \d{4}-/,
  )
  assert.ok(read({ KAFKA_SSL_CA: bundle }).security.kafka.tls)
})

test('files of an authority and of a client certificate turn TLS on, for each server', async () => {
  const authority = await createAuthority()
  const { cert, key } = await authority.issue('client', ['DNS:client.test'])
  const pem = (path: string) => readFileSync(path, 'utf8')
  const urls = { REDIS_URL: 'rediss://redis.test', SCHEMA_REGISTRY_URL: 'https://registry.test' }
  for (const [server, part] of servers) {
    const ssl = {
      [`${server}_SSL_CA`]: authority.ca,
      [`${server}_SSL_CERT`]: cert,
      [`${server}_SSL_KEY`]: key,
    }
    const given = { ...urls, ...ssl, [`${server}_SSL_SERVER_NAME`]: 'name.test' }
    assert.deepEqual(read(given).security[part].tls?.(), {
      ca: pem(authority.ca),
      cert: pem(cert),
      key: pem(key),
      servername: 'name.test',
    })
    assert.throws(
      () => read({ ...urls, [`${server}_SSL_CERT`]: cert }),
      new RegExp(`${server}_SSL_CERT: is needed together with ${server}_SSL_KEY`),
    )
    assert.throws(
      () => read({ ...urls, [`${server}_SSL_CA`]: '/nowhere' }),
      new RegExp(`${server}_SSL_CA: /nowhere can't be read \\(ENOENT\\)`),
    )
    // Another certificate's key, and files that hold none.
    const other = await authority.issue('other', ['DNS:other.test'])
    for (const wrong of [other.key, import.meta.filename])
      assert.throws(
        () => read({ ...urls, ...ssl, [`${server}_SSL_KEY`]: wrong }),
        new RegExp(`${server}_SSL_CA, CERT, KEY: can't be used`),
      )
  }
  assert.throws(() => read({ KAFKA_SSL_CA: authority.ca, KAFKA_SSL: '0' }), /KAFKA_SSL: is off, while/)
  assert.throws(
    () => read({ REDIS_SSL_CA: authority.ca, REDIS_URL: 'redis://redis.test' }),
    /REDIS_URL: must begin with rediss:\/\//,
  )
  const inUrl = { DATABASE_SSL_CA: authority.ca, DATABASE_URL: 'postgres://u@db.test/d?sslmode=require' }
  assert.throws(() => read(inUrl), /DATABASE_URL: has ssl parameters while DATABASE_SSL_ variables are set/)
})

test('files that are renewed are read again, and half a file leaves the last one in force', async () => {
  const authority = await createAuthority()
  const { cert, key } = await authority.issue('client', ['DNS:client.test'])
  const { tls } = read({ KAFKA_SSL_CERT: cert, KAFKA_SSL_KEY: key }).security.kafka
  const before = tls?.()
  await authority.issue('client', ['DNS:client.test'])
  const after = tls?.()
  assert.notEqual(after?.cert, before?.cert)
  writeFileSync(cert, readFileSync(cert, 'utf8').slice(0, 100))
  assert.deepEqual(tls?.(), after)

  const path = join(authority.directory, 'password')
  writeFileSync(path, 'first-password\n')
  const { password } = read({ REDIS_URL: 'redis://far.test', REDIS_PASSWORD_FILE: path }).security.redis
  assert.equal(password?.(), 'first-password')
  writeFileSync(path, 'second-password\n')
  assert.equal(password?.(), 'second-password')
  assert.equal(redacted('it is second-password'), 'it is ***')
  writeFileSync(path, '')
  assert.equal(password?.(), 'second-password')
})

test('a token for Kafka comes from a file or from an endpoint, not from both', () => {
  const oauth = { KAFKA_SASL_MECHANISM: 'oauthbearer', KAFKA_SSL: '1' }
  const endpoint = { KAFKA_SASL_OAUTHBEARER_ENDPOINT: 'https://login.test/token' }
  const client = {
    KAFKA_SASL_OAUTHBEARER_CLIENT_ID: 'fleet',
    KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET: 'a-secret',
  }
  assert.ok(read({ ...oauth, ...endpoint, ...client }).security.kafka.sasl)
  assert.throws(() => read(oauth), /oauthbearer needs KAFKA_SASL_OAUTHBEARER_TOKEN_FILE, or/)
  assert.throws(
    () => read({ ...oauth, ...endpoint }),
    /CLIENT_ID: is needed with .*\n.*CLIENT_SECRET: is needed/,
  )
  assert.throws(
    () => read({ ...oauth, KAFKA_SASL_OAUTHBEARER_TOKEN_FILE: '/nowhere' }),
    /TOKEN_FILE: can't be read \(ENOENT\)/,
  )
  assert.throws(
    () => read({ ...oauth, ...endpoint, ...client, KAFKA_SASL_PASSWORD: 'unused-password' }),
    /KAFKA_SASL_PASSWORD: is not used with KAFKA_SASL_MECHANISM=oauthbearer/,
  )
  assert.throws(() => read(endpoint), /ENDPOINT: is only for KAFKA_SASL_MECHANISM=oauthbearer/)
  assert.throws(
    () =>
      read({ ...endpoint, ...client, KAFKA_SASL_MECHANISM: 'oauthbearer', KAFKA_BROKERS: 'far.test:9092' }),
    /oauthbearer would send the token in clear to far\.test:9092/,
  )
})

test('other credentials without TLS are a warning each, and none on this machine', () => {
  const urls = (host: string) => ({
    KAFKA_BROKERS: `${host}:9092`,
    ...sasl,
    KAFKA_SASL_MECHANISM: 'scram-sha-512',
    REDIS_URL: `redis://${host}`,
    REDIS_PASSWORD: 'secret',
    DATABASE_URL: `postgres://u:secret@${host}/db`,
    SCHEMA_REGISTRY_URL: `http://u:secret@${host}`,
    FLOTILLA_SANDBOX_URL: `http://${host}`,
    FLOTILLA_SANDBOX_TOKEN: 'secret',
    OPENAI_BASE_URL: `http://${host}/v1`,
    OPENAI_API_KEY: 'secret',
  })
  const warnings = transportWarnings(read(urls('far.test')))
  assert.equal(warnings.length, 6, warnings.join('\n'))
  assert.ok(warnings.every((warning) => warning.includes('far.test') && !warning.includes('secret')))
  assert.deepEqual(transportWarnings(read(urls('127.0.0.1'))), [])
  assert.equal(read(urls('far.test')).security.redis.password?.(), 'secret')
  const safe = {
    DATABASE_URL: 'postgres://u:secret@far.test/db?sslmode=verify-full',
    REDIS_URL: 'rediss://:secret@far.test',
  }
  assert.deepEqual(transportWarnings(read(safe)), [])
})

test('an allowed private host without a port is a warning', () => {
  const raw = { FLOTILLA_ALLOW_PRIVATE_HOSTS: 'wiki, wiki:80,[::1]:80,[::1]' }
  assert.deepEqual(
    openHostWarnings({ raw }).map((text) => text.split(' to tools')[0]),
    [
      'FLOTILLA_ALLOW_PRIVATE_HOSTS opens every port of wiki',
      'FLOTILLA_ALLOW_PRIVATE_HOSTS opens every port of [::1]',
    ],
  )
})

const tool = (name: string, more: Partial<ToolDefinition> = {}): Tool =>
  defineTool({ name, description: 'x', input: { type: 'object' }, run: () => null, ...more })

test('an agent with private data, text of others and a way out is named, with its tools', () => {
  const mail = tool('mail', { sends: true })
  const warned = (tools: Tool[], names?: string[]) =>
    exposureWarnings({ tools, agents: { a: names ? { tools: names } : {}, b: { tools: [] } } })
  const [warning = '', ...others] = warned([fetchPage(), queryTable(), mail])
  assert.deepEqual(others, [])
  assert.match(
    warning,
    /^agent a can read private data \(query_table\), read text of others \(fetch_page\) and send \(fetch_page, mail\)/,
  )
  const agents = { a: {}, b: { tools: ['mail'] }, c: {} }
  const [shared = '', ...more] = exposureWarnings({ tools: [fetchPage(), queryTable(), mail], agents })
  assert.deepEqual([shared.slice(0, 20), more], ['agents a, c can read', []])
  assert.deepEqual(warned([fetchPage(), queryTable()], ['query_table']), [])
  assert.deepEqual(warned([fetchPage({ hosts: ['docs.test'] }), queryTable()]), [])
  assert.deepEqual(
    warned([
      fetchPage({ hosts: ['docs.test'] }),
      queryTable(),
      tool('mail', { sends: true, requiresApproval: true }),
    ]),
    [],
  )
  assert.equal(warned([fetchPage({ hosts: ['docs.test'] }), queryTable(), mail]).length, 1)
  assert.throws(() => tool('x', { reads: 'secret' as never }), /reads must be/)
})

test('the secret of a webhook is base64 of at least 24 bytes behind whsec_; another that is short may be guessed', () => {
  const alerts = completeAlerts({
    channels: { hook: { type: 'webhook', url: 'http://127.0.0.1:9' } },
    rules: {},
  })
  const weak = (secret: string) =>
    alertWarnings(alerts, { ALERT_WEBHOOK_SECRET: secret }).filter((text) => text.startsWith('channel hook'))
  const bytes = (length: number) => `whsec_${Buffer.alloc(length, 7).toString('base64')}`
  assert.deepEqual([weak(bytes(24)), weak(bytes(64)), weak('x'.repeat(24))], [[], [], []])
  assert.match(weak(bytes(23))[0] ?? '', /23 bytes behind whsec_, fewer than 24/)
  assert.match(weak('whsec_')[0] ?? '', /not base64/)
  assert.match(weak('whsec_!!!')[0] ?? '', /not base64/)
  assert.match(weak('hush')[0] ?? '', /fewer than 24 characters/)
})
