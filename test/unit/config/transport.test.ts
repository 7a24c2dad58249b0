import assert from 'node:assert/strict'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { defineTool } from '../../../runtime/config/define.ts'
import { readEnvironment } from '../../../runtime/config/environment.ts'
import { exposureWarnings } from '../../../runtime/config/exposure.ts'
import type { Tool, ToolDefinition } from '../../../runtime/config/fleet.ts'
import { alertWarnings, completeAlerts } from '../../../runtime/config/alerts.ts'
import { openHostWarnings, transportWarnings } from '../../../runtime/config/transport.ts'
import { fetchPage, queryTable } from '../../../services/tool-executor/tools/index.ts'

const sasl = { KAFKA_SASL_USERNAME: 'u', KAFKA_SASL_PASSWORD: 'p' }
const read = (raw: Record<string, string>) => readEnvironment({ ...raw })

test('SASL PLAIN without TLS is refused beyond this machine', () => {
  const plain = { ...sasl, KAFKA_SASL_MECHANISM: 'plain' }
  const remote = { ...plain, KAFKA_BROKERS: '127.0.0.1:9092,broker.test:9092' }
  assert.throws(
    () => read(remote),
    /KAFKA_SASL_MECHANISM: plain would send the password in clear to broker\.test:9092; set KAFKA_SSL=1/,
  )
  for (const broker of ['localhost:9092', '127.0.0.1:1', '127.9.9.9:1'])
    assert.ok(read({ ...plain, KAFKA_BROKERS: broker }).kafkaSecurity.sasl, broker)
  assert.equal(read({ ...remote, KAFKA_SSL: '1' }).kafkaSecurity.ssl, true)
})

test('files of an authority and of a client certificate turn TLS on', () => {
  const file = (name: string) => {
    const path = join(mkdtempSync(join(tmpdir(), 'flotilla-pem-')), name)
    writeFileSync(path, name)
    return path
  }
  const given = { KAFKA_SSL_CA: file('ca'), KAFKA_SSL_CERT: file('cert'), KAFKA_SSL_KEY: file('key') }
  assert.deepEqual(read(given).kafkaSecurity, { ssl: { ca: 'ca', cert: 'cert', key: 'key' } })
  assert.throws(
    () => read({ KAFKA_SSL_CERT: file('cert') }),
    /KAFKA_SSL_CERT: is needed together with KAFKA_SSL_KEY/,
  )
  assert.throws(() => read({ KAFKA_SSL_CA: '/nowhere' }), /KAFKA_SSL_CA: \/nowhere can't be read \(ENOENT\)/)
  assert.throws(() => read({ ...given, KAFKA_SSL: '0' }), /KAFKA_SSL: is off, while/)
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
  assert.equal(read(urls('far.test')).redisUrl, 'redis://:secret@far.test')
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
    /^agent a reads private data \(query_table\) and text of others \(fetch_page\) and can send \(fetch_page, mail\)/,
  )
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
