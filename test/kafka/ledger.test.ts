// The ledger in PostgreSQL: exact although processes of metering are killed while they write, and their lanes move.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { openCodec } from '../../runtime/codec/open.ts'
import { openLog } from '../../runtime/log/open.ts'
import { openSql } from '../../runtime/store/open.ts'
import { eventually } from '../conformance/waiting.ts'
import { booksOf, publishBooks } from '../support/ledger-events.ts'
import { fleetEnvironment } from '../support/servers.ts'
import { startServices, type ServiceProcess } from '../support/service-process.ts'

const TASKS = 3_000
const KILLS = 4
/** Of all calls, written before each kill: most are left, because a busy machine kills late. */
const SHARE = 0.1

test('processes of metering are killed again and again while they write: each event is in the ledger once', async (t) => {
  const env = fleetEnvironment('ledger', { FLOTILLA_SESSION_TIMEOUT_MS: '3000' })
  const environment = readEnvironment(env)
  const log = await openLog(environment)
  t.after(() => log.close())
  await log.ensureTopics(['metering'])
  const mark = randomUUID()
  const expected = await publishBooks(log, openCodec(environment), mark, TASKS)
  const sql = await openSql(environment)
  t.after(() => sql.destroy())
  const written = async () => (await booksOf(sql, mark)).calls

  const start = async (): Promise<ServiceProcess> => {
    const started = await startServices(['metering'], { env })
    t.after(() => started.kill9())
    return started
  }
  let standing = await start()
  let last = 0
  for (let kill = 1; kill <= KILLS; kill++) {
    const next = await start()
    const enough = expected.calls * SHARE * kill
    await eventually('they have written some more', async () => (await written()) > enough)
    await standing.kill9()
    last = await written()
    standing = next
  }
  assert.ok(last < expected.calls, `all of ${last} calls were written before the last kill`)
  const finished = async () => {
    const { calls, tasks } = await booksOf(sql, mark)
    return calls >= expected.calls && tasks >= expected.tasks
  }
  await eventually('the rest is written', finished)
  assert.equal(await standing.drain(), 0, standing.output())
  assert.deepEqual(await booksOf(sql, mark), expected)
})
