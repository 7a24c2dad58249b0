// The disaster drill of a fleet on Kafka: its database is lost and restored from a dump, its Redis is lost for good. No
// result and no row of the ledger is missing or twice afterwards. docs/disaster-recovery.md has the steps and figures.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { createClient, type Admin } from '../../runtime/log/kafka/connection/client.ts'
import { openSql } from '../../runtime/store/open.ts'
import { eventually } from '../conformance/waiting.ts'
import { startRedis, type Redis } from '../infra/redis.ts'
import { installedProgram, runTool } from '../infra/tool.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'
import { fleetEnvironment } from '../support/servers.ts'
import { brokers } from './brokers.ts'

const base = fleetEnvironment('disaster')
const prefix = base['FLOTILLA_PREFIX'] ?? ''
const database = prefix.replaceAll(/\W/g, '_')
const server = new URL(base['DATABASE_URL'] ?? '')
const env = { ...base, DATABASE_URL: Object.assign(new URL(server), { pathname: `/${database}` }).href }
const directory = mkdtempSync(join(tmpdir(), 'flotilla-disaster-'))
const dump = join(directory, 'ledger.dump')
/** Two of models and one of a tool. */
const CALLS_A_TASK = 3

let admin: Admin
let redis: Redis[] = []
let fleet: TestFleet | undefined

before(async () => {
  admin = createClient({ brokers: brokers(), clientId: 'disaster', requestTimeoutMs: 10_000 }).admin()
  await admin.connect()
  redis = await Promise.all([startRedis(), startRedis()])
  await postgres('createdb', database)
})
after(async () => {
  await fleet?.stop()
  await admin?.disconnect()
  await Promise.all(redis.map((each) => each.stop()))
  await postgres('dropdb', '--force', database)
  rmSync(directory, { recursive: true, force: true })
})

async function postgres(program: string, ...args: string[]): Promise<void> {
  const at = ['-h', server.hostname, '-p', server.port, '-U', server.username]
  await runTool(await installedProgram(program, 'postgresql'), [...at, ...args])
}

async function startOn(store: Redis | undefined): Promise<TestFleet> {
  fleet = await startTestFleet({ env: { ...env, REDIS_URL: store?.url ?? '' } })
  return fleet
}

const taskIds = (mark: string): string[] => Array.from({ length: 8 }, (_, index) => `${mark}-${index}`)

async function succeed({ client }: TestFleet, ids: readonly string[]): Promise<void> {
  await Promise.all(ids.map((taskId) => client.submit({ taskId, text: `task=${taskId}` })))
  for (const id of ids) assert.equal((await client.result(id, { timeoutMs: 120_000 })).output, `done ${id}`)
}

/** Rows of the ledger: tasks, and calls of models and tools. */
async function rows(): Promise<{ tasks: number; calls: number }> {
  const sql = await openSql(readEnvironment(env))
  try {
    const tasks = await sql
      .selectFrom('task_ledger')
      .select(({ fn }) => fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow()
    const calls = await sql
      .selectFrom('usage_ledger')
      .select(({ fn }) => fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow()
    return { tasks: Number(tasks.n), calls: Number(calls.n) }
  } finally {
    await sql.destroy()
  }
}

/** The end of a task and its calls come by different topics, so a task may be there before its last call. */
const ledgerOf = (tasks: number) =>
  eventually(`the ledger has ${tasks} tasks and their calls`, async () => {
    const now = await rows()
    return now.tasks >= tasks && now.calls >= tasks * CALLS_A_TASK
  })

/** As `kafka-consumer-groups.sh --reset-offsets --all-topics --to-datetime` does. */
async function positionsBackTo(atMs: number): Promise<void> {
  const groupId = `${prefix}.metering`
  for (const { topic } of await admin.fetchOffsets({ groupId })) {
    const partitions = await admin.fetchTopicOffsetsByTimestamp(topic, atMs)
    await admin.setOffsets({ groupId, topic, partitions })
  }
}

test('database restored from a dump, Redis empty: every result and every row, once', async (t) => {
  const first = await startOn(redis[0])
  await succeed(first, taskIds('before'))
  await ledgerOf(8)
  const dumpedAtMs = Date.now()
  await postgres('pg_dump', '-Fc', '-f', dump, database)
  const dumpMs = Date.now() - dumpedAtMs
  await succeed(first, taskIds('after'))
  await ledgerOf(16)
  await first.stop()

  const lostAtMs = Date.now()
  await redis[0]?.stop()
  await postgres('dropdb', '--force', database)
  await postgres('createdb', database)
  await postgres('pg_restore', '-d', database, dump)
  const restoreMs = Date.now() - lostAtMs
  assert.equal((await rows()).tasks, 8)
  // A minute earlier, because clocks differ: what is there already is skipped.
  await positionsBackTo(dumpedAtMs - 60_000)
  const second = await startOn(redis[1])
  await ledgerOf(16)
  const ledgerMs = Date.now() - lostAtMs
  await succeed(second, taskIds('later'))
  await ledgerOf(24)
  for (const id of [...taskIds('before'), ...taskIds('after')])
    assert.equal((await second.client.result(id, { timeoutMs: 120_000 })).output, `done ${id}`)
  assert.deepEqual(await rows(), { tasks: 24, calls: 24 * CALLS_A_TASK })
  t.diagnostic(`dump of ${statSync(dump).size} bytes in ${dumpMs} ms, restored after ${restoreMs} ms`)
  t.diagnostic(`the ledger was whole ${ledgerMs} ms after the loss`)
})
