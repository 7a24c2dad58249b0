import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openEmbeddedLog } from '../../runtime/log/embedded/log.ts'
import { openSqliteKeyValue } from '../../runtime/store/sqlite.ts'
import { TestMember, textOf } from '../conformance/member.ts'

const program = fileURLToPath(new URL('log-process.ts', import.meta.url))

function freshDir(context: TestContext): string {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-crash-'))
  context.after(() => rmSync(dataDir, { recursive: true, force: true }))
  return dataDir
}

/** Lets the process acknowledge this many commits, kills it with SIGKILL, and returns the last number acknowledged. */
async function commitUntilKilled(dataDir: string, commits: number): Promise<number> {
  const child = spawn(process.execPath, [program, 'commit', dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  let text = ''
  let lines = 0
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    lines += chunk.split('\n').length - 1
    if (lines >= commits) child.kill('SIGKILL')
  })
  await closed
  assert.equal(child.signalCode, 'SIGKILL')
  // The last line may be cut off by the kill.
  return Number(text.slice(0, text.lastIndexOf('\n')).split('\n').at(-1))
}

async function tryToOpen(dataDir: string): Promise<Record<string, unknown>> {
  const child = spawn(process.execPath, [program, 'open', dataDir], { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  await closed
  return JSON.parse(text) as Record<string, unknown>
}

test('after kill -9 every acknowledged commit stands, whole, and the log goes on', async (context) => {
  const dataDir = freshDir(context)
  for (const commits of [1, 50, 200]) {
    const acknowledged = await commitUntilKilled(dataDir, commits)
    const log = openEmbeddedLog({ dataDir, partitions: 2 })
    const member = new TestMember(log, 'planner', ['tasks.submitted'])
    const lane = await member.lane(0)
    const count = Number(textOf([...lane.rows][0] ?? { value: null }))
    assert.ok(count > acknowledged, `${count} commits stand, ${acknowledged} was acknowledged`)
    assert.deepEqual(lane.positions, [{ topic: 'tasks.submitted', offset: count, metadata: `${count - 1}` }])
    const expected = Array.from({ length: count }, (_, i) => `${i}`)
    assert.deepEqual((await log.read('tasks.admitted', 0, 0, 100_000)).map(textOf), expected)
    assert.deepEqual((await log.read('tasks.history', 1, 0, 100_000)).map(textOf), expected)
    await log.close()
  }
})

test('a second process is refused while the first one lives, and is told who holds the directory', async (context) => {
  const dataDir = freshDir(context)
  const log = openEmbeddedLog({ dataDir, partitions: 2 })
  log.announce({ gateway: 'http://127.0.0.1:8000' })
  const refused = await tryToOpen(dataDir)
  assert.equal(refused['code'], 'DATA_LOCKED')
  assert.match(
    String(refused['message']),
    new RegExp(`process ${process.pid}, gateway http://127.0.0.1:8000`),
  )
  assert.match(String(refused['remedy']), /FLOTILLA_DATA/)

  const store = openSqliteKeyValue({ dataDir })
  await log.close()
  assert.equal((await tryToOpen(dataDir))['code'], 'DATA_LOCKED', 'the store still uses the directory')
  await store.set('key', 'value')
  await store.close()
  assert.deepEqual(await tryToOpen(dataDir), { opened: true })
})

test('a second process is refused although the lock file was removed, or another one put in its place', async (context) => {
  const dataDir = freshDir(context)
  const lock = join(dataDir, 'flotilla.lock')
  const log = openEmbeddedLog({ dataDir, partitions: 2 })
  log.announce({ gateway: 'http://127.0.0.1:8000' })
  const assertRefused = async (how: string): Promise<void> => {
    const refused = await tryToOpen(dataDir)
    assert.equal(refused['code'], 'DATA_LOCKED', how)
    assert.match(
      String(refused['message']),
      new RegExp(`process ${process.pid}, gateway .*flotilla.lock was removed`),
    )
  }
  rmSync(lock)
  await assertRefused('removed')
  await assertRefused('the one that a refused process left')
  writeFileSync(join(dataDir, 'other'), '')
  renameSync(join(dataDir, 'other'), lock)
  await assertRefused('replaced')
  await log.ensureTopics([])
  await log.close()
  assert.deepEqual(await tryToOpen(dataDir), { opened: true })
})

test('a program that reads the file stops no start, but one in a directory that does not say which lock was the last', async (context) => {
  const [dataDir, copied] = [freshDir(context), freshDir(context)]
  assert.deepEqual(await tryToOpen(dataDir), { opened: true })
  cpSync(dataDir, copied, { recursive: true })
  assert.deepEqual(await tryToOpen(copied), { opened: true }, 'a copy that nobody reads')
  const reader = new DatabaseSync(join(dataDir, 'flotilla.db'), { readOnly: true })
  context.after(() => reader.isOpen && reader.close())
  assert.ok(reader.prepare('SELECT count(*) FROM sqlite_schema').get())
  assert.deepEqual(await tryToOpen(dataDir), { opened: true })
  rmSync(join(dataDir, 'owner.json'))
  assert.match(String((await tryToOpen(dataDir))['message']), /or in a program that reads it/)
  reader.close()
  assert.deepEqual(await tryToOpen(dataDir), { opened: true })
})
