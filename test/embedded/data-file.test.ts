// Writes of one tick: together without savepoints, and each in its own once one has failed.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { toFailure } from '../../runtime/errors.ts'
import { openSqliteLimits } from '../../runtime/limits/sqlite.ts'
import { openEmbeddedLog } from '../../runtime/log/embedded/log.ts'
import { commitError, WriteUncertain } from '../../runtime/store/data-file/errors.ts'
import { openDataFile } from '../../runtime/store/data-file/data-file.ts'
import type { DataFile } from '../../runtime/store/data-file/data-file.ts'
import { openSqliteKeyValue } from '../../runtime/store/sqlite.ts'
import { outgoing, textOf } from '../conformance/member.ts'

function setUp(context: TestContext): { dataDir: string; file: DataFile } {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-file-'))
  const file = openDataFile({ dataDir })
  context.after(() => {
    file.release()
    rmSync(dataDir, { recursive: true, force: true })
  })
  return { dataDir, file }
}

const failing = (file: DataFile): Promise<void> =>
  file.write(() => {
    throw new Error('refused')
  })

test('writes run once without savepoints; beside one that fails they run again, after what they did in memory is undone', async (context) => {
  const { file } = setUp(context)
  file.db.exec('CREATE TABLE t (n INTEGER PRIMARY KEY)')
  const insert = file.db.prepare('INSERT INTO t VALUES (?)')
  let inMemory: number[] = []
  const ran: number[] = []
  const undone = (): void => {
    inMemory = file.db
      .prepare('SELECT n FROM t ORDER BY n')
      .all()
      .map(({ n }) => Number(n))
  }
  const write = (n: number): Promise<void> =>
    file.write(() => {
      ran.push(n)
      insert.run(n)
      inMemory.push(n)
      if (n < 0) throw new Error('failed after writing')
    }, undone)
  await Promise.all([write(1), write(2)])
  assert.deepEqual(ran.splice(0), [1, 2])
  const results = await Promise.allSettled([write(3), write(-4), write(5)])
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  assert.deepEqual(ran.splice(0), [3, -4, 3, -4, 5])
  assert.deepEqual(inMemory, [1, 2, 3, 5])
  await assert.rejects(write(-6), /failed after writing/)
  assert.deepEqual(ran, [-6], 'one that was alone is not run again')
  assert.deepEqual(inMemory, [1, 2, 3, 5])
})

test('what writes gather in memory is written once, behind them, and not for one that fails', async (context) => {
  const { file } = setUp(context)
  file.db.exec('CREATE TABLE sums (total INTEGER NOT NULL); INSERT INTO sums VALUES (0)')
  const total = (): number => Number(file.db.prepare('SELECT total FROM sums').get()?.['total'])
  const put = file.db.prepare('UPDATE sums SET total = ?')
  let sum = 0
  let puts = 0
  file.beforeCommit(() => {
    puts++
    put.run(sum)
  })
  const add = (n: number, fails = false): Promise<void> =>
    file.write(
      () => {
        sum += n
        if (fails) throw new Error('refused')
      },
      () => (sum = total()),
    )
  await Promise.all([add(1), add(2), add(4)])
  assert.deepEqual([total(), puts], [7, 1])
  await Promise.allSettled([add(8), add(16, true), add(32)])
  assert.deepEqual([total(), sum], [47, 47])
})

test('what can not be undone yet is undone before the next write', async (context) => {
  const { file } = setUp(context)
  file.db.exec('CREATE TABLE t (n INTEGER PRIMARY KEY)')
  const count = (): number => Number(file.db.prepare('SELECT count(*) AS n FROM t').get()?.['n'])
  const insert = file.db.prepare('INSERT INTO t VALUES (?)')
  let known = 0
  let isReadable = true
  const undone = (): void => {
    if (!isReadable) throw new Error('the disk can not be read')
    known = count()
  }
  const add = (n: number): Promise<void> =>
    file.write(() => {
      if (isReadable) assert.equal(known, count())
      known++
      insert.run(n)
    }, undone)
  await add(1)
  isReadable = false
  await assert.rejects(add(1), { code: 'LOG_UNAVAILABLE' })
  await assert.rejects(add(2), /the disk can not be read/)
  assert.deepEqual([known, count(), file.db.isTransaction], [2, 1, false])
  isReadable = true
  await add(3)
  assert.deepEqual([known, count()], [2, 2])
})

test('records, keys, leases and budgets that share a transaction with a write that fails are all there', async (context) => {
  const { dataDir, file } = setUp(context)
  const log = openEmbeddedLog({ dataDir, partitions: 1 })
  const keys = openSqliteKeyValue({ dataDir })
  const limits = openSqliteLimits({ dataDir })
  context.after(async () => {
    await log.close()
    await keys.close()
    await limits.close()
  })
  await log.ensureTopics([])
  const publish = (value: string) => log.publish([outgoing('tasks.completed', 0, value, value)])
  const reserve = (id: string) => {
    const resetsAtMs = Date.now() + 60_000
    const budget = { form: 'budget' as const, key: 'day:fleet', amount: 1, limit: 4, resetsAtMs }
    const window = { form: 'window' as const, key: 'requests', amount: 1, limit: 4, windowMs: 60_000 }
    return limits.reserve({ id, alternatives: [[budget, window]], ttlMs: 60_000 })
  }
  await Promise.all([publish('a'), reserve('first'), keys.set('k', 'v')])
  const results = await Promise.allSettled([
    publish('b'),
    keys.compareAndSet('k', 'v', 'w', { ttlMs: 60_000, leaseMs: 60_000 }),
    reserve('second'),
    failing(file),
    publish('c'),
    reserve('third'),
    keys.compareAndSet('k', 'v', 'x', 60_000),
  ])
  assert.deepEqual(
    results.flatMap(({ status }, at) => (status === 'rejected' ? [at] : [])),
    [3],
  )
  const last = results[6] as PromiseFulfilledResult<{ swapped: boolean; leaseLeftMs?: number }>
  assert.equal(last.value.swapped, false)
  assert.ok((last.value.leaseLeftMs ?? 0) > 0)
  const read = await log.read('tasks.completed', 0, 0, 10)
  assert.deepEqual(read.map(textOf), ['a', 'b', 'c'])
  const find = (key: string) =>
    log.find({ topic: 'tasks.completed', partition: 0, key, wanted: () => true, sinceMs: 0 })
  for (const key of ['a', 'b', 'c']) assert.equal(textOf((await find(key))!), key)
  assert.deepEqual(await limits.budgets('day:'), [{ key: 'day:fleet', settled: 0, reserved: 3 }])
  assert.equal((await reserve('fourth')).granted, true)
  assert.equal((await reserve('fifth')).granted, false, 'budget and window are full')
})

test('a window that has lost an operation with its transaction counts what the file has', async (context) => {
  const { dataDir, file } = setUp(context)
  const limits = openSqliteLimits({ dataDir })
  context.after(() => limits.close())
  const reserve = (id: string, amount: number) => {
    const window = { form: 'window' as const, key: 'requests', amount, limit: 10, windowMs: 60_000 }
    return limits.reserve({ id, alternatives: [[window]], ttlMs: 60_000 })
  }
  await reserve('first', 4)
  file.db.exec(`CREATE TRIGGER full BEFORE INSERT ON limit_takers BEGIN SELECT RAISE(ABORT, 'full'); END`)
  await assert.rejects(reserve('second', 6), /full/)
  file.db.exec('DROP TRIGGER full')
  assert.equal((await reserve('third', 7)).granted, false)
  assert.equal((await reserve('fourth', 6)).granted, true)
})

test('a lease is found by the next process', async (context) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-file-'))
  context.after(() => rmSync(dataDir, { recursive: true, force: true }))
  const first = openSqliteKeyValue({ dataDir })
  await first.compareAndSet('k', null, 'v', { ttlMs: 60_000, leaseMs: 60_000 })
  await first.close()
  const second = openSqliteKeyValue({ dataDir })
  const found = await second.compareAndSet('k', null, 'w', 60_000)
  assert.ok(!found.swapped && (found.leaseLeftMs ?? 0) > 0)
  await second.compareAndSet('k', 'v', 'w', 60_000)
  assert.deepEqual(await second.compareAndSet('k', null, 'x', 60_000), { swapped: false, current: 'w' })
  await second.close()
})

test('commits of a process that may start no thread are no failures', (context) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-file-'))
  context.after(() => rmSync(dataDir, { recursive: true, force: true }))
  const source = `
    const { openDataFile } = await import(${JSON.stringify(import.meta.resolve('../../runtime/store/data-file/data-file.ts'))})
    const file = openDataFile({ dataDir: ${JSON.stringify(dataDir)} })
    for (let commit = 0; commit < 250; commit++) await file.write(() => file.db.exec('PRAGMA user_version'))
    file.release()`
  const flags = ['--permission', '--allow-fs-read=*', '--allow-fs-write=*', '--input-type=module']
  const { status, stderr } = spawnSync(process.execPath, [...flags, '-e', source], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  assert.match(stderr, /the checkpoint thread of .* failed; commits checkpoint from now on/)
})

test('a file that another program has locked is an error that says what helps', () => {
  const locked = Object.assign(new Error('database is locked'), { errcode: 5 })
  assert.match(commitError(locked, '/data').message, /database is locked; another program has locked it/)
})

test('a write of unknown outcome is an error of the table, also for a publisher', () => {
  const failed = commitError(Object.assign(new Error('disk I/O error'), { errcode: 10 }), '/data')
  assert.ok(failed instanceof WriteUncertain)
  assert.equal(toFailure(failed).code, 'LOG_UNAVAILABLE')
})
