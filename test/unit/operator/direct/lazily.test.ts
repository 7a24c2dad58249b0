// The parts of a fleet open at the first call that needs them, and only those.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { directOperator, type FleetParts } from '../../../../operator/direct/index.ts'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { openEmbeddedLog } from '../../../../runtime/log/embedded/log.ts'
import { openSqliteSql } from '../../../../runtime/store/sql-sqlite.ts'

function partsIn(t: TestContext): { parts: FleetParts; opened: string[] } {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-operator-'))
  const opened: string[] = []
  const closes: (() => Promise<void>)[] = []
  t.after(async () => {
    for (const close of closes) await close()
    rmSync(dataDir, { recursive: true })
  })
  const away = (name: string) => async (): Promise<never> => {
    opened.push(name)
    throw new FlotillaError('CONFIG_INVALID', `${name} can't be opened`)
  }
  const parts: FleetParts = {
    log: async () => {
      opened.push('log')
      const log = openEmbeddedLog({ dataDir, partitions: 2 })
      closes.push(() => log.close())
      await log.ensureTopics([])
      return log
    },
    sql: async () => {
      opened.push('sql')
      const sql = await openSqliteSql({ dataDir })
      closes.push(() => sql.destroy())
      return sql
    },
    ...{ codec: away('codec'), blobs: away('blobs'), limits: away('limits'), fleet: away('fleet') },
    environment: away('environment'),
    stages: away('environment'),
  }
  return { parts, opened }
}

test('no part opens before a call needs it, and then once', async (t) => {
  const { parts, opened } = partsIn(t)
  const { topics, usage } = directOperator(parts)
  assert.deepEqual(opened, [])
  await usage.summary({ by: 'total' })
  assert.deepEqual(opened, ['sql'])
  await Promise.all([topics.list(), topics.list()])
  assert.deepEqual(opened, ['sql', 'log'])
})

test('a call rejects if its part fails to open; the other parts work', async (t) => {
  const { parts } = partsIn(t)
  const { alerts, limits, topics } = directOperator(parts)
  await assert.rejects(alerts.silence('failures', { untilMs: 1 }), /codec can't be opened/)
  await assert.rejects(limits.show(), /limits can't be opened/)
  assert.ok((await topics.list()).length > 0)
})

test('a part that opens late can be the result of an async function', async (t) => {
  const { parts } = partsIn(t)
  const topics = await Promise.resolve(directOperator(parts).topics)
  assert.ok((await topics.list()).some(({ name }) => name === 'tasks.submitted'))
})
