// The ledger on the data file is exact although the process is killed while it writes.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { openCodec } from '../../runtime/codec/open.ts'
import { openLog } from '../../runtime/log/open.ts'
import { openSql } from '../../runtime/store/open.ts'
import { eventually } from '../conformance/waiting.ts'
import { booksOf, publishBooks } from '../support/ledger-events.ts'
import { startServices } from '../support/service-process.ts'

const TASKS = 1_200
const KILLS = 3
/** Of all calls, written before each kill: most are left, because a busy machine kills late. */
const SHARE = 0.1

test('the fleet is killed again and again while metering writes: each event is in the ledger once', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-ledger-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const env = { FLOTILLA_DATA: directory, FLOTILLA_PARTITIONS: '4' }
  const environment = readEnvironment(env)
  const log = await openLog(environment)
  await log.ensureTopics(['metering'])
  const expected = await publishBooks(log, openCodec(environment), 'kill', TASKS)
  await log.close()

  const written = watchRows(directory)
  t.after(() => written.stop())
  const killedAt: number[] = []
  for (let kill = 1; kill <= KILLS; kill++) {
    const fleet = await startServices([], { env })
    t.after(() => fleet.kill9())
    const enough = expected.calls * SHARE * kill
    await eventually('it has written some more', () => written.calls() > enough)
    await fleet.kill9()
    killedAt.push(written.calls())
  }
  assert.ok(
    (killedAt.at(-1) ?? 0) < expected.calls,
    `everything was written before the last kill: ${killedAt}`,
  )
  const last = await startServices([], { env })
  t.after(() => last.kill9())
  await eventually(
    'the rest is written',
    () => written.calls() >= expected.calls && written.tasks() >= expected.tasks,
  )
  assert.equal(await last.drain(), 0, last.output())
  const sql = await openSql(environment)
  try {
    assert.deepEqual(await booksOf(sql, 'kill'), expected)
  } finally {
    await sql.destroy()
  }
})

/** Reads the data file beside the process that holds it. */
function watchRows(directory: string): { calls(): number; tasks(): number; stop(): void } {
  let database: DatabaseSync | null = null
  const rows = (table: string): number => {
    try {
      database ??= new DatabaseSync(join(directory, 'flotilla.db'), { readOnly: true })
      return Number(database.prepare(`select count(*) as rows from ${table}`).get()?.['rows'] ?? 0)
    } catch {
      // Its tables are not there yet.
      return 0
    }
  }
  return {
    calls: () => rows('usage_ledger'),
    tasks: () => rows('task_ledger'),
    stop: () => database?.close(),
  }
}
