import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryBlobs, memoryKeyValue } from '../../runtime/testing/memory/store.ts'
import { openSqliteSql } from '../../runtime/store/sql-sqlite.ts'
import { openSqliteKeyValue } from '../../runtime/store/sqlite.ts'
import { blobSuite, keyValueSuite, sqlSuite } from '../conformance/store-suite.ts'

const freshDir = (): string => mkdtempSync(join(tmpdir(), 'flotilla-store-'))

keyValueSuite(
  'memory',
  async () => {
    const store = memoryKeyValue()
    return { store, stop: () => store.close() }
  },
  { outlives: false },
)

blobSuite('memory', async () => ({ store: memoryBlobs(), stop: async () => undefined }))

keyValueSuite('SQLite', async () => {
  const dataDir = freshDir()
  const store = openSqliteKeyValue({ dataDir })
  const stop = async (): Promise<void> => {
    await store.close()
    rmSync(dataDir, { recursive: true })
  }
  return { store, again: async () => openSqliteKeyValue({ dataDir }), stop }
})

sqlSuite('SQLite', async () => {
  const dataDir = freshDir()
  const store = await openSqliteSql({ dataDir })
  const stop = async (): Promise<void> => {
    await store.destroy()
    rmSync(dataDir, { recursive: true })
  }
  return { store, again: () => openSqliteSql({ dataDir }), stop }
})
