import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { memoryLimits } from '../../runtime/testing/memory/limits.ts'
import { openSqliteLimits } from '../../runtime/limits/sqlite.ts'
import { openDataFile } from '../../runtime/store/data-file/data-file.ts'
import { limitsSuite } from '../conformance/limits-suite.ts'

limitsSuite('memory', async (clock) => {
  const store = memoryLimits({ clock })
  return { store, stop: () => store.close() }
})

limitsSuite('SQLite', async (clock) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-limits-'))
  const store = openSqliteLimits({ dataDir, clock })
  const stop = async (): Promise<void> => {
    await store.close()
    rmSync(dataDir, { recursive: true })
  }
  return { store, again: () => openSqliteLimits({ dataDir, clock }), stop }
})

test('SQLite: an operation whose transaction is undone has taken nothing, in the file or in memory', async (context) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-limits-'))
  const limits = openSqliteLimits({ dataDir })
  const file = openDataFile({ dataDir })
  context.after(async () => {
    await limits.close()
    file.release()
    rmSync(dataDir, { recursive: true })
  })
  const resetsAtMs = Date.now() + 60_000
  const reserve = (id: string, amount: number) => {
    const claim = { form: 'budget' as const, key: 'day:fleet', amount, limit: 10, resetsAtMs }
    return limits.reserve({ id, alternatives: [[claim]], ttlMs: 60_000 })
  }
  assert.equal((await reserve('first', 4)).granted, true)
  file.db.exec(`CREATE TRIGGER full BEFORE INSERT ON limit_takers BEGIN SELECT RAISE(ABORT, 'full'); END`)
  const [undone, beside] = await Promise.allSettled([reserve('second', 6), limits.budgets('day:')])
  assert.equal(undone.status, 'rejected')
  assert.deepEqual(beside, {
    status: 'fulfilled',
    value: [{ key: 'day:fleet', settled: 0, reserved: 4 }],
  })
  file.db.exec('DROP TRIGGER full')
  assert.equal((await reserve('third', 6)).granted, true, 'the room that the second did not get')
  assert.equal((await reserve('fourth', 1)).granted, false)
})
