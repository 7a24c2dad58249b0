// What is the embedded log's own: retention, configuration that changed, transactions joined, failures of the disk.
import assert from 'node:assert/strict'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { topics } from '../../schemas/topics.ts'
import { systemClock } from '../../runtime/clock.ts'
import { openEmbeddedLog } from '../../runtime/log/embedded/log.ts'
import type { EmbeddedLog } from '../../runtime/log/embedded/log.ts'
import { LaneFenced } from '../../runtime/log/port.ts'
import { OWN_PAGES } from '../../runtime/store/data-file/checkpoints.ts'
import { openSqliteLimits } from '../../runtime/limits/sqlite.ts'
import { openDataFile } from '../../runtime/store/data-file/data-file.ts'
import { openSqliteSql } from '../../runtime/store/sql-sqlite.ts'
import { openSqliteKeyValue } from '../../runtime/store/sqlite.ts'
import { TestMember, commitOf, numbered, outgoing, textOf } from '../conformance/member.ts'
import { eventually } from '../conformance/waiting.ts'

const DAY = 86_400_000

function setUp(context: TestContext): {
  dataDir: string
  open: (partitions?: number) => EmbeddedLog
  at: { ms: number }
} {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-file-'))
  const at = { ms: 1_700_000_000_000 }
  const clock = { now: () => at.ms, schedule: systemClock.schedule }
  const logs: EmbeddedLog[] = []
  context.after(async () => {
    await Promise.all(logs.map((log) => log.close()))
    rmSync(dataDir, { recursive: true, force: true })
  })
  const open = (partitions = 2): EmbeddedLog => {
    const log = openEmbeddedLog({ dataDir, partitions, clock })
    logs.push(log)
    return log
  }
  return { dataDir, open, at }
}

test('retention deletes what is old and consumed, never what a group has not consumed', async (context) => {
  const { open, at } = setUp(context)
  const log = open()
  await log.ensureTopics([])
  const member = new TestMember(log, 'planner', ['tasks.admitted'])
  const lane = await member.lane(0)
  await log.publish([...numbered('tasks.admitted', 0, 'k', 10), ...numbered('tasks.streaming', 1, 'k', 5)])
  await lane.commit(commitOf({ positions: [{ topic: 'tasks.admitted', offset: 6, metadata: '' }] }))
  assert.equal(await log.sweep(), 0)

  at.ms += DAY / 2
  await log.publish(numbered('tasks.streaming', 1, 'k', 1, 5))
  assert.equal(await log.sweep(), 5, 'streaming is kept for an hour, and nobody has to consume it')
  at.ms += 7 * DAY
  assert.equal(await log.sweep(), 6 + 1)
  const ranges = await log.ranges(['tasks.admitted', 'tasks.streaming'])
  const range = (topic: string, partition: number) =>
    ranges.find((found) => found.topic === topic && found.partition === partition)
  assert.deepEqual([range('tasks.admitted', 0)?.earliest, range('tasks.admitted', 0)?.next], [6, 10])
  assert.deepEqual([range('tasks.streaming', 1)?.earliest, range('tasks.streaming', 1)?.next], [6, 6])

  at.ms += 40 * DAY
  assert.equal(await log.sweep(), 0, 'a member that is there holds back what it has not consumed')
  await member.leave()
  at.ms += 31 * DAY
  assert.equal(await log.sweep(), 4, 'a group not seen for 30 days holds nothing back')
  await log.close()

  const again = open()
  const [position] = await again.publish([outgoing('tasks.admitted', 0, 'k', 'next')])
  assert.equal(position?.offset, 10, 'offsets go on after a partition was emptied')
})

test('a group that begins after retention starts at the first record held', async (context) => {
  const { open, at } = setUp(context)
  const log = open()
  await log.ensureTopics([])
  await log.publish(numbered('tasks.admitted', 0, 'k', 5))
  at.ms += 8 * DAY
  await log.publish(numbered('tasks.admitted', 0, 'k', 2, 5))
  assert.equal(await log.sweep(), 5)
  const member = new TestMember(log, 'late', ['tasks.admitted'])
  await eventually('the rest arrived', () => member.values('tasks.admitted', 0, 'k').length === 2)
  assert.deepEqual(member.values('tasks.admitted', 0, 'k'), ['5', '6'])
})

test('another partition count than the stored one is refused, naming both', async (context) => {
  const { open } = setUp(context)
  const log = open(2)
  await log.ensureTopics([])
  assert.throws(() => open(3), /open in this process with 2 partitions/)
  await log.close()
  await assert.rejects(open(3).ensureTopics([]), /has 2 partitions.*configuration says 3/)
})

test('a topic is used before ensureTopics: the error says so', async (context) => {
  const { open } = setUp(context)
  await assert.rejects(
    open().publish([outgoing('tasks.admitted', 0, 'k', 'x')]),
    /does not exist here; flotilla start creates it/,
  )
})

test('a lane fenced in the same transaction as others undoes its own writes alone', async (context) => {
  const { open } = setUp(context)
  const log = open(4)
  await log.ensureTopics([])
  const member = new TestMember(log, 'planner', ['tasks.submitted'])
  await member.holds(4)
  const lanes = [...member.lanes.values()]
  const fenced = lanes[1]
  assert.ok(fenced)
  assert.ok(await member.open(fenced.lane))
  const results = await Promise.allSettled(
    lanes.map((lane) =>
      lane.commit(commitOf({ records: [outgoing('tasks.history', 0, 'k', `${lane.lane}`)] })),
    ),
  )
  const refused = results.flatMap((result, i) =>
    result.status === 'rejected' ? [{ i, reason: result.reason as Error }] : [],
  )
  assert.deepEqual(
    refused.map(({ i }) => i),
    [1],
  )
  assert.ok(refused[0]?.reason instanceof LaneFenced)
  assert.deepEqual((await log.read('tasks.history', 0, 0, 10)).map(textOf), ['0', '2', '3'])
})

test('writes of one turn share a transaction; one that fails is undone alone', async (context) => {
  const { dataDir } = setUp(context)
  const file = openDataFile({ dataDir })
  file.db.exec('CREATE TABLE t (n INTEGER PRIMARY KEY)')
  const insert = file.db.prepare('INSERT INTO t VALUES (?)')
  const write = (n: number, fails = false): Promise<void> =>
    file.write(() => {
      insert.run(n)
      if (fails) throw new Error('failed after writing')
    })
  const results = await Promise.allSettled([write(1), write(2, true), write(3)])
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  await assert.rejects(write(4, true), /failed after writing/)
  await write(5)
  const found = file.db.prepare('SELECT n FROM t').all()
  assert.deepEqual(
    found.map(({ n }) => n),
    [1, 3, 5],
  )
  file.release()
  await assert.rejects(write(6), /closed/)
})

test('every schema topic exists, and fleets with different prefixes do not see each other', async (context) => {
  const { dataDir, open } = setUp(context)
  const log = open()
  await log.ensureTopics([])
  const other = openEmbeddedLog({ dataDir, partitions: 3, prefix: 'other' })
  await other.ensureTopics([])
  assert.equal((await other.ranges(topics.map(({ name }) => name))).length, 3 * topics.length)
  await log.publish([outgoing('tasks.submitted', 0, 'k', 'mine')])
  assert.deepEqual(await other.read('tasks.submitted', 0, 0, 10), [])
  await other.close()
})

test('a data directory that cannot be used is an error that names it', async (context) => {
  const { dataDir } = setUp(context)
  writeFileSync(join(dataDir, 'plain'), '')
  assert.throws(() => openEmbeddedLog({ dataDir: join(dataDir, 'plain') }), { code: 'LOG_UNAVAILABLE' })
  // Also one in which no lock can be made.
  mkdirSync(join(dataDir, 'locked', 'flotilla.lock'), { recursive: true })
  mkdirSync(join(dataDir, 'folder', 'flotilla.db'), { recursive: true })
  const refused = (message: RegExp) => ({ code: 'LOG_UNAVAILABLE', message })
  const locked = refused(/flotilla\.lock: it is a directory; a directory has its name: move it away/)
  assert.throws(() => openEmbeddedLog({ dataDir: join(dataDir, 'locked') }), locked)
  const folder = refused(/flotilla\.db: it is a directory; a directory has its name: move it away/)
  assert.throws(() => openEmbeddedLog({ dataDir: join(dataDir, 'folder') }), folder)
  const long = refused(/no path of more than 504 bytes; set FLOTILLA_DATA to a shorter path/)
  const names = Array.from({ length: 5 }, () => 'long'.repeat(25))
  assert.throws(() => openEmbeddedLog({ dataDir: join(dataDir, ...names) }), long)
  writeFileSync(join(dataDir, 'flotilla.db'), 'not a database, but long enough to be read as one'.repeat(100))
  assert.throws(() => openEmbeddedLog({ dataDir }), /flotilla\.db.*not a database/)
})

test('a full disk is an error that names the directory, whatever is opened first, and lets go of it', async (context) => {
  const { dataDir } = setUp(context)
  const file = openDataFile({ dataDir })
  file.db.exec('PRAGMA max_page_count = 2')
  const message = /database or disk is full; free space on its disk/
  const full = { code: 'LOG_UNAVAILABLE', message }
  assert.throws(() => openEmbeddedLog({ dataDir, partitions: 3 }), full)
  assert.throws(() => openSqliteKeyValue({ dataDir }), full)
  assert.throws(() => openSqliteLimits({ dataDir }), full)
  await assert.rejects(openSqliteSql({ dataDir }), full)
  assert.equal(file.users, 1)
  file.release()
})

test('records are found on both sides of the end of the index, in order, also after a restart', async (context) => {
  const { open } = setUp(context)
  const log = open()
  await log.ensureTopics([])
  const values = async (partition: number, from: number): Promise<string[]> =>
    (await log.read('tasks.admitted', partition, from, 2_000)).map(textOf)
  const expected = (from: number): string[] => Array.from({ length: 1_300 - from }, (_, i) => `v${from + i}`)
  for (let from = 0; from < 1_300; from += 100)
    for (const partition of [0, 1])
      await log.publish(
        expected(0)
          .slice(from, from + 100)
          .map((value) => outgoing('tasks.admitted', partition, 'k', value)),
      )
  for (const from of [0, 400, 700, 1_250]) assert.deepEqual(await values(0, from), expected(from))
  await log.close()
  const again = open()
  const found = await again.read('tasks.admitted', 1, 450, 2_000)
  assert.deepEqual(found.map(textOf), expected(450))
  const [next] = await again.publish([outgoing('tasks.admitted', 1, 'k', 'next')])
  assert.equal(next?.offset, 1_300)
})

test('a data directory of the first format goes on with its records and offsets', async (context) => {
  const { open, dataDir } = setUp(context)
  const log = open()
  await log.ensureTopics([])
  await log.close()
  const db = new DatabaseSync(join(dataDir, 'flotilla.db'))
  const slot = db.prepare(`SELECT id FROM slots WHERE topic = 'tasks.admitted' AND partition = 1`).get()?.[
    'id'
  ] as number
  db.exec(`DROP TABLE records; DROP TABLE record_offsets; DROP TABLE record_index; PRAGMA user_version = 1;
    CREATE TABLE records (id INTEGER PRIMARY KEY, timestamp_ms INTEGER NOT NULL, key TEXT, headers TEXT NOT NULL,
      value BLOB) STRICT`)
  const insert = db.prepare('INSERT INTO records VALUES (?, ?, ?, ?, ?)')
  for (const offset of [5, 6])
    insert.run(slot * 2 ** 40 + offset, 1_700_000_000_000, 'k', '{"h":"1"}', Buffer.from(`v${offset}`))
  db.close()
  const again = open()
  const found = await again.read('tasks.admitted', 1, 0, 10)
  assert.deepEqual(
    found.map((record) => [record.offset, record.key, textOf(record), record.headers]),
    [
      [5, 'k', 'v5', { h: '1' }],
      [6, 'k', 'v6', { h: '1' }],
    ],
  )
  const [next] = await again.publish([outgoing('tasks.admitted', 1, 'k', 'next')])
  assert.equal(next?.offset, 7)
})

test('checkpoints run beside the commits, and the write-ahead log is restarted before a commit must see to it', async (context) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-checkpoints-'))
  const file = openDataFile({ dataDir })
  context.after(() => rmSync(dataDir, { recursive: true, force: true }))
  const wal = join(dataDir, 'flotilla.db-wal')
  file.db.exec('CREATE TABLE pages (bytes BLOB)')
  const insert = file.db.prepare('INSERT INTO pages VALUES (zeroblob(?))')
  let commits = 0
  const commit = async (bytes: number): Promise<void> => {
    await file.write(() => void insert.run(bytes))
    commits++
  }
  /** How often the write-ahead log was restarted: the sequence number in its header. */
  const begun = (): number => {
    const header = Buffer.alloc(16)
    const opened = openSync(wal, 'r')
    readSync(opened, header)
    closeSync(opened)
    return header.readUInt32BE(12)
  }
  while (commits < (2 * OWN_PAGES) / 40) {
    const before = begun()
    for (let written = 0; written < 100; written++) await commit(40 * 4_096)
    // However slow the disk is: a fleet under load does not write as fast as this.
    await eventually('the thread has copied all, and the log is restarted', async () => {
      await commit(1)
      return begun() > before
    })
  }
  assert.ok(statSync(wal).size < 0.9 * OWN_PAGES * 4_096, `it grew to ${statSync(wal).size} bytes`)
  file.release()
  assert.equal(existsSync(wal), false, 'the thread has let go of the file')
  const again = openDataFile({ dataDir })
  assert.equal(again.db.prepare('SELECT count(*) AS n FROM pages').get()?.['n'], commits)
  again.release()
})

test('records are found by key on both sides of the end of the index, after a restart, and no longer than they are kept', async (context) => {
  const { open, at } = setUp(context)
  const log = open()
  await log.ensureTopics([])
  const topic = 'tasks.completed'
  const keyed = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => outgoing(topic, 1, `key ${from + i}`, `${from + i}`))
  const find = async (name: string, of = log): Promise<string | null> => {
    const found = await of.find({ topic, partition: 1, key: name, wanted: () => true, sinceMs: 0 })
    return found && textOf(found)
  }
  await log.publish(keyed(0, 1_500))
  at.ms += 20 * DAY
  await log.publish(keyed(1_500, 300))
  for (const id of [0, 999, 1_499, 1_500, 1_799]) assert.equal(await find(`key ${id}`), `${id}`)
  assert.equal(await find('key 1800'), null)
  await log.close()
  const again = open()
  for (const id of [0, 1_499, 1_500, 1_799]) assert.equal(await find(`key ${id}`, again), `${id}`)
  at.ms += 11 * DAY
  assert.equal(await again.sweep(), 1_500)
  assert.deepEqual(await Promise.all([0, 1_499, 1_500].map((id) => find(`key ${id}`, again))), [
    null,
    null,
    '1500',
  ])
  const rows = again.file.db.prepare('SELECT count(*) AS n FROM record_keys').get()
  assert.equal(rows?.['n'], 300, 'its entry goes with the record')
})

test('a file that a release without the index by key has written to is indexed when it is opened', async (context) => {
  const { open } = setUp(context)
  const log = open()
  await log.ensureTopics([])
  const topic = 'tasks.completed'
  await log.publish(Array.from({ length: 1_200 }, (_, i) => outgoing(topic, 0, `key ${i}`, `${i}`)))
  log.file.db.exec('DELETE FROM record_keys; UPDATE record_key_index SET up_to = 0')
  await log.close()
  const again = open()
  for (const id of [0, 1_199]) {
    const found = await again.find({ topic, partition: 0, key: `key ${id}`, wanted: () => true, sinceMs: 0 })
    assert.equal(found && textOf(found), `${id}`)
  }
})
