// The disaster drill of a whole Kafka cluster: three brokers lose their disks while a fleet works. It goes on from a
// snapshot of the disks, and then from nothing but PostgreSQL and Redis. docs/disaster-recovery.md has its figures.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { HttpClient } from '../../client/http/client.ts'
import { httpOperator } from '../../operator/http.ts'
import { startScriptedModel, type ScriptedModel } from '../../runtime/scripted-model/server.ts'
import { eventually } from '../conformance/waiting.ts'
import { startKafka, type Broker, type KafkaCluster } from '../infra/kafka.ts'
import { runTool } from '../infra/tool.ts'
import { flotilla } from '../support/command.ts'
import { fleetEnvironment } from '../support/servers.ts'
import { startServices, type ServiceProcess } from '../support/service-process.ts'
import { startToolServer, type ToolEvent, type ToolServer } from '../support/tool-server.ts'

const directory = mkdtempSync(join(tmpdir(), 'flotilla-cluster-loss-'))
const log = join(directory, 'tools.jsonl')
const own = { FLOTILLA_PARTITIONS: '4', FLOTILLA_SESSION_TIMEOUT_MS: '3000' }
let kafka: KafkaCluster
let model: ScriptedModel
/** The model answers tasks of these names once they are let go: a tool that a kill finds begun would have no outcome. */
const held = new Map(['open', 'unknown', 'unfinished'].map((mark) => [mark, Promise.withResolvers<void>()]))
let tools: ToolServer
let env: Record<string, string>

before(async () => {
  model = await startScriptedModel({
    until: async ({ taskMark }) => held.get(taskMark?.split('-')[0] ?? '')?.promise,
    script: ({ taskMark: task, turn }) => {
      if (task === null) return undefined
      return turn === 0 ? { toolCalls: [{ name: 'charge', arguments: { task } }] } : { text: `done ${task}` }
    },
  })
  tools = await startToolServer({ log, latencyMs: () => 50 })
  kafka = await startCluster()
  env = fleetEnvironment('cluster-loss', {
    ...own,
    KAFKA_BROKERS: kafka.bootstrap,
    FLOTILLA_SCRIPTED_URL: model.url,
    TOOL_SERVER_URL: tools.url,
  })
})
after(async () => {
  await kafka?.stop()
  await tools?.stop()
  await model?.stop()
  rmSync(directory, { recursive: true, force: true })
})

const startCluster = (): Promise<KafkaCluster> => startKafka({ brokers: 3, heapMb: 320 })

async function startFleet(): Promise<ServiceProcess> {
  const fleet = await startServices([], { env })
  await fleet.ready(120_000)
  return fleet
}

const idsOf = (mark: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${mark}-${i}`)

async function submit({ url }: ServiceProcess, ids: readonly string[]): Promise<void> {
  const client = new HttpClient(url)
  await Promise.all(
    ids.map((taskId) => client.submit({ taskId, text: `task=${taskId}`, timeoutMs: 600_000 })),
  )
}

async function succeed({ url }: ServiceProcess, ids: readonly string[]): Promise<void> {
  const client = new HttpClient(url)
  for (const id of ids) {
    const { status, output } = await client.result(id, { timeoutMs: 120_000 })
    assert.deepEqual([status, output], ['succeeded', `done ${id}`])
  }
}

/** How often each of these was charged. */
function charges(ids: readonly string[]): number[] {
  const events = readFileSync(log, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as ToolEvent)
  return ids.map((id) => events.filter(({ event, task }) => event === 'arrived' && task === id).length)
}

const diskOf = (broker: Broker): string => join(dirname(broker.logFile), 'data')
const copyOf = (broker: Broker): string => join(directory, `disk-${broker.nodeId}`)

/** Brokers reserve 10 MB for each index: files with holes, which stay holes. */
const copy = (from: string, to: string): Promise<string> => runTool('cp', ['-a', '--sparse=always', from, to])

/** Every disk at one moment, as a storage system takes snapshots: the brokers stand still meanwhile. */
async function snapshot(): Promise<number> {
  const begunMs = performance.now()
  for (const { pid } of kafka.brokers) process.kill(pid, 'SIGSTOP')
  try {
    await Promise.all(kafka.brokers.map((broker) => copy(diskOf(broker), copyOf(broker))))
  } finally {
    for (const { pid } of kafka.brokers) process.kill(pid, 'SIGCONT')
  }
  return performance.now() - begunMs
}

async function restore(): Promise<void> {
  for (const broker of kafka.brokers) {
    rmSync(diskOf(broker), { recursive: true })
    await copy(copyOf(broker), diskOf(broker))
  }
  await Promise.all(kafka.brokers.map((broker) => broker.restart()))
}

async function ledger(): Promise<Map<string, string>> {
  const listed = await flotilla(['ps', '--all', '--json'], { env })
  assert.equal(listed.code, 0, listed.err)
  const { tasks } = JSON.parse(listed.out) as { tasks: { taskId: string; status: string }[] }
  return new Map(tasks.map(({ taskId, status }) => [taskId, status]))
}

/** Resolves once the ledger has all of these, as ended in that way if it is given: without it the log is asked too. */
async function inLedger(
  { url }: ServiceProcess,
  ids: readonly string[],
  status?: 'succeeded',
): Promise<void> {
  await eventually('the ledger has them', async () => {
    const { tasks } = await httpOperator(url).tasks.list({ limit: 200, ...(status && { status }) })
    const known = new Set(tasks.map(({ taskId }) => taskId))
    return ids.every((id) => known.has(id))
  })
}

const seconds = (sinceMs: number): string => ((performance.now() - sinceMs) / 1_000).toFixed(1)

test('three disks lost and restored from a snapshot: open tasks go on, and no call is made again', async (t) => {
  const [done, open, late, unknown] = [
    idsOf('done', 6),
    idsOf('open', 12),
    idsOf('late', 40),
    idsOf('unknown', 6),
  ]
  let fleet = await startFleet()
  t.after(() => fleet.kill9())
  await submit(fleet, done)
  await succeed(fleet, done)
  await submit(fleet, open)
  await eventually('the model is asked', () => model.stats().received >= 2 * done.length + open.length)
  const snapshotMs = await snapshot()
  // After the snapshot: more tasks come, the fleet is started again, as by an upgrade, and open tasks end.
  await submit(fleet, late)
  await succeed(fleet, late)
  await fleet.kill9()
  held.get('open')?.resolve()
  fleet = await startFleet()
  await succeed(fleet, open)
  assert.deepEqual(
    charges(open),
    open.map(() => 1),
  )
  await submit(fleet, unknown)
  await inLedger(fleet, unknown)

  const lostMs = performance.now()
  await Promise.all(kafka.brokers.map((broker) => broker.kill9()))
  await fleet.kill9()
  held.get('unknown')?.resolve()
  await restore()
  t.diagnostic(`snapshot in ${Math.round(snapshotMs)} ms; brokers back ${seconds(lostMs)} s after the loss`)
  const restored = await startFleet()
  t.after(() => restored.kill9())
  t.diagnostic(`fleet ready ${seconds(lostMs)} s after the loss`)
  await succeed(restored, [...done, ...open])
  t.diagnostic(`${open.length} open tasks done ${seconds(lostMs)} s after the loss`)
  assert.deepEqual(
    charges(open),
    open.map(() => 1),
    'their calls were found in the journal',
  )
  // What came after the snapshot is unknown to the log, and known to the ledger: it is not sent again.
  const known = await ledger()
  assert.deepEqual(
    late.map((id) => known.get(id)),
    late.map(() => 'succeeded'),
  )
  // It has no end of the last ones: they are sent again.
  const sent = unknown.filter((id) => known.get(id) !== 'succeeded')
  assert.deepEqual(sent, unknown)
  await submit(restored, sent)
  await succeed(restored, sent)
  t.diagnostic(`${sent.length} tasks sent again, done ${seconds(lostMs)} s after the loss`)
  assert.deepEqual(
    charges(unknown),
    unknown.map(() => 1),
  )
  await restored.kill9()
})

test('three disks lost for good: a new cluster, and what the ledger has no end of is sent again', async (t) => {
  const [done, open] = [idsOf('finished', 6), idsOf('unfinished', 6)]
  const fleet = await startFleet()
  t.after(() => fleet.kill9())
  await submit(fleet, done)
  await succeed(fleet, done)
  await inLedger(fleet, done, 'succeeded')
  await submit(fleet, open)
  await inLedger(fleet, open)

  const lostMs = performance.now()
  await fleet.kill9()
  held.get('unfinished')?.resolve()
  await kafka.stop()
  kafka = await startCluster()
  env = { ...env, KAFKA_BROKERS: kafka.bootstrap }
  const created = await flotilla(['topics', '--create', '--schemas'], { env })
  assert.equal(created.code, 0, created.err)
  const restored = await startFleet()
  t.after(() => restored.kill9())
  t.diagnostic(`new cluster and fleet ready ${seconds(lostMs)} s after the loss`)
  const known = await ledger()
  const sent = [...done, ...open].filter((id) => known.get(id) !== 'succeeded')
  assert.deepEqual(sent, open)
  await submit(restored, sent)
  await succeed(restored, sent)
  t.diagnostic(`${sent.length} tasks sent again, done ${seconds(lostMs)} s after the loss`)
  assert.deepEqual(
    charges([...done, ...open]),
    [...done, ...open].map(() => 1),
  )
  await restored.kill9()
})
