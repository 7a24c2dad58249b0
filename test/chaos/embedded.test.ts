// The one process of an embedded fleet, killed again and again with over 200 tasks in flight.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { HttpClient } from '../../client/http/client.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { openCodec } from '../../runtime/codec/open.ts'
import { openLog } from '../../runtime/log/open.ts'
import { eventually } from '../conformance/waiting.ts'
import { freePort } from '../infra/port.ts'
import { startServices } from '../support/service-process.ts'
import { judge, table, violations } from './checker.ts'
import { evidenceIn, note } from './evidence.ts'
import { recordTopics } from './history.ts'
import { startLoad } from './load.ts'
import { rarelyCode, taskOf } from './tasks.ts'
import { percentile, startWorld } from './world.ts'

const IN_FLIGHT = 240
const KILLS = 4

test('kill -9 of the one process, over and over: every task one result, no journalled call twice', async (t) => {
  await using world = await startWorld()
  const env = { ...world.env, FLOTILLA_DATA: join(world.directory, 'data'), FLOTILLA_PARTITIONS: '4' }
  const port = await freePort()
  const files = evidenceIn(world.directory)
  const recoveries: number[] = []
  let fleet = await startServices([], { env, port })
  t.after(() => fleet.kill9())
  await fleet.ready()

  const results = watchResults(fleet.url)
  t.after(() => results.stop())
  const load = startLoad({
    url: () => fleet.url,
    inFlight: IN_FLIGHT,
    completed: () => results.size,
    tasks: (index) => [taskOf('chaos', rarelyCode(index), index, Math.random)],
    clients: files.clients,
  })
  t.after(() => load.abandon())
  let least = Number.POSITIVE_INFINITY
  for (let kill = 0; kill < KILLS; kill++) {
    await pause(500 + Math.random() * 1_500)
    await eventually('the load is in flight', () => load.inFlight() >= 200)
    least = Math.min(least, load.inFlight())
    const killedMs = Date.now()
    await fleet.kill9()
    const goneMs = Date.now()
    const before = results.size
    fleet = await startServices([], { env, port })
    await fleet.ready()
    await eventually('results come again', () => results.size > before)
    const untilMs = Date.now()
    note(files.happenings, { what: 'kill', name: 'all', atMs: killedMs, goneMs, untilMs })
    recoveries.push(untilMs - killedMs)
  }
  const submitted = await load.stop()
  await eventually('every task has a result', () => submitted.every((id) => results.has(id))).catch(
    () => undefined,
  )
  results.stop()
  assert.equal(await fleet.drain(), 0, fleet.output())

  await record(env, files.topics)
  const verdict = await judge(world.directory, { model: 'all', tool: 'all' })
  const more = {
    kills: KILLS,
    'least in flight at a kill': least,
    'recovery p50 / worst, ms': `${percentile(recoveries, 0.5)} / ${Math.max(...recoveries)}`,
  }
  console.log(table('chaos on the embedded log', verdict, more))
  assert.deepEqual(violations(verdict), [])
})

/** Results as they come, over HTTP; the connection is made again whenever the process is back. */
function watchResults(url: string): Set<string> & { stop(): void } {
  const seen = new Set<string>()
  const client = new HttpClient(url)
  let stopped = false
  const watch = async () => {
    while (!stopped) {
      try {
        for await (const { taskId } of client.results({ group: 'chaos', from: 'earliest' })) seen.add(taskId)
      } catch {
        // Killed, or not up again yet.
      }
      await pause(100)
    }
  }
  void watch()
  const stop = () => {
    stopped = true
    void client.close()
  }
  return Object.assign(seen, { stop })
}

async function record(env: Readonly<Record<string, string>>, file: string): Promise<void> {
  const environment = readEnvironment(env)
  const log = await openLog(environment)
  try {
    await recordTopics(log, openCodec(environment), file)
  } finally {
    await log.close()
  }
}
