// The chart's pods for real: image, setup Job and every Deployment as they are rendered, on a Kafka that lets each
// service do no more than the access lists say.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { demoTasks } from '../../examples/demo-tasks.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { openKafkaLog } from '../../runtime/log/kafka/open.ts'
import { serviceNames } from '../../services/index.ts'
import { startKafka, type KafkaCluster } from '../infra/kafka.ts'
import { freePort, freePorts } from '../infra/port.ts'
import { startStack, type Running } from '../infra/stack.ts'
import { runTool } from '../infra/tool.ts'
import { render, specOf, type KubernetesObject, type PodSpec, type Workload } from './chart.ts'
import { buildImage, type Image } from './image.ts'
import { startPod, type ClusterData, type Pod } from './pods.ts'

assert.ok(process.env['DOCKER_HOST'], 'DOCKER_HOST is not set: run this by npm run test:deploy -- run')

const PREFIX = 'deployed'
const adminKey = randomUUID() + randomUUID()
const passwordOf = (principal: string): string => `password-of-${principal}`
const principals = ['setup', ...serviceNames]
const configuration = "export { default } from '/app/examples/flotilla.config.ts'\n"

let kafka: KafkaCluster
let saslPort: number
let stack: Running
let image: Image
let objects: readonly KubernetesObject[]
const pods = new Map<string, Pod>()

const data: ClusterData = {
  secrets: {
    ...Object.fromEntries(
      principals.map((name) => [`kafka-${name}`, { username: name, password: passwordOf(name) }]),
    ),
    gateway: { admin: adminKey },
  },
  configMaps: { 'flotilla-config': { 'flotilla.config.ts': configuration } },
}

before(async () => {
  saslPort = await freePort()
  // One after the other: a busy machine starts a server of Java in time only if it starts nothing else.
  stack = await startStack(['registry', 'redis', 'postgres'])
  kafka = await startGuardedKafka(saslPort)
  image = await buildImage()
  objects = await render('minimal', await values())
})

after(async () => {
  await Promise.all([...pods.values()].map((pod) => pod.remove()))
  await Promise.all([kafka?.stop(), stack?.stop()])
})

/** Clients sign in at one listener; what has no access list is refused there. The other one is for this test. */
function startGuardedKafka(port: number): Promise<KafkaCluster> {
  const users = principals.map((name) => `user_${name}="${passwordOf(name)}"`).join(' ')
  const login = `org.apache.kafka.common.security.plain.PlainLoginModule required ${users};`
  return startKafka({
    listeners: [{ name: 'SASL_PLAINTEXT', port }],
    properties: {
      'sasl.enabled.mechanisms': 'PLAIN',
      'listener.name.sasl_plaintext.plain.sasl.jaas.config': login,
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS;User:setup',
    },
  })
}

/** Pods share this machine's network here, so each has a port of its own, on loopback. */
async function values(): Promise<object> {
  const ports = await freePorts(serviceNames.length)
  const { environment } = stack
  return {
    image: { repository: 'flotilla', tag: 'test' },
    fleet: { prefix: PREFIX, partitions: 4, drainMs: 10_000 },
    kafka: { brokers: [`127.0.0.1:${saslPort}`], saslMechanism: 'plain', principal: 'User:{service}' },
    schemaRegistry: { url: environment['SCHEMA_REGISTRY_URL'] },
    redis: { url: environment['REDIS_URL'] },
    database: { url: environment['DATABASE_URL'] },
    env: { HOST: '127.0.0.1', FLOTILLA_MODEL: 'scripted' },
    config: { files: { 'flotilla.config.ts': configuration } },
    secrets: [
      { variable: 'KAFKA_SASL_USERNAME', secret: 'kafka-{service}', key: 'username' },
      { variable: 'KAFKA_SASL_PASSWORD', secret: 'kafka-{service}', key: 'password' },
      { variable: 'FLOTILLA_ADMIN_KEY', secret: 'gateway', key: 'admin' },
    ],
    services: Object.fromEntries(serviceNames.map((name, index) => [name, { env: { PORT: ports[index] } }])),
  }
}

const podSpec = (kind: string, name: string): PodSpec =>
  specOf<Workload>(objects, kind, `flotilla-${name}`).template.spec

test('the image: a numbered user, a health check, labels, a bill of materials, nothing of the tests', async () => {
  const inspected = JSON.parse(await runTool('docker', ['image', 'inspect', image.name])) as [
    { Config: { User: string; Healthcheck: object; StopSignal: string; Labels: Record<string, string> } },
  ]
  const { User, Healthcheck, StopSignal, Labels } = inspected[0].Config
  assert.equal(User, '10001:10001')
  assert.equal(StopSignal, 'SIGTERM')
  const second = 1_000_000_000
  assert.partialDeepStrictEqual(Healthcheck, {
    ...{ Interval: 30 * second, Timeout: 10 * second, StartPeriod: 5 * second, Retries: 3 },
  })
  assert.equal(Labels['org.opencontainers.image.licenses'], 'Apache-2.0')
  const listing = `
    const { existsSync, readFileSync } = require('fs')
    const bom = JSON.parse(readFileSync('sbom.cdx.json', 'utf8'))
    const absent = ['test', 'bench', 'deploy', 'docs', 'node_modules/typescript', 'node_modules/prettier', '.npmrc']
    console.log(JSON.stringify({ packages: bom.components.length, found: absent.filter((name) => existsSync(name)) }))`
  const run = ['run', '--rm', '--network=none', '--entrypoint', 'node', image.name, '-e', listing]
  const { packages, found } = JSON.parse(await runTool('docker', run)) as {
    packages: number
    found: string[]
  }
  assert.deepEqual(found, [])
  assert.ok(packages > 100)
  const megabytes = Math.round(image.ownBytes / 2 ** 20)
  assert.ok(megabytes < 130, `packages and sources take ${megabytes} MB`)
})

test('the setup Job creates topics, schemas and access lists, and may run again', async () => {
  for (const _ of ['first', 'again']) {
    const job = await startPod(podSpec('Job', 'setup'), data)
    assert.equal(await job.exitCode(), 0, await job.logs())
    assert.match(await job.logs(), /rights are granted to User:router, .*User:gateway/)
    await job.remove()
  }
})

test('every Deployment passes its probes, each service under its own principal', async () => {
  await Promise.all(
    serviceNames.map(async (name) => {
      const spec = podSpec('Deployment', name)
      const pod = await startPod(spec, data)
      pods.set(name, pod)
      const { startupProbe, livenessProbe, readinessProbe } = spec.containers[0]
      await pod.succeeds(startupProbe)
      await pod.succeeds(livenessProbe)
      // A fleet that starts on a busy machine takes longer than one period; Kubernetes just sends it no requests.
      await pod.succeeds(readinessProbe && { ...readinessProbe, failureThreshold: 12 })
    }),
  )
})

test('a task goes through: Python in the sandbox calls a tool, and the result comes out of the gateway', async () => {
  const gateway = pods.get('gateway') as Pod
  const headers = { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' }
  const post = (authorised: boolean): Promise<Response> =>
    fetch(`${gateway.url}/v1/tasks`, {
      method: 'POST',
      headers: authorised ? headers : { 'content-type': 'application/json' },
      body: JSON.stringify({ text: demoTasks[0]?.text, mode: 'code', timeoutMs: 120_000 }),
    })
  assert.equal((await post(false)).status, 401)
  const { taskId } = (await (await post(true)).json()) as { taskId: string }
  const deadline = performance.now() + 300_000
  for (;;) {
    const answer = await fetch(`${gateway.url}/v1/tasks/${taskId}/result?wait=20`, { headers })
    const text = await answer.text()
    if (answer.status === 200) {
      const result = JSON.parse(text) as { status: string; error: unknown }
      assert.equal(result.status, 'succeeded', JSON.stringify(result.error))
      return
    }
    assert.ok(performance.now() < deadline, `no result: ${answer.status} ${text}`)
  }
})

test('a service can’t write what others write, nor read what is not its own', async () => {
  const environment = readEnvironment({
    KAFKA_BROKERS: `127.0.0.1:${saslPort}`,
    KAFKA_SASL_MECHANISM: 'plain',
    KAFKA_SASL_USERNAME: 'metering',
    KAFKA_SASL_PASSWORD: passwordOf('metering'),
    FLOTILLA_PREFIX: PREFIX,
    FLOTILLA_PARTITIONS: '4',
  })
  const log = openKafkaLog(environment)
  try {
    const record = { partition: 0, key: 'k', value: Buffer.from('{}'), headers: {} }
    for (const topic of ['tasks.completed', 'tools.requested', 'tasks.submitted'] as const)
      await assert.rejects(log.publish([{ topic, ...record }]), /[aA]uthori/, topic)
    await assert.rejects(log.read('tools.requested', 0, 0, 1), /[aA]uthori/)
    await log.read('usage.recorded', 0, 0, 1)
  } finally {
    await log.close()
  }
})

test('in the container: not root, no way to write the image, and no secrets of others', async () => {
  const script = `
    const fs = require('fs')
    let written = true
    try { fs.writeFileSync('/app/cli/main.ts', '') } catch { written = false }
    const capabilities = /CapEff:\\s*(\\w+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]
    const secrets = fs.readdirSync('/run/secrets/flotilla').filter((name) => !name.startsWith('.')).sort()
    console.log(JSON.stringify({ uid: process.getuid(), written, capabilities, secrets }))`
  for (const [name, pod] of pods) {
    const found = JSON.parse(await pod.node(script)) as Record<string, unknown>
    const secrets = [...(name === 'gateway' ? ['FLOTILLA_ADMIN_KEY'] : []), 'KAFKA_SASL_PASSWORD']
    assert.deepEqual(found, { uid: 10_001, written: false, capabilities: '0000000000000000', secrets }, name)
  }
})

test('SIGTERM: every pod drains and ends with 0 within its grace', async () => {
  const ends = await Promise.all(
    [...pods.values()].map(async (pod) => ({ name: pod.name, ...(await pod.terminate()) })),
  )
  for (const { name, code, seconds } of ends) {
    assert.equal(code, 0, name)
    assert.ok(seconds < podSpec('Deployment', name).terminationGracePeriodSeconds, `${name}: ${seconds} s`)
  }
})
