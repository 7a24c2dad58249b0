// A fleet on real Kafka, every service a process of its own, with over 200 tasks in flight as each of them is restarted
// by SIGTERM, of some with a second instance that joins before the first one leaves. Kills: kill-test.test.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '../../client/index.ts'
import type { Client } from '../../client/types.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { openCodec } from '../../runtime/codec/open.ts'
import { openKafkaLog } from '../../runtime/log/kafka/open.ts'
import { eventually } from '../conformance/waiting.ts'
import { serviceNames } from '../../services/index.ts'
import { startFleetProcesses, type FleetProcesses } from '../support/fleet-processes.ts'
import { keysOf } from '../support/kcat.ts'
import { fleetEnvironment } from '../support/servers.ts'
import { judge, table, violations } from './checker.ts'
import { evidenceIn } from './evidence.ts'
import { recordTopics } from './history.ts'
import { startLoad } from './load.ts'
import { rarelyCode, taskOf } from './tasks.ts'
import { startWorld } from './world.ts'

const IN_FLIGHT = 280
test('a rolling restart, and instances that come and go: every task one result, nothing called twice', async (t) => {
  await using world = await startWorld()
  const files = evidenceIn(world.directory)
  const env = fleetEnvironment('chaos', { ...world.env, FLOTILLA_SESSION_TIMEOUT_MS: '3000' })
  const fleet = await startFleetProcesses(env)
  t.after(() => fleet.kill())
  const client = await connect({ env })
  t.after(() => client.close())
  const results = new Set<string>()
  void collect(client, results)
  const load = startLoad({
    url: () => fleet.of('gateway').url,
    inFlight: IN_FLIGHT,
    completed: () => results.size,
    tasks: (index) => [taskOf('chaos', rarelyCode(index), index, Math.random)],
    clients: files.clients,
  })
  t.after(() => load.abandon())

  const rolling = await rollingRestart(fleet, () =>
    eventually('the load is in flight', () => load.inFlight() >= 200),
  )
  const submitted = await load.stop()
  const stoppedMs = Date.now()
  await eventually('every task has a result', () => submitted.every((id) => results.has(id))).catch(
    () => undefined,
  )
  const drainMs = Date.now() - stoppedMs
  await fleet.stop()

  const completed = await record(env, files.topics)
  const verdict = await judge(world.directory, { model: 'planner', tool: 'tool-executor' })
  const more = {
    'rolling restart, ms': rolling,
    'backlog worked off in, ms': drainMs,
  }
  console.log(table('chaos on Kafka', verdict, more))
  assert.deepEqual([...violations(verdict), ...verdict.inDoubt, ...verdict.cutOff], [])
  const seenByKcat = await keysOf(env['KAFKA_BROKERS'] as string, `${env['FLOTILLA_PREFIX']}.tasks.completed`)
  assert.deepEqual(seenByKcat.toSorted(), completed.toSorted())
})

async function collect(client: Client, seen: Set<string>): Promise<void> {
  for await (const { taskId } of client.results({ group: 'chaos', from: 'earliest' })) seen.add(taskId)
}

/** Of these a second instance is there for a while before the first one leaves: lanes move to it, and back. */
const doubled = ['planner', 'tool-executor']

/** One service after the other, in two halves at once, each under load: a gateway that was away leaves fewer in flight for a while. */
async function rollingRestart(fleet: FleetProcesses, underLoad: () => Promise<unknown>): Promise<number> {
  const beganMs = Date.now()
  const restart = async (services: readonly string[]): Promise<void> => {
    for (const service of services) {
      await underLoad()
      const former = fleet.of(service)
      if (doubled.includes(service)) await fleet.start(service)
      assert.equal(await former.drain(), 0, `${service} ended with an error: ${former.output()}`)
      if (!doubled.includes(service)) await fleet.start(service)
    }
  }
  const half = Math.ceil(serviceNames.length / 2)
  await Promise.all([restart(serviceNames.slice(0, half)), restart(serviceNames.slice(half))])
  return Date.now() - beganMs
}

async function record(env: Readonly<Record<string, string>>, file: string): Promise<string[]> {
  const environment = readEnvironment(env)
  const log = openKafkaLog(environment)
  try {
    return await recordTopics(log, openCodec(environment), file)
  } finally {
    await log.close()
  }
}
