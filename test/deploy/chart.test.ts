// The chart by the tools that platform teams use, and what it promises.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { parse } from 'yaml'
import { drift, manifestDrift } from '../../deploy/generate.ts'
import { serviceRights } from '../../cli/principals.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { topics } from '../../schemas/topics.ts'
import { serviceNames } from '../../services/index.ts'
import { goProgram, helm, kubeconform, kubeScore } from '../infra/go-program.ts'
import { runTool } from '../infra/tool.ts'
import { chart, render, root, specOf, template, valuesFile } from './chart.ts'
import type { Container, KubernetesObject, Workload } from './chart.ts'
import { kubernetesVersions, schemaLocations } from './kubernetes-schemas.ts'

const examples = ['minimal', 'production', 'autoscaled', 'plain'] as const
const rendered = new Map<string, readonly KubernetesObject[]>()
const files = new Map<string, string>()

before(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-rendered-'))
  for (const name of examples) {
    const file = join(folder, `${name}.yaml`)
    writeFileSync(file, await template(name))
    files.set(name, file)
    rendered.set(name, await render(name))
  }
})

const objects = (name: (typeof examples)[number]): readonly KubernetesObject[] => rendered.get(name) ?? []
const workload = (name: (typeof examples)[number], service: string): Workload =>
  specOf<Workload>(objects(name), 'Deployment', `flotilla-${service}`)
const containerOf = (spec: Workload): Container => spec.template.spec.containers[0]
const variables = ({ env }: Container): Record<string, string> =>
  Object.fromEntries(env.map(({ name, value }) => [name, value ?? '']))

test('helm lint accepts every file of values', async () => {
  const program = await goProgram(helm)
  for (const name of examples) await runTool(program, ['lint', '--strict', chart, '-f', valuesFile(name)])
})

test('every object fits the schemas of Kubernetes, KEDA and the Prometheus operator', async () => {
  const program = await goProgram(kubeconform)
  for (const version of kubernetesVersions)
    await runTool(program, ['-strict', ...(await schemaLocations(version)), ...files.values()])
})

test('a property that Kubernetes would drop in silence is refused by those schemas', async () => {
  const program = await goProgram(kubeconform)
  const locations = await schemaLocations('1.37')
  const scaled = files.get('autoscaled') ?? ''
  for (const [name, text] of [
    ['deployment', readFileSync(scaled, 'utf8').replaceAll('enableServiceLinks:', 'enableServiceLink:')],
    ['keda', readFileSync(scaled, 'utf8').replaceAll('minReplicaCount:', 'minReplicas:')],
  ] as const) {
    const wrong = join(scaled, '..', `wrong-${name}.yaml`)
    writeFileSync(wrong, text)
    await assert.rejects(runTool(program, ['-strict', ...locations, wrong]), /additional ?[pP]roperties/)
  }
})

test('kube-score has nothing critical to say', async () => {
  const program = await goProgram(kubeScore)
  // Images are named by version or digest, and neither changes.
  const except = ['--ignore-test', 'container-image-pull-policy']
  for (const name of ['production', 'plain'])
    await runTool(program, ['score', ...except, files.get(name) ?? ''])
})

test('the chart’s tables and the plain manifests are those of the repository', async () => {
  assert.deepEqual(await drift(), [], 'run npm run generate')
  const program = await goProgram(helm)
  assert.deepEqual(manifestDrift(program), [], `run node deploy/generate.ts --manifests ${program}`)
})

const digest = `sha256:${'a'.repeat(64)}`
const key = { variable: 'OPENAI_API_KEY', secret: 'models', key: 'openai' }

test('values that are wrong are refused, each with its place', async () => {
  const wrong: [object, RegExp][] = [
    [{ kafka: { brokers: ['kafka'] } }, /kafka[./]brokers/],
    [{ kafka: { brokers: [] } }, /kafka\.brokers: name at least one broker/],
    [{ redis: { url: 'http://redis' } }, /redis[./]url/],
    [{ fleet: { partitons: 3 } }, /partitons/],
    [{ services: { plannr: {} } }, /services\.plannr: there is no such service; there are: alerting/],
    [{ services: { planner: { replicas: 0 } } }, /replicas/],
    [
      { defaults: { autoscaling: { kind: 'hpa', maxReplicas: 13 } } },
      /13 pods, but a stage uses at most fleet\.partitions \(12\)/,
    ],
    [{ defaults: { autoscaling: { minReplicas: 11 } } }, /minReplicas is above maxReplicas/],
    [{ secrets: [{ variable: 'CRM_TOKEN', secret: 's', key: 'k' }] }, /CRM_TOKEN: say which services get it/],
    [{ config: { files: { 'other.ts': '' } } }, /config\.files has no flotilla\.config\.ts/],
    [{ gateway: { ingress: { enabled: true } } }, /name the host in gateway\.hosts/],
    [{ sandbox: { executor: 'http' } }, /needs the token of its server/],
    [{ kafka: { principal: 'User:fleet' } }, /kafka[./]principal/],
    [{ fullnameOverride: '9-fleet' }, /fullnameOverride/],
    [{ redis: { url: 'redis://:pw@redis:6379' } }, /redis\.url has a password.*REDIS_PASSWORD in secrets/],
    [{ database: { url: 'postgres://u:pw@db/f' } }, /database\.url has a password.*DATABASE_PASSWORD/],
    [{ env: { FLOTILLA_PREFIX: 'other' } }, /FLOTILLA_PREFIX of \S+: .*set fleet\.prefix/],
    [{ services: { planner: { env: { FLOTILLA_DRAIN_MS: 60_000 } } } }, /of planner: .*set fleet\.drainMs/],
    [{ env: { OPENAI_API_KEY: 'plain' } }, /OPENAI_API_KEY of planner: secrets gives it too/],
    [{ secrets: [key, { ...key, secret: 'other' }] }, /planner gets OPENAI_API_KEY twice/],
    [
      { defaults: { podLabels: { 'app.kubernetes.io/component': 'x' } } },
      /app\.kubernetes\.io\/component is the chart's own/,
    ],
    [{ sandbox: { executor: 'e2b' } }, /add E2B_API_KEY to secrets/],
    [
      { sandbox: { executor: 'native' }, image: { digest } },
      /another image than image\.digest names: set sandbox\.nativeImageDigest/,
    ],
  ]
  for (const [values, message] of wrong)
    await assert.rejects(template('minimal', values), message, JSON.stringify(values))
})

test('every service has a Deployment, a Service, a budget and an account; the figures are those promised', () => {
  for (const service of serviceNames) {
    const spec = workload('plain', service)
    const container = containerOf(spec)
    assert.deepEqual(container.args, ['start', service])
    const { requests, limits } = container.resources as Record<string, Record<string, string>>
    assert.deepEqual([requests?.['cpu'], requests?.['memory']], ['1', '2Gi'])
    assert.deepEqual([limits?.['cpu'], limits?.['memory']], ['2', '4Gi'])
    const { livenessProbe: live, readinessProbe: ready } = container
    assert.deepEqual(
      [live?.httpGet.path, live?.initialDelaySeconds, live?.periodSeconds],
      ['/health', 10, 30],
    )
    assert.deepEqual(
      [ready?.httpGet.path, ready?.initialDelaySeconds, ready?.periodSeconds],
      ['/ready', 5, 10],
    )
    const name = `flotilla-${service}`
    const { ports } = specOf<{ ports: object[] }>(objects('plain'), 'Service', name)
    assert.deepEqual(ports, [{ name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' }])
    const scaler = specOf<Record<string, unknown>>(objects('plain'), 'HorizontalPodAutoscaler', name)
    assert.deepEqual([scaler['minReplicas'], scaler['maxReplicas']], [3, 10])
    assert.match(JSON.stringify(scaler['metrics']), /"cpu".*:70.*"memory".*:80/)
    specOf(objects('plain'), 'PodDisruptionBudget', name)
    specOf(objects('plain'), 'NetworkPolicy', name)
    assert.equal(workload('minimal', service).replicas, 2)
  }
})

test('no container runs as root, writes to its image, has a capability or a token of Kubernetes', () => {
  const pods = objects('production').filter(({ kind }) => kind === 'Deployment' || kind === 'Job')
  assert.equal(pods.length, serviceNames.length + 2)
  for (const pod of pods as readonly { spec: Workload }[]) {
    const { spec } = pod.spec.template
    assert.equal(spec.automountServiceAccountToken, false)
    assert.deepEqual(spec.securityContext, {
      ...{ runAsNonRoot: true, runAsUser: 10_001, runAsGroup: 10_001, fsGroup: 10_001 },
      ...{ fsGroupChangePolicy: 'OnRootMismatch', seccompProfile: { type: 'RuntimeDefault' } },
    })
    assert.deepEqual(spec.containers[0].securityContext, {
      ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
      capabilities: { drop: ['ALL'] },
    })
  }
})

test('the environment is one that the services accept, and a pod outlives its drain', () => {
  for (const service of serviceNames) {
    const spec = workload('production', service)
    const plain = Object.entries(variables(containerOf(spec))).filter(
      ([name]) => !/_FILE$|_SSL_|_SASL_|_USERNAME$/.test(name),
    )
    const environment = readEnvironment(Object.fromEntries(plain))
    assert.equal(environment.port, 8000)
    assert.deepEqual(environment.kafkaBrokers.length, 3)
    assert.equal(environment.http.access, service === 'gateway' ? 'closed' : null)
    const graceMs = spec.template.spec.terminationGracePeriodSeconds * 1000
    assert.ok(graceMs > environment.drainMs + 5_000, service)
  }
})

test('each service gets its own secrets and no others, as files if they can be read from one', () => {
  const secretsOf = (service: string) =>
    containerOf(workload('production', service))
      .env.flatMap(({ name, valueFrom }) =>
        name.endsWith('_FILE') || name.includes('_SSL_CA') ? [name] : valueFrom ? [`${name} (variable)`] : [],
      )
      .filter((name) => !/^(KAFKA|SCHEMA_REGISTRY|REDIS|DATABASE)_/.test(name))
  assert.deepEqual(secretsOf('router'), [])
  assert.deepEqual(secretsOf('metering'), [])
  assert.deepEqual(secretsOf('planner'), ['OPENAI_API_KEY_FILE', 'ANTHROPIC_API_KEY_FILE'])
  assert.deepEqual(secretsOf('alerting'), ['PAGERDUTY_ROUTING_KEY_FILE'])
  assert.deepEqual(secretsOf('gateway'), ['FLOTILLA_ADMIN_KEY_FILE'])
  assert.deepEqual(secretsOf('code-sandbox'), ['FLOTILLA_SANDBOX_TOKEN_FILE'])
  assert.deepEqual(secretsOf('tool-executor'), ['CRM_TOKEN (variable)'])
  for (const service of serviceNames) {
    const own = variables(containerOf(workload('production', service)))
    const elsewhere = service === 'planner' ? undefined : 'OPENAI_API_KEY,ANTHROPIC_API_KEY'
    assert.equal(own['FLOTILLA_KEYS_ELSEWHERE'], elsewhere, service)
    const kafka = workload('production', service).template.spec.volumes.flatMap(
      ({ projected }) => projected?.sources.map(({ secret }) => secret.name) ?? [],
    )
    assert.ok(kafka.includes(`flotilla-kafka-${service}`), 'a password of its own on the broker')
  }
})

interface Policy {
  readonly podSelector: { readonly matchLabels: Readonly<Record<string, string>> }
  readonly ingress?: readonly { readonly from?: unknown; readonly ports: readonly { port: number }[] }[]
  readonly egress?: readonly { readonly to?: unknown; readonly ports: readonly { port: number }[] }[]
}
const policy = (service: string): Policy =>
  specOf<Policy>(objects('production'), 'NetworkPolicy', `flotilla-${service}`)
const portsOut = (service: string): number[] => [
  ...new Set((policy(service).egress ?? []).flatMap(({ ports }) => ports.map(({ port }) => port))),
]

test('pods reach what their service needs: servers, and one kind of thing outside at most', () => {
  const servers = [53, 9093, 443, 6380, 5432, 4318]
  assert.deepEqual(portsOut('router'), servers)
  assert.deepEqual(portsOut('metering'), servers)
  assert.deepEqual(portsOut('tool-executor'), [...servers, 80])
  assert.deepEqual(portsOut('alerting'), [...servers, 465, 587])
  assert.deepEqual(portsOut('code-sandbox'), [...servers, 8080])
  const outside = (service: string) => JSON.stringify(policy(service).egress).includes('0.0.0.0/0')
  const open = serviceNames.filter(outside)
  assert.deepEqual(open, ['planner', 'tool-executor', 'alerting', 'gateway'])
  for (const service of open)
    assert.match(
      JSON.stringify(policy(service).egress),
      /169\.254\.0\.0\/16/,
      'not the metadata of the cloud',
    )
})

test('the sandbox server is reached by code-sandbox alone, and reaches nothing; the rest is closed', () => {
  const { ingress, egress } = policy('sandbox-server')
  assert.deepEqual(egress, [])
  assert.equal(ingress?.length, 1)
  assert.match(JSON.stringify(ingress[0]?.from), /"app.kubernetes.io\/component":"code-sandbox"/)
  const server = workload('production', 'sandbox-server').template.spec
  assert.equal(server.runtimeClassName, 'gvisor')
  const closed = policy('deny')
  assert.deepEqual([closed.ingress, closed.egress], [undefined, undefined])
  assert.equal(closed.podSelector.matchLabels['app.kubernetes.io/component'], undefined, 'of every pod')
})

test('KEDA scales each stage by the lag of its own group and topics, up to its lanes', async () => {
  const rights = await serviceRights()
  for (const { name, consumes } of rights.filter(({ isStage }) => isStage)) {
    const scaled = specOf<{ maxReplicaCount: number; triggers: { metadata: Record<string, string> }[] }>(
      objects('autoscaled'),
      'ScaledObject',
      `flotilla-${name}`,
    )
    assert.ok(scaled.maxReplicaCount <= 24)
    const kafka = scaled.triggers.map(({ metadata }) => metadata).filter(({ topic }) => topic)
    assert.deepEqual(
      kafka.map(({ topic }) => topic),
      consumes.map((topic) => `flotilla.${topic}`),
    )
    assert.deepEqual(new Set(kafka.map(({ consumerGroup }) => consumerGroup)), new Set([`flotilla.${name}`]))
  }
  const scalers = objects('autoscaled').filter(({ kind }) => kind === 'HorizontalPodAutoscaler')
  assert.deepEqual(
    scalers.map(({ metadata }) => metadata.name),
    ['flotilla-gateway'],
  )
})

test('the access table of the chart is that of the access lists', () => {
  const { services } = JSON.parse(readFileSync(join(chart, 'files/access.json'), 'utf8')) as {
    services: Record<string, { writes: string[] }>
  }
  for (const { name, writers } of topics)
    for (const writer of writers.filter((each) => serviceNames.includes(each)))
      assert.ok(services[writer]?.writes.includes(name), `${writer} writes ${name}`)
})

test('topics, schemas and access lists are made before an installation or upgrade', () => {
  const job = objects('production').find(({ kind }) => kind === 'Job')
  assert.equal(job?.metadata.annotations?.['helm.sh/hook'], 'pre-install,pre-upgrade')
  const { args } = containerOf(specOf<Workload>(objects('production'), 'Job', 'flotilla-setup'))
  assert.deepEqual(args, ['topics', '--create', '--schemas', '--acls', 'User:flotilla-{service}'])
})

test('numbers and truths are given as the text that Kubernetes and a process read', async () => {
  const made = await render('autoscaled', {
    env: { FLOTILLA_MEMORY_BYTES: 5_000_000, FLOTILLA_SHARE: 1.5, FLOTILLA_FLAG: true },
    defaults: {
      podLabels: { team: 7 },
      podAnnotations: { 'example.org/scrape': true },
      nodeSelector: { pool: 3 },
      autoscaling: { lagPerReplica: 2_000_000 },
    },
    keda: { cooldownS: 1_000_000 },
  })
  const spec = specOf<Workload>(made, 'Deployment', 'flotilla-router')
  const own = variables(containerOf(spec))
  assert.equal(own['FLOTILLA_MEMORY_BYTES'], '5000000')
  assert.deepEqual([own['FLOTILLA_SHARE'], own['FLOTILLA_FLAG']], ['1.5', 'true'])
  const { metadata, spec: pod } = spec.template as unknown as {
    metadata: { labels: object; annotations: object }
    spec: { nodeSelector: object }
  }
  assert.partialDeepStrictEqual(metadata.labels, { team: '7' })
  assert.partialDeepStrictEqual(metadata.annotations, { 'example.org/scrape': 'true' })
  assert.deepEqual(pod.nodeSelector, { pool: '3' })
  const text = JSON.stringify(specOf(made, 'ScaledObject', 'flotilla-router'))
  assert.match(text, /"cooldownPeriod":1000000,/)
  assert.match(text, /"lagThreshold":"2000000"/)
})

test('a budget of minAvailable replaces the default; a URL in secrets replaces the plain one', async () => {
  const made = await render('minimal', {
    defaults: { podDisruptionBudget: { minAvailable: 2 } },
    secrets: [{ variable: 'REDIS_URL', secret: 'redis', key: 'url' }],
  })
  const budget = specOf<Record<string, unknown>>(made, 'PodDisruptionBudget', 'flotilla-router')
  assert.deepEqual([budget['minAvailable'], budget['maxUnavailable']], [2, undefined])
  const { env } = containerOf(specOf<Workload>(made, 'Deployment', 'flotilla-router'))
  assert.deepEqual(
    env.map(({ name }) => name).filter((name) => name.startsWith('REDIS_URL')),
    ['REDIS_URL_FILE'],
  )
})

test('native Python is in the image of its own digest; the setup Job gets what env says of Kafka', async () => {
  const own = `sha256:${'b'.repeat(64)}`
  const made = await render('minimal', {
    image: { digest },
    sandbox: { executor: 'native', nativeImageDigest: own },
    env: { KAFKA_SASL_USERNAME: 'fleet', FLOTILLA_MODEL: 'scripted' },
  })
  const imageOf = (service: string) =>
    containerOf(specOf<Workload>(made, 'Deployment', `flotilla-${service}`)).image.split('@')[1]
  assert.deepEqual([imageOf('router'), imageOf('code-sandbox')], [digest, own])
  const setup = variables(containerOf(specOf<Workload>(made, 'Job', 'flotilla-setup')))
  assert.equal(setup['KAFKA_SASL_USERNAME'], 'fleet')
  assert.equal(setup['FLOTILLA_MODEL'], undefined)
})

test('another configuration rolls the pods; the same one does not', async () => {
  const stamp = async (text: string): Promise<string> => {
    const made = await template('minimal', { config: { files: { 'flotilla.config.ts': text } } })
    return /flotilla\/config: (\w+)/.exec(made)?.[1] ?? ''
  }
  assert.equal(await stamp('a'), await stamp('a'))
  assert.notEqual(await stamp('a'), await stamp('b'))
})

test('the alerts of the chart are those of deploy/prometheus', () => {
  const { groups } = specOf<{ groups: unknown }>(objects('production'), 'PrometheusRule', 'flotilla')
  const own = parse(readFileSync(join(root, 'deploy/prometheus/rules.yml'), 'utf8')) as { groups: unknown }
  assert.deepEqual(groups, own.groups)
})
