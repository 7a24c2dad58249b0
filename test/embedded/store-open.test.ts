import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { sql as raw } from 'kysely'
import { listTasks } from '../../runtime/ledger/tasks.ts'
import { openEmbeddedLog } from '../../runtime/log/embedded/log.ts'
import { openStores } from '../../runtime/store/open.ts'
import { openSqliteSql } from '../../runtime/store/sql-sqlite.ts'
import { openSqliteKeyValue } from '../../runtime/store/sqlite.ts'

function settings(context: TestContext) {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-stores-'))
  context.after(() => rmSync(dataDir, { recursive: true, force: true }))
  return { dataDir, kafkaBrokers: [] as string[], redisUrl: null, databaseUrl: null, prefix: 'test' }
}

test('without URLs the stores are SQLite beside the embedded log, and survive a restart', async (context) => {
  const environment = settings(context)
  const log = openEmbeddedLog({ dataDir: environment.dataDir, partitions: 2 })
  const stores = await openStores(environment)
  assert.equal(stores.keyValue.kind, 'sqlite')
  assert.equal((await stores.keyValue.durability()).durable, true)
  await stores.keyValue.set('key', 'value')
  const hash = await stores.blobs.put(Buffer.from('blob'))
  await stores.check()
  await Promise.all([stores.close(), stores.close(), log.close()])
  await assert.rejects(stores.keyValue.set('key', 'late'))

  const again = await openStores(environment)
  assert.equal(await again.keyValue.get('key'), 'value')
  assert.equal(Buffer.from((await again.blobs.get(hash)) ?? []).toString(), 'blob')
  await again.close()
})

test('a fleet on Kafka needs shared stores, however many services a process runs: the error names what is missing', async (context) => {
  const kafka = { ...settings(context), kafkaBrokers: ['127.0.0.1:9092'] }
  await assert.rejects(openStores(kafka), (error: Error) => {
    assert.match(error.message, /: set REDIS_URL and DATABASE_URL\. .*FLOTILLA_ALLOW_VOLATILE_STORE=1/)
    return 'code' in error && error.code === 'CONFIG_INVALID'
  })
  await assert.rejects(openStores({ ...kafka, redisUrl: 'redis://127.0.0.1:1' }), /: set DATABASE_URL\./)
  const own = await openStores({ ...kafka, allowVolatileStore: true })
  assert.equal(own.keyValue.kind, 'sqlite')
  await own.close()
})

test('a database that is away fails the start and leaves nothing open', async (context) => {
  const environment = settings(context)
  const broken = { ...environment, databaseUrl: 'postgres://127.0.0.1:1/fleet' }
  await assert.rejects(openStores(broken), { code: 'STORE_UNAVAILABLE' })
  const stores = await openStores(environment)
  await stores.close()
})

test('expired keys are deleted by the sweep, others stay', async (context) => {
  const { dataDir } = settings(context)
  const at = { ms: 1_000 }
  const clock = { now: () => at.ms, schedule: () => () => undefined }
  const store = openSqliteKeyValue({ dataDir, clock })
  await store.set('short', 'x', 10)
  await store.set('long', 'x', 1_000)
  await store.set('kept', 'x')
  at.ms += 10
  assert.deepEqual([await store.get('short'), await store.get('long')], [null, 'x'])
  assert.equal(await store.sweep(), 1)
  assert.deepEqual([await store.get('long'), await store.get('kept')], ['x', 'x'])
  await store.close()
})

test('a ledger of the release before gets the tables of this one, and keeps its rows', async (context) => {
  const { dataDir } = settings(context)
  const before = await openSqliteSql({ dataDir })
  await before.schema.dropTable('open_tasks').execute()
  for (const index of ['session_id', 'parent'])
    await before.schema.dropIndex(`task_ledger_list_${index}`).execute()
  for (const column of ['text_start', 'text_hash', 'session_id', 'parent'])
    await before.schema.alterTable('task_ledger').dropColumn(column).execute()
  await before.schema.dropTable('api_keys').execute()
  await before.schema.alterTable('evaluation_runs').dropColumn('position').execute()
  await before.schema.alterTable('sessions').dropColumn('variables').execute()
  await raw`delete from kysely_migration where name >= '0002'`.execute(before)
  await raw`insert into task_ledger values ('old', 'succeeded', null, null, null, null, 1, 2, 3, 4, 5, null, 6, 7)`.execute(
    before,
  )
  await before.destroy()
  const sql = await openSqliteSql({ dataDir })
  const { rows } = await listTasks(sql, {}, null)
  assert.deepEqual(
    rows.map(({ task_id, text_start, submitted_at_ms }) => [task_id, text_start, submitted_at_ms]),
    [['old', null, 6]],
  )
  assert.deepEqual(await sql.selectFrom('open_tasks').selectAll().execute(), [])
  await sql.destroy()
})

test('a ledger of a newer release that has only added to it is used; one that broke it is refused, untouched', async (context) => {
  const { dataDir } = settings(context)
  const newer = await openSqliteSql({ dataDir })
  await raw`create table of_the_next (id text)`.execute(newer)
  await raw`insert into kysely_migration values ('9001_next', '2030-01-01')`.execute(newer)
  await newer.destroy()
  const used = await openSqliteSql({ dataDir })
  assert.deepEqual(await used.selectFrom('open_tasks').selectAll().execute(), [])
  await raw`insert into kysely_migration values ('9002_narrow_breaking', '2030-01-02')`.execute(used)
  await used.destroy()
  await assert.rejects(openSqliteSql({ dataDir }), {
    code: 'STORE_UNAVAILABLE',
    message:
      /changed by a newer Flotilla \(9002_narrow_breaking\).*Start that release, or restore the backup/,
  })
})
