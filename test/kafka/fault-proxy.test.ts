// A fleet whose ways to Kafka, Redis and PostgreSQL go bad one after the other while tasks are under way, through Toxiproxy:
// each task has its one result, nothing is called twice, and the process is ready again soon after.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { HttpClient } from '../../client/index.ts'
import { startScriptedModel, type ScriptedModel } from '../../runtime/scripted-model/server.ts'
import { allRows } from '../chaos/evidence.ts'
import { expectedOutput, script, taskOf, type ChaosTask } from '../chaos/tasks.ts'
import { eventually } from '../conformance/waiting.ts'
import { startKafka, type KafkaCluster } from '../infra/kafka.ts'
import { freePorts } from '../infra/port.ts'
import { startRedis, type Redis } from '../infra/redis.ts'
import { startToxiproxy, type Proxy, type Toxic, type Toxiproxy } from '../infra/toxiproxy.ts'
import { fleetEnvironment } from '../support/servers.ts'
import { startServices, type ServiceProcess } from '../support/service-process.ts'
import { startToolServer, type ToolEvent, type ToolServer } from '../support/tool-server.ts'

const TASKS = 12
const BAD_FOR_MS = 3_000
/** From healing to the last result, and to /ready. */
const MENDED_WITHIN_MS = 180_000

const directory = mkdtempSync(join(tmpdir(), 'flotilla-fault-proxy-'))
const toolLog = join(directory, 'tools.jsonl')
const proxies = new Map<string, Proxy>()
let toxiproxy: Toxiproxy
let kafka: KafkaCluster
let redis: Redis
let model: ScriptedModel
let tools: ToolServer
let fleet: ServiceProcess

before(async () => {
  const [toKafka, toRedis, toPostgres] = (await freePorts(3)) as [number, number, number]
  const postgres = new URL(String(process.env['DATABASE_URL']))
  toxiproxy = await startToxiproxy()
  kafka = await startKafka({ advertisedPort: toKafka })
  redis = await startRedis()
  proxies.set('Kafka', await toxiproxy.proxy('kafka', toKafka, kafka.port))
  proxies.set('Redis', await toxiproxy.proxy('redis', toRedis, redis.port))
  proxies.set('PostgreSQL', await toxiproxy.proxy('postgres', toPostgres, Number(postgres.port)))
  model = await startScriptedModel({ script })
  tools = await startToolServer({ log: toolLog, latencyMs: () => 100 + Math.random() * 900 })
  postgres.port = String(toPostgres)
  const env = fleetEnvironment('fault-proxy', {
    KAFKA_BROKERS: `127.0.0.1:${toKafka}`,
    REDIS_URL: `redis://127.0.0.1:${toRedis}`,
    DATABASE_URL: postgres.href,
    FLOTILLA_SCRIPTED_URL: model.url,
    TOOL_SERVER_URL: tools.url,
  })
  fleet = await startServices([], { env })
  await fleet.ready(180_000)
})
after(async () => {
  await fleet?.kill9()
  await Promise.all([model?.stop(), tools?.stop(), kafka?.stop(), redis?.stop()])
  await toxiproxy?.stop()
  rmSync(directory, { recursive: true, force: true })
})

const both = (type: Toxic['type'], attributes: Toxic['attributes']): Toxic[] =>
  (['downstream', 'upstream'] as const).map((stream) => ({ type, attributes, stream }))

const faults: Readonly<Record<string, readonly Toxic[]>> = {
  latency: both('latency', { latency: 150, jitter: 100 }),
  'connections that are reset': both('reset_peer', { timeout: 0 }),
  // Requests arrive and take effect, answers never come.
  'half-open connections': [{ type: 'timeout', attributes: { timeout: 0 }, stream: 'downstream' }],
  'a blackhole': both('timeout', { timeout: 0 }),
}

let runs = 0
for (const server of ['Kafka', 'Redis', 'PostgreSQL'])
  for (const [name, toxics] of Object.entries(faults))
    test(`${name} between the fleet and ${server}`, async () => {
      const proxy = proxies.get(server) as Proxy
      const run = `${server.toLowerCase()}-${++runs}`
      const kinds = ['tools', 'steps', 'failing'] as const
      const tasks = Array.from({ length: TASKS }, (_, index) =>
        taskOf(run, kinds[index % kinds.length] as 'tools', index, () => index / TASKS),
      )
      const asked = model.stats().received
      await submitAll(tasks)
      await eventually('models are asked', () => model.stats().received - asked >= TASKS / 2)
      await proxy.poison(toxics)
      await pause(BAD_FOR_MS)
      await proxy.heal()
      const healedMs = Date.now()
      await resultsOf(tasks)
      await fleet.ready(MENDED_WITHIN_MS)
      assert.ok(Date.now() - healedMs < MENDED_WITHIN_MS, `mended after ${Date.now() - healedMs} ms`)
      assert.equal(model.stats().repeated, 0, 'a model call that was answered was made again')
      assert.deepEqual(await calledTwice(), [])
    })

async function submitAll(tasks: readonly ChaosTask[]): Promise<void> {
  const client = new HttpClient(fleet.url)
  await Promise.all(
    tasks.map(({ taskId, text, mode }) => client.submit({ taskId, text, mode, timeoutMs: 300_000 })),
  )
  await client.close()
}

/** Asks until each has its result: while the way is bad the gateway may answer that it can't tell. */
async function resultsOf(tasks: readonly ChaosTask[]): Promise<void> {
  const client = new HttpClient(fleet.url)
  const results = await Promise.all(
    tasks.map(({ taskId }) =>
      eventually(`${taskId} has a result`, () => client.find(taskId).catch(() => null), MENDED_WITHIN_MS),
    ),
  )
  await client.close()
  assert.deepEqual(
    results.map(({ status, output }) => [status, output]),
    tasks.map(({ taskId }) => ['succeeded', expectedOutput(taskId)]),
  )
}

/** No process died, so that not even a tool that may run again has a reason to. */
async function calledTwice(): Promise<string[]> {
  const arrived = (await allRows<ToolEvent>(toolLog)).filter(({ event }) => event === 'arrived')
  const calls = Map.groupBy(arrived, ({ tool, task, turn }) => `${tool} of turn ${turn} of ${task}`)
  return [...calls]
    .filter(([, same]) => same.length > 1)
    .map(([what, same]) => `${what}: ${same.length} times`)
}
