// A data file whose pages can no longer be read: whatever is asked of it names the file and what helps.
import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { hasCode } from '../../runtime/errors.ts'
import { openEmbeddedLog } from '../../runtime/log/embedded/log.ts'
import { openSqliteLimits } from '../../runtime/limits/sqlite.ts'
import { sqlBlobs } from '../../runtime/store/blobs-sql.ts'
import { openStores } from '../../runtime/store/open.ts'
import { openSqliteSql } from '../../runtime/store/sql-sqlite.ts'
import { openSqliteKeyValue } from '../../runtime/store/sqlite.ts'
import { numbered, TestMember } from '../conformance/member.ts'
import { flotilla } from '../support/command.ts'

const PAGE = 4_096

/** Overwrites pages of the tables and indexes whose names match: all, or the first leaf of each. */
function damage(dataDir: string, names: RegExp, which: 'all' | 'first leaf' = 'all'): void {
  const path = join(dataDir, 'flotilla.db')
  const db = new DatabaseSync(path)
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  const found = db.prepare('SELECT name, pageno, pagetype FROM dbstat ORDER BY name, path').all()
  const isFirst = ({ name }: (typeof found)[number], at: number, leaves: typeof found): boolean =>
    name !== leaves[at - 1]?.['name']
  const wanted = found.filter(({ name }) => names.test(String(name)))
  const chosen =
    which === 'all' ? wanted : wanted.filter(({ pagetype }) => pagetype === 'leaf').filter(isFirst)
  const pages = chosen.map(({ pageno }) => Number(pageno))
  db.close()
  assert.ok(pages.length > 0)
  const file = openSync(path, 'r+')
  for (const page of pages) writeSync(file, Buffer.alloc(PAGE, 0xff), 0, PAGE, (page - 1) * PAGE)
  closeSync(file)
}

test('pages that are damaged: LOG_UNAVAILABLE with the file and the way back, from every store', async (context) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-damaged-'))
  context.after(() => rmSync(dataDir, { recursive: true, force: true }))
  const open = async () => ({
    log: openEmbeddedLog({ dataDir, partitions: 2 }),
    keyValue: openSqliteKeyValue({ dataDir }),
    limits: openSqliteLimits({ dataDir }),
    sql: await openSqliteSql({ dataDir }),
  })
  const close = async ({ log, keyValue, limits, sql }: Awaited<ReturnType<typeof open>>) =>
    void (await Promise.all([log.close(), keyValue.close(), limits.close(), sql.destroy()]))
  const whole = await open()
  await whole.log.ensureTopics([])
  for (let from = 0; from < 1_200; from += 100)
    await whole.log.publish(numbered('tasks.completed', 0, 'k'.repeat(400), 100, from))
  const hash = await sqlBlobs(whole.sql).put(Buffer.from('a large payload'))
  await whole.keyValue.set('key', 'value')
  await close(whole)
  const damaged = await open()
  context.after(() => close(damaged))
  const { log, keyValue, sql } = damaged
  damage(dataDir, /^(records|key_values|blobs|sqlite_autoindex_(key_values|blobs)_1)$/)
  const unavailable = {
    code: 'LOG_UNAVAILABLE',
    message: /using .*flotilla\.db: database disk image is malformed; go back to a backup/,
  }
  await assert.rejects(log.read('tasks.completed', 0, 0, 10), unavailable, 'a record')
  await assert.rejects(keyValue.get('key'), unavailable, 'a key')
  await assert.rejects(keyValue.set('key', 'other'), unavailable, 'a key that is written')
  await assert.rejects(sqlBlobs(sql).get(hash), unavailable, 'a payload')
  await assert.rejects(
    sql.transaction().execute((held) => held.selectFrom('blobs').select('hash').execute()),
    unavailable,
    'in a transaction',
  )
})

const malformed = /using .*flotilla\.db: database disk image is malformed; go back to a backup/

/** A data directory with records that nobody has read, the oldest of which are on a page that is damaged. */
async function damagedRecords(context: TestContext): Promise<string> {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-damaged-'))
  context.after(() => rmSync(dataDir, { recursive: true, force: true }))
  const log = openEmbeddedLog({ dataDir, partitions: 3 })
  await log.ensureTopics([])
  for (let from = 0; from < 1_200; from += 100)
    await log.publish(numbered('tasks.submitted', 0, 'k'.repeat(400), 100, from))
  await log.close()
  damage(dataDir, /^records$/, 'first leaf')
  return dataDir
}

test('records that are damaged when they are delivered: each listener gets the reason, once', async (context) => {
  const dataDir = await damagedRecords(context)
  const log = openEmbeddedLog({ dataDir, partitions: 3 })
  context.after(() => log.close())
  const reasons: Error[] = []
  const failed = new Promise<void>((resolve) =>
    log.onFailed?.((reason) => resolve(void reasons.push(reason))),
  )
  const member = new TestMember(log, 'router', ['tasks.submitted'])
  const tail = log.tail({ topics: ['tasks.submitted'], from: 'earliest', group: 'readers' }, () => {})
  await Promise.all([failed, member.lane(0), tail.ready])
  assert.deepEqual(
    reasons.map((reason) => [hasCode(reason, 'LOG_UNAVAILABLE'), malformed.test(reason.message)]),
    [[true, true]],
  )
  await tail.close()
  await member.leave()
})

test('a fleet whose data file is damaged drains, says how to go on, and ends as one that lacks what it needs', async (context) => {
  const dataDir = await damagedRecords(context)
  const env = { FLOTILLA_DATA: dataDir, FLOTILLA_MODEL: 'scripted', PORT: '0' }
  for (const args of [['start'], ['run', 'hello']]) {
    const { code, err } = await flotilla(args, { env })
    assert.equal(code, 69, err)
    assert.match(err, malformed)
    assert.doesNotMatch(err, /\(bug\)|^\s+at /m)
  }
})

test('damage that one request meets is known to all from then on: logged once, and by every check', async (context) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-damaged-'))
  context.after(() => rmSync(dataDir, { recursive: true, force: true }))
  const logged: string[] = []
  const log = { error: (_: object, text: string) => void logged.push(text), info: () => {} }
  const environment = { kafkaBrokers: [], redisUrl: null, databaseUrl: null, dataDir, prefix: 'flotilla' }
  const first = await openStores(environment)
  const hash = await first.blobs.put(Buffer.from('a large payload'))
  await first.close()
  damage(dataDir, /^(blobs|sqlite_autoindex_blobs_1)$/)
  const { keyValue, blobs, close } = await openStores(environment, log as never)
  context.after(() => close())
  await keyValue.check()
  const unseen = await doctorSays(dataDir)
  assert.deepEqual([unseen.result, unseen.code], ['failed', 'LOG_UNAVAILABLE'], 'before anything has met it')
  assert.match(unseen.reason, /its pages are damaged \(.+\); go back to a backup/)
  for (const _ of [1, 2]) await assert.rejects(blobs.get(hash), malformed)
  await assert.rejects(keyValue.check(), malformed)
  assert.deepEqual(logged.length, 1, logged.join())
  assert.match(logged[0] ?? '', /a page of the data file is damaged/)
})

async function doctorSays(dataDir: string): Promise<{ result: string; code: string | null; reason: string }> {
  const { out, err } = await flotilla(['doctor', '--json'], { env: { FLOTILLA_DATA: dataDir } })
  const findings = JSON.parse(out) as { check: string; result: string; code: string | null; reason: string }[]
  const found = findings.find(({ check }) => check === 'data directory')
  assert.ok(found, err)
  return found
}

test('a row that the database refuses is no failure of the file', async (context) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-refused-'))
  context.after(() => rmSync(dataDir, { recursive: true, force: true }))
  const sql = await openSqliteSql({ dataDir })
  context.after(() => sql.destroy())
  const blob = { hash: 'same', bytes: Buffer.from('x'), created_at_ms: 0 }
  await sql.insertInto('blobs').values(blob).execute()
  await assert.rejects(sql.insertInto('blobs').values(blob).execute(), { code: 'ERR_SQLITE_ERROR' })
})
