// A data file that is taken away under a fleet that runs: SQLite would go on, and all of it would be gone with the process.
// And one that is put where another was.
import assert from 'node:assert/strict'
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { copyDataFile } from '../../runtime/store/data-file/backup.ts'
import { inspectDataFile, openDataFile } from '../../runtime/store/data-file/data-file.ts'
import { eventually } from '../conformance/waiting.ts'
import { startTestFleet } from '../support/fleet.ts'

const displaced = {
  code: 'LOG_UNAVAILABLE',
  message: /was removed, moved or replaced .*nothing more is taken/,
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

const overwritten: Readonly<Record<string, (dataDir: string) => Promise<unknown> | void>> = {
  'a backup is copied over it': async (dataDir) => {
    await copyDataFile(dataDir, `${dataDir}-backup`)
    copyFileSync(join(`${dataDir}-backup`, 'flotilla.db'), join(dataDir, 'flotilla.db'))
  },
  'the write-ahead log is emptied': (dataDir) => truncateSync(join(dataDir, 'flotilla.db-wal')),
}

for (const [what, takeAway] of Object.entries({ ...ways, ...overwritten }))
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
  await assert.rejects(file.check(), displaced)
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
