// A data file that is taken away under a fleet that runs: SQLite would go on, and all of it would be gone with the process.
// And one that is put where another was.
import assert from 'node:assert/strict'
import {
  closeSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { hasCode } from '../../runtime/errors.ts'
import { copyDataFile } from '../../runtime/store/data-file/backup.ts'
import { inspectDataFile, openDataFile, type DataFile } from '../../runtime/store/data-file/data-file.ts'
import { eventually } from '../conformance/waiting.ts'
import { startTestFleet } from '../support/fleet.ts'

const displaced = {
  code: 'LOG_UNAVAILABLE',
  message: /was removed, moved or replaced .*nothing more is taken/,
}
const overwritten = {
  code: 'LOG_UNAVAILABLE',
  message: /was cut off or written over by another program .*nothing more is taken/,
}

function directory(context: TestContext): string {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-displaced-'))
  context.after(() => rmSync(dataDir, { recursive: true, force: true }))
  return dataDir
}

const ways: Readonly<Record<string, (dataDir: string) => void>> = {
  'the directory is removed': (dataDir) => rmSync(dataDir, { recursive: true }),
  'the directory is moved': (dataDir) => renameSync(dataDir, join(dataDir, '../moved')),
  'the write-ahead log is removed': (dataDir) => unlinkSync(join(dataDir, 'flotilla.db-wal')),
  'a backup takes its place': (dataDir) => {
    writeFileSync(join(dataDir, 'restored'), readFileSync(join(dataDir, 'flotilla.db')))
    renameSync(join(dataDir, 'restored'), join(dataDir, 'flotilla.db'))
  },
}

for (const [what, takeAway] of Object.entries(ways))
  test(`${what}: every check says so, and nothing more is taken`, async (context) => {
    const dataDir = join(directory(context), 'data')
    const file = openDataFile({ dataDir })
    context.after(() => file.release())
    await file.write(() => file.db.exec('CREATE TABLE kept (id)'))
    await file.check()
    const reasons: Error[] = []
    file.onDamage((reason) => reasons.push(reason))
    await takeAway(dataDir)
    await eventually('it is noticed', () => file.isDisplaced)
    await assert.rejects(file.check(), displaced)
    await assert.rejects(
      file.write(() => assert.fail('it was written')),
      displaced,
    )
    await assert.rejects(file.hold(), displaced)
    assert.equal(reasons.length, 1)
  })

const PAGE = 4_096

function writeOver(path: string, from: number, bytes: Buffer): void {
  const file = openSync(path, 'r+')
  writeSync(file, bytes, 0, bytes.length, from)
  closeSync(file)
}

/** A data file with 400 pages, and a write-ahead log of about 100 more. */
async function filled(dataDir: string): Promise<DataFile> {
  const file = openDataFile({ dataDir })
  await file.write(() => file.db.exec('CREATE TABLE kept (text)'))
  const insert = (): void => void file.db.prepare('INSERT INTO kept VALUES (?)').run('k'.repeat(3_000))
  await file.write(() => Array.from({ length: 400 }, insert))
  file.db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  await file.write(() => Array.from({ length: 100 }, insert))
  return file
}

const halfOf = (path: string): number => PAGE * Math.floor(statSync(path).size / PAGE / 2)

const writers: Readonly<Record<string, (path: string) => void>> = {
  'the file is cut off to nothing': (path) => truncateSync(path),
  'the file is cut off in the middle': (path) => truncateSync(path, halfOf(path)),
  'a copy without a log is written over the file': (path) => writeOver(path, 18, Buffer.from([1, 1])),
  'its first page is written over': (path) => writeOver(path, 0, Buffer.alloc(PAGE)),
  'the log is cut off in the middle': (path) => truncateSync(`${path}-wal`, halfOf(`${path}-wal`)),
  'the log is cut off to nothing': (path) => truncateSync(`${path}-wal`),
  'the log is cut off to nothing, and another commit is behind that': (path) =>
    writeOver(`${path}-wal`, 0, Buffer.alloc(PAGE)),
}

for (const [what, write] of Object.entries(writers))
  test(`${what}: nothing more is taken, and the next start refuses what can't be read`, async (context) => {
    const dataDir = join(directory(context), 'data')
    const path = join(dataDir, 'flotilla.db')
    const file = await filled(dataDir)
    context.after(() => (file.users > 0 ? file.release() : undefined))
    await file.check()
    write(path)
    await eventually('it is noticed', () => file.isDisplaced)
    await assert.rejects(file.check(), overwritten)
    const killed = join(dataDir, '../killed')
    cpSync(dataDir, killed, { recursive: true })
    file.release()
    for (const left of [dataDir, killed]) {
      // Pages that were in memory may have made it whole again; without its log the file is what it was at a checkpoint. A copy
      // that was put there is left as it is.
      const rows = readsAll(left)
      const least = /^(the log|a copy)/.test(what) ? 400 : 500
      assert.ok(rows === null || rows >= least, `${left} was opened with ${rows} rows of ${least}`)
    }
  })

/** Null: it is refused. */
function readsAll(dataDir: string): number | null {
  try {
    const file = openDataFile({ dataDir })
    try {
      return Number(file.db.prepare('SELECT count(*) AS rows FROM kept').get()?.['rows'])
    } finally {
      file.release()
    }
  } catch (error) {
    if (!hasCode(error, 'LOG_UNAVAILABLE')) throw error
    return null
  }
}

test('what SQLite itself makes smaller is as it was left: a VACUUM, and a checkpoint that cuts the log off', async (context) => {
  const dataDir = join(directory(context), 'data')
  const file = await filled(dataDir)
  context.after(() => file.release())
  const path = join(dataDir, 'flotilla.db')
  const sizes = (): number[] => ['', '-wal'].map((end) => statSync(`${path}${end}`).size)
  await file.write(() => file.db.exec('DELETE FROM kept WHERE rowid > 50'))
  const before = sizes()
  const other = new DatabaseSync(path, { timeout: 5_000 })
  context.after(() => other.close())
  other.exec('VACUUM; PRAGMA wal_checkpoint(TRUNCATE)')
  assert.deepEqual(
    sizes().map((size, at) => size < (before[at] ?? 0)),
    [true, true],
  )
  await file.check()
  await file.write(() => file.db.exec('DELETE FROM kept'))
  await file.check()
})

test('a fleet whose file is written over while a task runs ends at once, and does not wait for it', async (context) => {
  const dataDir = join(directory(context), 'data')
  const asked = Promise.withResolvers<void>()
  const until = (): Promise<never> => {
    asked.resolve()
    return new Promise(() => {})
  }
  const fleet = await startTestFleet({ dataDir, model: { until } })
  context.after(() => fleet.stop())
  await fleet.client.submit({ text: 'hello' })
  await asked.promise
  writeOver(join(dataDir, 'flotilla.db'), 0, Buffer.alloc(PAGE))
  await fleet.process.failed
  const begun = performance.now()
  await fleet.process.stop()
  assert.ok(performance.now() - begun < 10_000, 'it waited for the call')
})

/** A directory with the data, and a link of another name that leads there. */
function linked(context: TestContext): { home: string; link: string } {
  const home = directory(context)
  mkdirSync(join(home, 'real'))
  const link = join(home, 'link')
  symlinkSync('real', link)
  return { home, link }
}

test('a link to the directory that leads elsewhere is where the next process will look', async (context) => {
  const { home, link } = linked(context)
  const file = openDataFile({ dataDir: link })
  context.after(() => file.release())
  await file.write(() => file.db.exec('CREATE TABLE kept (id)'))
  await file.check()
  mkdirSync(join(home, 'other'))
  unlinkSync(link)
  symlinkSync('other', link)
  await assert.rejects(file.check(), displaced)
})

test('the log of a file that is a link is beside the file itself', async (context) => {
  const { home, link } = linked(context)
  symlinkSync(join('..', 'elsewhere.db'), join(link, 'flotilla.db'))
  writeFileSync(join(home, 'elsewhere.db'), '')
  const file = openDataFile({ dataDir: link })
  await file.write(() => file.db.exec('CREATE TABLE kept (id)'))
  await file.check()
  const log = join(home, 'elsewhere.db-wal')
  copyFileSync(log, join(home, 'kept.log'))
  await copyDataFile(link, join(home, 'backup'))
  unlinkSync(log)
  await assert.rejects(file.check(), displaced)
  file.release()
  copyFileSync(join(home, 'backup', 'flotilla.db'), join(home, 'elsewhere.db'))
  copyFileSync(join(home, 'kept.log'), log)
  const message =
    /is a backup beside the write-ahead log .*: move elsewhere\.db-wal and elsewhere\.db-shm away/
  assert.throws(() => openDataFile({ dataDir: link }), { code: 'LOG_UNAVAILABLE', message })
})

test('a backup that was copied over a file in use is left as it is', async (context) => {
  const dataDir = join(directory(context), 'data')
  const file = openDataFile({ dataDir })
  await file.write(() => file.db.exec('CREATE TABLE kept (id); INSERT INTO kept VALUES (1)'))
  await copyDataFile(dataDir, `${dataDir}-backup`)
  await file.write(() => file.db.exec('INSERT INTO kept VALUES (2)'))
  copyFileSync(join(`${dataDir}-backup`, 'flotilla.db'), join(dataDir, 'flotilla.db'))
  await assert.rejects(file.check(), overwritten)
  file.release()
  const again = openDataFile({ dataDir })
  context.after(() => again.release())
  assert.deepEqual(again.db.prepare('SELECT id FROM kept').all(), [{ __proto__: null, id: 1 }])
})

test('a transaction that waits for another one while the file is taken away does not begin', async (context) => {
  const dataDir = join(directory(context), 'data')
  const file = openDataFile({ dataDir })
  context.after(() => file.release())
  const end = await file.hold()
  const waiting = [file.hold(), file.hold()]
  rmSync(dataDir, { recursive: true })
  await assert.rejects(file.check(), displaced)
  end()
  for (const hold of waiting) await assert.rejects(hold, displaced)
})

test('a directory that was moved and is put back has all that was taken', async (context) => {
  const home = directory(context)
  const dataDir = join(home, 'data')
  const file = openDataFile({ dataDir })
  await file.write(() => file.db.exec('CREATE TABLE kept (id); INSERT INTO kept VALUES (1)'))
  renameSync(dataDir, join(home, 'moved'))
  await eventually('it is noticed', () => file.isDisplaced)
  file.release()
  renameSync(join(home, 'moved'), dataDir)
  const again = openDataFile({ dataDir })
  context.after(() => again.release())
  assert.deepEqual(again.db.prepare('SELECT id FROM kept').all(), [{ __proto__: null, id: 1 }])
})

test('a backup beside the write-ahead log of a killed fleet is refused, and whole once that is moved away', async (context) => {
  const home = directory(context)
  const [dataDir, backup, killed] = ['data', 'backup', 'killed'].map((name) => join(home, name))
  assert.ok(dataDir && backup && killed)
  const file = openDataFile({ dataDir })
  context.after(() => file.release())
  await file.write(() => file.db.exec('CREATE TABLE kept (id); INSERT INTO kept VALUES (1)'))
  await copyDataFile(dataDir, backup)
  await file.write(() => file.db.exec('INSERT INTO kept VALUES (2); CREATE TABLE later (id)'))
  cpSync(dataDir, killed, { recursive: true })
  copyFileSync(join(backup, 'flotilla.db'), join(killed, 'flotilla.db'))
  const message = /is a backup beside the write-ahead log .*: move flotilla\.db-wal and flotilla\.db-shm away/
  for (const look of [openDataFile, ({ dataDir: there }: { dataDir: string }) => inspectDataFile(there)])
    assert.throws(() => look({ dataDir: killed }), { code: 'LOG_UNAVAILABLE', message })
  for (const end of ['-wal', '-shm']) rmSync(join(killed, `flotilla.db${end}`))
  const restored = openDataFile({ dataDir: killed })
  context.after(() => restored.release())
  assert.deepEqual(restored.db.prepare('SELECT id FROM kept').all(), [{ __proto__: null, id: 1 }])
})

test('a fleet whose data directory is removed takes no task, is not ready, and ends', async (context) => {
  const dataDir = join(directory(context), 'data')
  const fleet = await startTestFleet({ dataDir })
  context.after(() => fleet.stop())
  const failed = new Promise<Error>((resolve) => fleet.process.log.onFailed?.(resolve))
  rmSync(dataDir, { recursive: true })
  assert.match((await failed).message, displaced.message)
  await assert.rejects(fleet.client.submit({ text: 'hello' }), displaced)
  assert.equal((await fleet.process.readiness()).ready, false)
})
