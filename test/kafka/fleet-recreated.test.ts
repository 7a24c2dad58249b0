// Topics that are deleted and created under the same name while a whole fleet works: tasks accepted afterwards get results.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createClient, type Admin } from '../../runtime/log/kafka/connection/client.ts'
import { homeOf } from '../../runtime/log/home.ts'
import { eventually } from '../conformance/waiting.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'
import { fleetEnvironment } from '../support/servers.ts'
import { brokers } from './brokers.ts'

const env = fleetEnvironment('recreated')
const PARTITIONS = Number(env['FLOTILLA_PARTITIONS'])
const LIMIT_MS = 120_000

let admin: Admin
let fleet: TestFleet

before(async () => {
  admin = createClient({ brokers: brokers(), clientId: 'recreated', requestTimeoutMs: 10_000 }).admin()
  await admin.connect()
  fleet = await startTestFleet({ env })
})
after(async () => {
  await fleet?.stop()
  await admin?.disconnect()
})

async function submit(mark: string, perLane: number): Promise<string[]> {
  const left = Array.from({ length: PARTITIONS }, () => perLane)
  const ids: string[] = []
  for (let i = 0; ids.length < perLane * PARTITIONS; i++) {
    const id = `${mark}-${i}`
    const lane = homeOf(id, PARTITIONS)
    if ((left[lane] ?? 0) > 0 && ids.push(id)) left[lane] = (left[lane] ?? 0) - 1
  }
  await Promise.all(ids.map((taskId) => fleet.client.submit({ taskId, text: `say hi task=${mark}` })))
  return ids
}

async function succeed(ids: readonly string[]): Promise<void> {
  for (const taskId of ids) {
    const { status, error } = await fleet.client.result(taskId, { timeoutMs: LIMIT_MS })
    assert.equal(status, 'succeeded', `${taskId}: ${JSON.stringify(error)}`)
  }
}

async function recreate(topic: string): Promise<void> {
  const name = `${env['FLOTILLA_PREFIX']}.${topic}`
  await admin.deleteTopics({ topics: [name] })
  await eventually('it is gone', async () => !(await admin.listTopics()).includes(name))
  await fleet.process.log.ensureTopics([])
}

for (const topic of ['tasks.submitted', 'tasks.admitted', 'tools.requested'])
  test(`${topic} is deleted and created again, and has more records at once than before`, async () => {
    await succeed(await submit(`${topic}-before`, 2))
    await recreate(topic)
    await succeed(await submit(`${topic}-after`, 5))
  })
