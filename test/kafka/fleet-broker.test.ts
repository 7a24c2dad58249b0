// A fleet whose broker is away: at the start, and in the middle of its tasks. The broker is this file's own.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connect, FlotillaError, HttpClient } from '../../client/index.ts'
import type { Client } from '../../client/types.ts'
import { startScriptedModel, type ScriptedModel } from '../../runtime/scripted-model/server.ts'
import { eventually } from '../conformance/waiting.ts'
import { startKafka, type KafkaCluster } from '../infra/kafka.ts'
import { startRedis } from '../infra/redis.ts'
import { fleetEnvironment } from '../support/servers.ts'
import { startServices, type Readiness, type ServiceProcess } from '../support/service-process.ts'

const TASKS = 40

let kafka: KafkaCluster
let model: ScriptedModel
let fleet: ServiceProcess
let client: Client
let env: Record<string, string>

before(async () => {
  kafka = await startKafka()
  model = await startScriptedModel()
  env = fleetEnvironment('fleet-broker', {
    KAFKA_BROKERS: kafka.bootstrap,
    FLOTILLA_SCRIPTED_URL: model.url,
    // Ids of schemas derive from the schemas, so that the registry's own absence is no part of this.
    SCHEMA_REGISTRY_URL: '',
  })
})
after(async () => {
  await client?.close()
  await fleet?.kill9()
  await Promise.all([model?.stop(), kafka?.stop()])
})

/** What is wrong with the log, by /ready. */
const problemOf = (state: Readiness | null): string | null =>
  state?.parts.find(({ name }) => name === 'log')?.problem ?? null

test('a broker that is down at the start: /ready says so, and the fleet runs once it is there', async () => {
  await kafka.kill9()
  fleet = await startServices([], { env })
  const problem = await eventually('/ready answers', async () => problemOf(await fleet.readiness()))
  assert.match(problem, /Kafka at 127\.0\.0\.1:\d+ does not answer/)
  assert.equal((await fetch(`${fleet.url}/ready`)).status, 503)
  assert.equal((await fetch(`${fleet.url}/health`)).status, 200)
  const refused = await fetch(`${fleet.url}/v1/tasks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ text: 'too early' }),
  })
  assert.equal(refused.status, 503)
  assert.match(await refused.text(), /LOG_UNAVAILABLE.*waiting for the log/)
  await assert.rejects(
    () => connect({ env }),
    (error) => error instanceof FlotillaError && error.code === 'LOG_UNAVAILABLE',
  )

  await kafka.restart()
  await fleet.ready()
  client = await connect({ env })
  const { taskId } = await client.submit({ text: 'say hi task=late' })
  assert.equal((await client.result(taskId, { timeoutMs: 120_000 })).output, 'done late')
})

test('a broker that goes away in the middle of tasks, and returns: every task its one result', async () => {
  const http = new HttpClient(fleet.url)
  const ids = await Promise.all(
    Array.from({ length: TASKS }, async (_, index) => {
      const text = `say hi task=mid-${index} latency=${500 + 25 * index}`
      return (await http.submit({ text, timeoutMs: 300_000 })).taskId
    }),
  )
  await eventually('models are asked', () => model.stats().received > TASKS / 2)
  await kafka.kill9()
  await eventually('/ready says that the log is away', async () => problemOf(await fleet.readiness()))
  await kafka.restart()
  const results = await Promise.all(ids.map((id) => client.result(id, { timeoutMs: 120_000 })))
  assert.deepEqual(
    results.map(({ status, output }) => [status, output]),
    ids.map((_, index) => ['succeeded', `done mid-${index}`]),
  )
  await fleet.ready()
  assert.equal(model.stats().repeated, 0, 'a call that was answered was made again')
  await http.close()
  assert.equal(await fleet.drain(), 0, fleet.output())
})

test('a Redis that is down at the start is waited for', async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  await redis.kill9()
  const early = await startServices(['metering'], {
    env: { ...env, REDIS_URL: redis.url, LOG_LEVEL: 'warn' },
  })
  t.after(() => early.kill9())
  await eventually('it says what it cannot reach', () => early.output().includes('failed to reach'))
  await redis.restart()
  await early.ready()
})
