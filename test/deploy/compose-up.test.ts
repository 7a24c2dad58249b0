// `docker compose up` for real, on an engine with networks of its own: every service of docker-compose.yml but Grafana,
// which no registry here has. The fleet's image is the one that deploy/Dockerfile builds; stand-ins.ts has the others.
// Before it starts, a fleet of this machine moves there, as docs/migrate-to-kafka.md says.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { demoTasks } from '../../examples/demo-tasks.ts'
import { serviceNames } from '../../services/index.ts'
import { startEngine, type DockerEngine } from '../infra/docker.ts'
import { compose, goProgram } from '../infra/go-program.ts'
import { runTool } from '../infra/tool.ts'
import { flotilla } from '../support/command.ts'
import { root } from './chart.ts'
import { buildImage } from './image.ts'
import { importStandIns } from './stand-ins.ts'

const ABSENT = ['grafana']
const UP_LIMIT_MS = 600_000
const directory = mkdtempSync(join(tmpdir(), 'flotilla-compose-'))
const override = join(directory, 'override.json')
const dataDir = join(directory, 'data')
const UP = ['up', '--no-build', '--pull', 'never', '--wait', '--wait-timeout', '420']
const settings = {
  ...{ POSTGRES_PASSWORD: 'of-the-database', REDIS_PASSWORD: 'of-the-store', GRAFANA_PASSWORD: 'of-nobody' },
  ...{ FLOTILLA_VERSION: 'test', FLOTILLA_MODEL: 'scripted', FLOTILLA_PARTITIONS: '3' },
}

let engine: DockerEngine
let program: string
let moved: string

const run = (files: readonly string[], args: readonly string[]): Promise<string> =>
  runTool(program, [...files.flatMap((file) => ['--file', file]), '--env-file', '/dev/null', ...args], {
    env: { PATH: process.env['PATH'], DOCKER_HOST: engine.host, ...settings },
    timeoutMs: UP_LIMIT_MS,
  })
const file = join(root, 'docker-compose.yml')
const composed = (...args: string[]): Promise<string> => run([file, override], args)

/** Output of Node on the engine's machine, where the ports are published. */
const onHost = (script: string, ...args: string[]): Promise<string> =>
  runTool('nsenter', ['--net', '--target', String(engine.pid), process.execPath, '-e', script, ...args])

before(async () => {
  program = await goProgram(compose)
  engine = await startEngine({ isNetworked: true })
  process.env['DOCKER_HOST'] = engine.host
  await buildImage()
  writeFileSync(override, '{}')
  const { services } = JSON.parse(await run([file], ['config', '--format', 'json'])) as {
    services: Record<string, { image: string }>
  }
  writeFileSync(override, JSON.stringify(await importStandIns(services, ABSENT)))
})
after(async () => {
  if (engine) await composed('down', '--volumes', '--timeout', '1').catch(() => undefined)
  await engine?.stop()
  rmSync(directory, { recursive: true, force: true })
})

/** Resolves once all of these are healthy, or all. */
async function up(...names: string[]): Promise<void> {
  try {
    await composed(...UP, ...names)
  } catch (error) {
    throw new Error(await composed('logs', '--tail', '30').catch(() => 'no logs'), { cause: error })
  }
}

test(
  'the servers are healthy, and a fleet of one machine moves there',
  { timeout: UP_LIMIT_MS },
  async () => {
    const env = { FLOTILLA_DATA: dataDir, FLOTILLA_PARTITIONS: settings.FLOTILLA_PARTITIONS }
    const ended = await flotilla(['run', '--json', 'say hi'], { env })
    moved = (JSON.parse(ended.out) as { taskId: string }).taskId
    await up('broker', 'registry', 'redis', 'postgres')
    const once = ['run', '--rm', '-T', '--no-deps', '--user', '0:0', '-v', `${dataDir}:/data`]
    const move = ['-e', 'FLOTILLA_DATA=/data', ...'router migrate --to kafka --json'.split(' ')]
    const said = await composed(...once, ...move)
    assert.equal((JSON.parse(said) as { outcome: string }).outcome, 'moved')
  },
)

test('up --wait: every service is healthy', { timeout: UP_LIMIT_MS }, () => up())

test('a key is made by the gateway’s container, and with it the moved task is found and one with Python goes through', async () => {
  const made = await composed(
    'exec',
    '-T',
    'gateway',
    ...'node cli/main.ts keys create admin --role admin --json'.split(' '),
  )
  const { key } = JSON.parse(made) as { key: string }
  const script = `
    const [key, text, moved] = process.argv.slice(1)
    const headers = { authorization: 'Bearer ' + key, 'content-type': 'application/json' }
    const body = JSON.stringify({ text, mode: 'code', timeoutMs: 120000 })
    const post = (headers) => fetch('http://127.0.0.1:8000/v1/tasks?wait=60', { method: 'POST', headers, body })
    const refused = (await post({ 'content-type': 'application/json' })).status
    const { status, error } = await (await post(headers)).json()
    const former = await (await fetch('http://127.0.0.1:8000/v1/tasks/' + moved + '/result', { headers })).json()
    console.log(JSON.stringify({ refused, status, error, former: former.status }))`
  const said = await onHost(`(async () => {${script}})()`, key, demoTasks[0]?.text ?? '', moved)
  assert.deepEqual(JSON.parse(said), { refused: 401, status: 'succeeded', error: null, former: 'succeeded' })
})

test('Prometheus reaches every service and has the rules; code-sandbox reaches no service and not the network that leads out', async () => {
  const script = `
    const ask = async (path) => (await (await fetch('http://127.0.0.1:9090/api/v1/' + path)).json()).data
    const { activeTargets } = await ask('targets')
    const { groups } = await ask('rules')
    const health = activeTargets.map(({ labels, health }) => labels.instance + ' ' + health).sort()
    console.log(JSON.stringify({ health, groups: groups.length }))`
  const found = JSON.parse(await onHost(`(async () => {${script}})()`)) as {
    health: string[]
    groups: number
  }
  const watched = serviceNames.filter((name) => name !== 'gateway').map((name) => `${name}:8000 up`)
  assert.deepEqual(found.health, watched.toSorted())
  assert.ok(found.groups > 0)
  // By address too, so that it is the network that refuses and not the name.
  const address = '{{(index .NetworkSettings.Networks "flotilla_edge").IPAddress}}'
  const container = (await composed('ps', '--quiet', 'gateway')).trim()
  const gateway = (await runTool('docker', ['inspect', '--format', address, container])).trim()
  const reach = `
    const urls = ['http://gateway:8000/health', 'http://${gateway}:8000/health', 'http://prometheus:9090/-/ready']
    Promise.all(urls.map((url) => fetch(url, { signal: AbortSignal.timeout(8000) }).then(() => true, () => false)))
      .then((reached) => console.log(JSON.stringify(reached)))`
  const reachedFrom = async (service: string): Promise<unknown> =>
    JSON.parse(await composed('exec', '-T', service, 'node', '-e', reach))
  assert.deepEqual(await reachedFrom('code-sandbox'), [false, false, true])
  assert.deepEqual(await reachedFrom('tool-executor'), [true, true, true])
})

test('stop: every service drains and ends with 0', async () => {
  await composed('stop')
  const listed = await composed('ps', '--all', '--format', 'json')
  const ends = listed
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { Service: string; ExitCode: number })
    .filter(({ Service }) => (serviceNames as readonly string[]).includes(Service))
  assert.deepEqual(
    ends.map(({ Service, ExitCode }) => `${Service} ${ExitCode}`).toSorted(),
    serviceNames.map((name) => `${name} 0`).toSorted(),
  )
})
