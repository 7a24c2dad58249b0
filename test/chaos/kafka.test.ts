// A fleet on real Kafka, every service a process of its own, with over 200 tasks in flight throughout: services killed at
// random, then each of them restarted by SIGTERM, of some with a second instance that joins before the first one leaves.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { connect } from '../../client/index.ts'
import type { Client } from '../../client/types.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { openCodec } from '../../runtime/codec/open.ts'
import { openKafkaLog } from '../../runtime/log/open.ts'
import { eventually } from '../conformance/waiting.ts'
import { serviceNames, startFleetProcesses, type FleetProcesses } from '../support/fleet-processes.ts'
import { keysOf } from '../support/kcat.ts'
import { fleetEnvironment } from '../support/servers.ts'
import { judge, table, violations, type Kill } from './checker.ts'
import { completedOn } from './completed.ts'
import { startLoad } from './load.ts'
import { chaosTask, percentile, startWorld } from './world.ts'

const IN_FLIGHT = 240
const KILL_FOR_MS = 18_000
const KILL_EVERY_MS = 2_000

interface Killing {
  readonly kills: Kill[]
  /** From the kill to /ready of the next process. */
  readonly recoveries: number[]
}

test('kill -9 of random services, a rolling restart, instances that come and go: every task one result', async (t) => {
  await using world = await startWorld()
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
    task: chaosTask,
  })
  t.after(() => load.abandon())
  await eventually('the load is in flight', () => load.inFlight() >= 200, 60_000)

  const { kills, recoveries } = await killAtRandom(fleet)
  const afterKills = results.size
  await eventually('results come again', () => results.size > afterKills, 60_000)
  const rolling = await rollingRestart(fleet)
  assert.ok(load.inFlight() >= 200, `only ${load.inFlight()} tasks were in flight at the end`)
  const submitted = await load.stop()
  const stoppedMs = Date.now()
  await eventually('every task has a result', () => submitted.every((id) => results.has(id)), 90_000).catch(
    () => undefined,
  )
  const drainMs = Date.now() - stoppedMs
  await fleet.stop()

  const completed = await readCompleted(env)
  const callers = { model: 'planner', tool: 'tool-executor' }
  const verdict = judge({ ...world, submitted, completed, kills, callers })
  const counts = Object.entries(Object.groupBy(kills, ({ service }) => service))
  const more = {
    kills: counts.map(([service, same]) => `${service} ${same?.length}`).join(', '),
    'recovery p50 / worst, ms': `${percentile(recoveries, 0.5)} / ${Math.max(...recoveries)}`,
    'rolling restart, ms': rolling,
    'backlog worked off in, ms': drainMs,
  }
  console.log(table('chaos on Kafka', verdict, more))
  assert.deepEqual(violations(verdict), [])
  const seenByKcat = await keysOf(env['KAFKA_BROKERS'] as string, `${env['FLOTILLA_PREFIX']}.tasks.completed`)
  assert.deepEqual(seenByKcat.toSorted(), completed.map(({ taskId }) => taskId).toSorted())
})

async function collect(client: Client, seen: Set<string>): Promise<void> {
  for await (const { taskId } of client.results({ group: 'chaos', from: 'earliest' })) seen.add(taskId)
}

async function killAtRandom(fleet: FleetProcesses): Promise<Killing> {
  const kills: Kill[] = []
  const recoveries: number[] = []
  const starting = new Map<string, Promise<void>>()
  for (const end = Date.now() + KILL_FOR_MS; Date.now() < end;) {
    await pause(KILL_EVERY_MS + Math.random() * 1_000)
    const alive = serviceNames.filter((name) => !starting.has(name))
    const service = alive[Math.floor(Math.random() * alive.length)]
    if (service === undefined) continue
    const atMs = Date.now()
    await fleet.of(service).kill9()
    kills.push({ service, atMs, goneMs: Date.now() })
    const started = fleet.start(service).then(() => {
      recoveries.push(Date.now() - atMs)
      starting.delete(service)
    })
    starting.set(service, started)
  }
  await Promise.all(starting.values())
  return { kills, recoveries }
}

/** Of these a second instance is there for a while before the first one leaves: lanes move to it, and back. */
const doubled = ['planner', 'tool-executor']

/** One service after the other, in two halves at once. */
async function rollingRestart(fleet: FleetProcesses): Promise<number> {
  const beganMs = Date.now()
  const restart = async (services: readonly string[]): Promise<void> => {
    for (const service of services) {
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

async function readCompleted(env: Readonly<Record<string, string>>) {
  const environment = readEnvironment(env)
  const log = openKafkaLog(environment)
  try {
    return await completedOn(log, openCodec(environment))
  } finally {
    await log.close()
  }
}
