import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { serviceNames } from '../../../services/index.ts'
import { readEnvironment } from '../../../runtime/config/environment.ts'

interface Entry {
  readonly image: string
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly ports?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: Readonly<Record<string, unknown>>
  readonly stop_grace_period?: string
  readonly deploy?: unknown
  readonly networks?: readonly string[]
  readonly env_file?: unknown
  readonly security_opt?: readonly string[]
}

const root = join(import.meta.dirname, '../../..')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const compose = parse(read('docker-compose.yml'), { merge: true }) as {
  readonly services: Readonly<Record<string, Entry>>
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>
}
const folders = readdirSync(join(root, 'services'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
const ours = folders.map((name) => [name, compose.services[name]] as const)
const limits = {
  resources: {
    limits: { cpus: '2', memory: '4G' },
    reservations: { cpus: '1', memory: '2G' },
  },
}

/** What Compose does to `${NAME:-default}` and its like where only passwords are set. */
const interpolated = (environment: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      value
        .replace(/\$\{\w+:-([^}]*)\}/g, '$1')
        .replace(/\$\{\w+:\+[^}]*\}/g, '')
        .replace(/\$\{(\w+):\?[^}]*\}/g, 'a-password-for-$1'),
    ]),
  )

test('every service folder is a service of the file, started by the command that the CLI knows', () => {
  assert.deepEqual([...folders].sort(), [...serviceNames].sort())
  for (const [name, entry] of ours) assert.deepEqual(entry?.command, ['start', name], name)
})

test('every service is asked for its health as promised, and waits for what it needs to be healthy', () => {
  for (const [name, entry] of ours) {
    const { test: probe, ...times } = entry?.healthcheck ?? {}
    assert.deepEqual(times, { interval: '30s', timeout: '10s', start_period: '5s', retries: 3 }, name)
    assert.match(String(probe), /127\.0\.0\.1:8000\/health/, name)
    for (const needed of ['broker', 'registry', 'redis', 'postgres'])
      assert.equal(entry?.depends_on?.[needed]?.condition, 'service_healthy', `${name} needs ${needed}`)
  }
})

test('everything has a health check and the promised limits', () => {
  for (const [name, entry] of Object.entries(compose.services)) {
    assert.ok(entry.healthcheck?.['test'], `${name} has a health check`)
    assert.deepEqual(entry.deploy, limits, name)
  }
})

test('ports are published on loopback only, and each once', () => {
  const published = Object.values(compose.services).flatMap((entry) => entry.ports ?? [])
  for (const port of published) assert.match(port, /^127\.0\.0\.1:/)
  assert.equal(new Set(published).size, published.length)
})

test('the environment is one that the services accept, and names every server of the file', () => {
  for (const [name, entry] of ours) {
    const environment = readEnvironment(interpolated(entry?.environment ?? {}))
    assert.equal(environment.port, 8000, name)
    assert.equal(environment.host, '0.0.0.0', name)
    const urls = [environment.schemaRegistryUrl, environment.redisUrl, environment.databaseUrl]
    const hosts = [...urls, environment.tracing?.url].map((url) => new URL(url ?? '').hostname)
    const brokers = environment.kafkaBrokers.map((broker) => broker.split(':')[0])
    for (const host of [...hosts, ...brokers]) assert.ok(compose.services[String(host)], `${name}: ${host}`)
  }
})

test('every service may be asked by its name in the network', () => {
  for (const [name, entry] of ours) {
    const { allowedHosts } = readEnvironment(interpolated(entry?.environment ?? {})).http
    assert.deepEqual(
      folders.filter((folder) => !allowedHosts.includes(folder)),
      [],
      name,
    )
  }
})

test('the gateway starts closed, and no other service has its key', () => {
  for (const [name, entry] of ours) {
    const { access, adminKey } = readEnvironment(interpolated(entry?.environment ?? {})).http
    assert.deepEqual([access, adminKey], [name === 'gateway' ? 'closed' : null, null], name)
    assert.equal('FLOTILLA_ADMIN_KEY' in (entry?.environment ?? {}), name === 'gateway', name)
  }
})

const secret = /_(KEY|PASSWORD|TOKEN|SECRET)$|^SMTP_URL$|WEBHOOK_URL$/
const stores = ['DATABASE_PASSWORD', 'REDIS_PASSWORD']
const own: Readonly<Record<string, readonly string[]>> = {
  planner: ['OPENAI', 'GROQ', 'ANTHROPIC', 'MISTRAL', 'OPENROUTER', 'LOCAL', 'OLLAMA'].map(
    (provider) => `${provider}_API_KEY`,
  ),
  'code-sandbox': ['E2B_API_KEY', 'FLOTILLA_SANDBOX_TOKEN'],
  alerting: ['PAGERDUTY_ROUTING_KEY', 'SLACK_WEBHOOK_URL', 'SMTP_URL', 'ALERT_WEBHOOK_SECRET'],
  gateway: ['FLOTILLA_ADMIN_KEY'],
}

test('each service has the passwords of the stores and its own secrets, and no others', () => {
  for (const [name, entry] of ours) {
    assert.equal(entry?.env_file, undefined, 'a file would give it everything')
    const found = Object.keys(entry?.environment ?? {}).filter((variable) => secret.test(variable))
    assert.deepEqual(found.sort(), [...stores, ...(own[name] ?? [])].sort(), name)
    const elsewhere = entry?.environment?.['FLOTILLA_KEYS_ELSEWHERE'] ?? ''
    for (const key of own['planner']?.slice(0, 5) ?? [])
      assert.equal(elsewhere.includes(`\${${key}:+${key}}`), name !== 'planner', `${name} learns of ${key}`)
  }
})

test('no password has a default: Compose refuses to start without it', () => {
  for (const [name, entry] of Object.entries(compose.services))
    for (const [variable, value] of Object.entries(entry.environment ?? {}))
      if (/PASSWORD$|^REDISCLI_AUTH$/.test(variable))
        assert.match(value, /^\$\{\w+:\?/, `${name} ${variable}`)
})

test('Python’s service is in a network without a way out, and so is every store', () => {
  const { edge, core, sandbox } = compose.networks
  assert.deepEqual([edge?.internal, core?.internal, sandbox?.internal], [undefined, true, true])
  assert.deepEqual(compose.services['code-sandbox']?.networks, ['sandbox'])
  for (const store of ['registry', 'redis', 'postgres'])
    assert.deepEqual(compose.services[store]?.networks, ['core', 'sandbox'], store)
  for (const [name] of ours)
    if (name !== 'code-sandbox')
      assert.ok(!compose.services[name]?.networks?.includes('sandbox'), `${name} is out of its reach`)
  for (const [name, { security_opt }] of Object.entries(compose.services))
    assert.deepEqual(security_opt, ['no-new-privileges:true'], name)
})

test('a service has time to drain before it is killed', () => {
  const drainS = readEnvironment({}).drainMs / 1000
  for (const [name, entry] of ours) assert.ok(parseInt(entry?.stop_grace_period ?? '') > drainS, name)
})

test('Redis keeps the promise of the call journal', () => {
  const command = compose.services['redis']?.command?.join(' ') ?? ''
  assert.match(command, /--appendfsync always/)
  assert.match(command, /--maxmemory-policy noeviction/)
})

test('the image is not run by root, checks its own health, and leaves out secrets', () => {
  const dockerfile = read('deploy/Dockerfile')
  assert.equal(dockerfile.match(/^USER (.*)$/gm)?.at(-1), 'USER 10001:10001')
  assert.match(dockerfile, /^HEALTHCHECK --interval=30s --timeout=10s --start-period=5s --retries=3/m)
  const ignored = read('.dockerignore').split('\n')
  for (const entry of ['**/.env', '**/.env.*', '**/.npmrc', '.git', 'node_modules', '.flotilla'])
    assert.ok(ignored.includes(entry), entry)
})

test('the page on operating names every server and service of the file', () => {
  const page = read('docs/operating.md')
  const table = page.slice(page.indexOf('| service'), page.indexOf('Every port is published'))
  for (const name of Object.keys(compose.services)) assert.ok(table.includes(`\`${name}\``), name)
})
