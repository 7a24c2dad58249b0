import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryLimits } from '../../runtime/limits/memory.ts'
import { openSqliteLimits } from '../../runtime/limits/sqlite.ts'
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
