// Kafka, registry, Redis and PostgreSQL with TLS, client certificates and passwords, each the real server: what
// every way of signing in reaches, what a wrong one says, and that renewed secrets are used without a restart.
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { createConfluentRegistry } from '../../runtime/codec/confluent-registry.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { openKafkaLog } from '../../runtime/log/kafka/open.ts'
import { connectRedis } from '../../runtime/store/redis/connection.ts'
import { openPostgresSql } from '../../runtime/store/sql-postgres.ts'
import { createAuthority, type Authority, type Certificate } from '../infra/certificates.ts'
import { runKafkaTool, startKafka, type KafkaCluster } from '../infra/kafka.ts'
import { freePorts } from '../infra/port.ts'
import { startPostgres, type Postgres } from '../infra/postgres.ts'
import { startRedis, type Redis } from '../infra/redis.ts'
import { startRegistry, type Registry } from '../infra/registry.ts'
import { eventually } from '../conformance/waiting.ts'
import { flotilla } from '../support/command.ts'
import { startTestFleet } from '../support/fleet.ts'
import { uniquePrefix } from './brokers.ts'

const secrets = {
  kafka: 'kafka-password-of-the-fleet',
  redis: 'redis-password-of-the-fleet',
  database: 'database-password-of-the-fleet',
  registry: 'registry-password-of-the-fleet',
  client: 'client-secret-of-the-fleet',
}
const AUDIENCE = 'kafka'

let ours: Authority
let others: Authority
let client: Certificate
let kafka: KafkaCluster
let ports: { ssl: number; sasl: number }
let redis: Redis
let postgres: Postgres
let registry: Registry
let guarded: Server
let tokens: { key: KeyObject; jwks: string }

before(async () => {
  ours = await createAuthority()
  others = await createAuthority('another')
  const server = await ours.issue('server', ['IP:127.0.0.1', 'DNS:localhost'])
  client = await ours.issue('client', ['DNS:client.test'])
  tokens = newTokenKey(ours.directory)
  const [ssl = 0, sasl = 0] = await freePorts(2)
  ports = { ssl, sasl }
  const tls = { ca: ours.ca, ...server }
  ;[kafka, redis, postgres, registry] = await Promise.all([
    startSecureKafka(server),
    startRedis({ mode: 'durable', tls, user: { name: 'fleet', password: secrets.redis } }),
    startPostgres({ tls: { ...tls, password: secrets.database } }),
    startRegistry({ tls: server }),
  ])
  guarded = guard(server)
  await new Promise<void>((resolve) => guarded.listen(0, '127.0.0.1', resolve))
})
after(async () => {
  guarded?.close()
  await Promise.all([kafka, redis, postgres, registry].map((each) => each?.stop()))
})

async function startSecureKafka(server: Certificate): Promise<KafkaCluster> {
  const modules = 'org.apache.kafka.common.security'
  const login = (mechanism: string, module: string) => ({
    [`listener.name.sasl_ssl.${mechanism}.sasl.jaas.config`]: `${modules}.${module};`,
  })
  const oauth = 'listener.name.sasl_ssl.oauthbearer.sasl'
  const cluster = await startKafka({
    listeners: [
      { name: 'SSL', port: ports.ssl },
      { name: 'SASL_SSL', port: ports.sasl },
    ],
    properties: {
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': server.both,
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': ours.ca,
      'listener.name.ssl.ssl.client.auth': 'required',
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
      ...login('plain', `plain.PlainLoginModule required user_fleet="${secrets.kafka}"`),
      ...login('scram-sha-256', 'scram.ScramLoginModule required'),
      ...login('scram-sha-512', 'scram.ScramLoginModule required'),
      ...login('oauthbearer', 'oauthbearer.OAuthBearerLoginModule required'),
      [`${oauth}.server.callback.handler.class`]: `${modules}.oauthbearer.OAuthBearerValidatorCallbackHandler`,
      [`${oauth}.oauthbearer.jwks.endpoint.url`]: tokens.jwks,
      [`${oauth}.oauthbearer.expected.audience`]: AUDIENCE,
    },
    java: [`-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${tokens.jwks}`],
  })
  const alter = (bits: string) =>
    runKafkaTool('kafka.admin.ConfigCommand', [
      ...['--bootstrap-server', cluster.url, '--alter', '--entity-type', 'users', '--entity-name', 'fleet'],
      ...['--add-config', `SCRAM-SHA-${bits}=[password=${secrets.kafka}]`],
    ])
  await Promise.all([alter('256'), alter('512')])
  return cluster
}

/** A key for tokens, and the file by which the broker knows it. */
function newTokenKey(directory: string): { key: KeyObject; jwks: string } {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const path = join(directory, 'jwks.json')
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'RS256', use: 'sig' }
  writeFileSync(path, JSON.stringify({ keys: [jwk] }))
  return { key: privateKey, jwks: pathToFileURL(path).href }
}

function newToken(lifeS: number, audience = AUDIENCE): string {
  const now = Math.floor(Date.now() / 1_000)
  const header = { alg: 'RS256', typ: 'JWT', kid: 'one' }
  const claims = { sub: 'fleet', aud: audience, iat: now, exp: now + lifeS, scope: 'all' }
  const body = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${body}.${sign('RSA-SHA256', Buffer.from(body), tokens.key).toString('base64url')}`
}

/** The registry behind a server that demands a client's certificate and a password, as hosted ones are. */
function guard(server: Certificate): Server {
  const [cert, key, ca] = [server.cert, server.key, ours.ca].map((path) => readFileSync(path, 'utf8'))
  const expected = `Basic ${Buffer.from(`fleet:${secrets.registry}`).toString('base64')}`
  const options = { cert, key, ca, requestCert: true, rejectUnauthorized: true }
  return createTlsServer(options as object, (request, response) => {
    if (request.headers.authorization !== expected) return void response.writeHead(401).end('{}')
    const { host: _, authorization: __, ...headers } = request.headers
    const passed = fetch(new URL(request.url ?? '/', registry.url), {
      method: request.method ?? 'GET',
      headers: headers as Record<string, string>,
      ...(request.method === 'GET' ? {} : { body: request, duplex: 'half' as const }),
    } as unknown as RequestInit)
    void passed.then(async (answer) => {
      const type = answer.headers.get('content-type') ?? 'application/json'
      response.writeHead(answer.status, { 'content-type': type }).end(await answer.text())
    })
  })
}

/** An endpoint that gives tokens to one client. */
async function startTokenEndpoint(): Promise<{ url: string; asked: string[]; close: () => void }> {
  const asked: string[] = []
  const expected = `Basic ${Buffer.from(`fleet:${secrets.client}`).toString('base64')}`
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const part of request) body += String(part)
    asked.push(body)
    const isKnown = request.headers.authorization === expected
    const answer = isKnown ? { access_token: newToken(300), expires_in: 300 } : { error: 'invalid_client' }
    response
      .writeHead(isKnown ? 200 : 401, { 'content-type': 'application/json' })
      .end(JSON.stringify(answer))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`
  return { url, asked, close: () => server.close() }
}

const guardedUrl = () => `https://127.0.0.1:${(guarded.address() as AddressInfo).port}/apis/ccompat/v7`
const files = (server: string) => ({
  [`${server}_SSL_CA`]: ours.ca,
  [`${server}_SSL_CERT`]: client.cert,
  [`${server}_SSL_KEY`]: client.key,
})
const saslTo = (more: Record<string, string>) => ({
  KAFKA_BROKERS: `127.0.0.1:${ports.sasl}`,
  KAFKA_SSL_CA: ours.ca,
  ...more,
})
const password = (mechanism: string, value = secrets.kafka) =>
  saslTo({ KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_USERNAME: 'fleet', KAFKA_SASL_PASSWORD: value })

async function checkKafka(env: Record<string, string>): Promise<void> {
  const log = openKafkaLog(readEnvironment({ ...env, FLOTILLA_PREFIX: uniquePrefix('tls') }))
  try {
    await log.check()
  } finally {
    await log.close()
  }
}

test('Kafka: every way of signing in', async () => {
  await checkKafka({ KAFKA_BROKERS: `127.0.0.1:${ports.ssl}`, ...files('KAFKA') })
  for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512']) await checkKafka(password(mechanism))

  const file = join(ours.directory, 'token')
  writeFileSync(file, newToken(300))
  await checkKafka(saslTo({ KAFKA_SASL_MECHANISM: 'oauthbearer', KAFKA_SASL_OAUTHBEARER_TOKEN_FILE: file }))
  const endpoint = await startTokenEndpoint()
  const oauth = saslTo({
    KAFKA_SASL_MECHANISM: 'oauthbearer',
    KAFKA_SASL_OAUTHBEARER_ENDPOINT: endpoint.url,
    KAFKA_SASL_OAUTHBEARER_CLIENT_ID: 'fleet',
    KAFKA_SASL_OAUTHBEARER_SCOPE: 'all',
  })
  try {
    await checkKafka({ ...oauth, KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET: secrets.client })
    // One token serves all the connections of a process.
    assert.deepEqual(endpoint.asked, ['grant_type=client_credentials&scope=all'])
    await assert.rejects(
      checkKafka({ ...oauth, KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET: 'a-wrong-secret' }),
      /answered 401 \(invalid_client\)/,
    )
  } finally {
    endpoint.close()
  }
})

test('Kafka: what a wrong password, token, certificate or name says', async () => {
  for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'])
    await assert.rejects(checkKafka(password(mechanism, 'a-wrong-password')), (error: Error) => {
      assert.match(error.message, /authentication failed|Authentication failed/i)
      assert.doesNotMatch(error.message, /a-wrong-password/)
      return true
    })
  const file = join(ours.directory, 'wrong-token')
  writeFileSync(file, newToken(300, 'somebody-else'))
  const token = { KAFKA_SASL_MECHANISM: 'oauthbearer', KAFKA_SASL_OAUTHBEARER_TOKEN_FILE: file }
  await assert.rejects(checkKafka(saslTo(token)), /invalid_token|authentication failed/i)
  const ssl = { KAFKA_BROKERS: `127.0.0.1:${ports.ssl}`, ...files('KAFKA') }
  await assert.rejects(checkKafka({ ...ssl, KAFKA_SSL_CA: others.ca }), /self-signed|unable to verify/i)
  await assert.rejects(checkKafka({ ...ssl, KAFKA_SSL_SERVER_NAME: 'other.test' }), /other\.test/)
  await checkKafka({ ...ssl, KAFKA_SSL_SERVER_NAME: 'localhost' })
})

test('Redis, PostgreSQL and the registry: what a wrong password, certificate or name says', async () => {
  const redisUrl = redis.url
  const env = (more: Record<string, string>) => readEnvironment({ REDIS_URL: redisUrl, ...more }).security
  const wrong: [Record<string, string>, RegExp][] = [
    [{ REDIS_SSL_CA: others.ca }, /connecting fails: (self-signed|unable to verify)/],
    [{ ...files('REDIS'), REDIS_SSL_SERVER_NAME: 'other.test' }, /connecting fails: .*other\.test/],
    [{ ...files('REDIS'), REDIS_USERNAME: 'fleet', REDIS_PASSWORD: 'a-wrong-password' }, /WRONGPASS/],
  ]
  for (const [more, reason] of wrong) {
    const { redis: connection, asked, close } = connectRedis({ url: redisUrl, security: env(more).redis })
    await assert.rejects(asked('asking', connection.get('a')), reason)
    await close()
  }
  const database = (more: Record<string, string>) =>
    openPostgresSql(postgres.url, uniquePrefix('tls'), readEnvironment(more).security.database)
  const right = { ...files('DATABASE'), DATABASE_PASSWORD: secrets.database }
  await assert.rejects(database({ ...right, DATABASE_SSL_CA: others.ca }), /self-signed|unable to verify/i)
  await assert.rejects(database({ ...right, DATABASE_SSL_SERVER_NAME: 'other.test' }), /other\.test/)
  await assert.rejects(database({ ...right, DATABASE_PASSWORD: 'a-wrong-password' }), (error: Error) => {
    assert.match(error.message, /password authentication failed/)
    assert.doesNotMatch(error.message, /a-wrong-password/)
    return true
  })
  const schemas = (url: string, more: Record<string, string>) =>
    createConfluentRegistry(
      url,
      readEnvironment({ SCHEMA_REGISTRY_URL: url, ...more }).security.registry,
    ).check()
  const certified = files('SCHEMA_REGISTRY')
  await schemas(registry.tlsUrl as string, { SCHEMA_REGISTRY_SSL_CA: ours.ca })
  await assert.rejects(
    schemas(registry.tlsUrl as string, { SCHEMA_REGISTRY_SSL_CA: others.ca }),
    /self-signed|unable to verify/i,
  )
  await assert.rejects(schemas(guardedUrl(), certified), /401|Unauthorized/)
})

/** Everything with TLS, certificates and passwords. */
function secured(passwordFile: string): Record<string, string> {
  return {
    FLOTILLA_PREFIX: uniquePrefix('secured'),
    FLOTILLA_PARTITIONS: '3',
    ...password('scram-sha-512'),
    SCHEMA_REGISTRY_URL: guardedUrl(),
    SCHEMA_REGISTRY_USERNAME: 'fleet',
    SCHEMA_REGISTRY_PASSWORD: secrets.registry,
    REDIS_URL: redis.url,
    REDIS_USERNAME: 'fleet',
    REDIS_PASSWORD_FILE: passwordFile,
    DATABASE_URL: postgres.url,
    DATABASE_PASSWORD: secrets.database,
    ...files('SCHEMA_REGISTRY'),
    ...files('REDIS'),
    ...files('DATABASE'),
  }
}

test('a fleet behind all of it: a task, doctor, and a password that is renewed meanwhile', async () => {
  const passwordFile = join(ours.directory, 'redis-password')
  writeFileSync(passwordFile, secrets.redis)
  const env = secured(passwordFile)
  await using fleet = await startTestFleet({ env })
  const run = async (mark: string) => {
    const { taskId } = await fleet.client.submit({ text: `say hi task=${mark}` })
    const result = await fleet.client.result(taskId, { timeoutMs: 120_000 })
    assert.equal(result.status, 'succeeded', JSON.stringify(result.error))
  }
  await run('before')

  const doctor = await flotilla(['doctor'], { env })
  assert.match(doctor.out, /ok +log/)
  for (const secret of Object.values(secrets)) assert.ok(!(doctor.out + doctor.err).includes(secret))

  const admin = connectRedis({ url: redis.url, security: readEnvironment(env).security.redis })
  const renewed = 'redis-password-of-tomorrow'
  await admin.redis.call('ACL', 'SETUSER', 'fleet', 'resetpass', `>${renewed}`)
  writeFileSync(passwordFile, renewed)
  await admin.redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  await admin.close()
  await eventually('the store works again', async () =>
    fleet.process.readiness().then(
      ({ ready }) => ready,
      () => false,
    ),
  )
  await run('after')
})
