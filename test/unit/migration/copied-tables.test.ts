import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { KyselyPlugin } from 'kysely'
import { sqlBlobs } from '../../../runtime/store/blobs-sql.ts'
import { copyTable } from '../../../runtime/store/copy-tables.ts'
import { openDataFile } from '../../../runtime/store/data-file/data-file.ts'
import { openSqliteSql } from '../../../runtime/store/sql-sqlite.ts'

/** Two data files: the copied one, and one in the place of the database. */
async function two(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-copied-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const [from, to] = [join(directory, 'from'), join(directory, 'to')]
  const [source, target] = [await openSqliteSql({ dataDir: from }), await openSqliteSql({ dataDir: to })]
  const file = openDataFile({ dataDir: from })
  t.after(async () => {
    file.release()
    await Promise.all([source.destroy(), target.destroy()])
  })
  return { source, target, file }
}

const payload = (fill: number): Uint8Array => new Uint8Array(3 * 1_048_576).fill(fill)

test('large payloads are copied a few at a time: hundreds of them fit no statement', async (t) => {
  const { source, target, file } = await two(t)
  const blobs = sqlBlobs(source)
  const hashes: string[] = []
  for (let fill = 0; fill < 7; fill++) hashes.push(await blobs.put(payload(fill)))
  let inserts = 0
  const counting: KyselyPlugin = {
    transformQuery: ({ node }) => {
      if (node.kind === 'InsertQueryNode') inserts++
      return node
    },
    transformResult: ({ result }) => Promise.resolve(result),
  }
  assert.equal(await copyTable(file, target.withPlugin(counting), 'blobs'), 7)
  assert.equal(inserts, 3)
  for (const [fill, hash] of hashes.entries())
    assert.deepEqual(await sqlBlobs(target).get(hash), payload(fill))
  assert.equal(await copyTable(file, target, 'blobs'), 7, 'again')
})

test('rows that were not copied are refused, but for payloads', async (t) => {
  const { source, target, file } = await two(t)
  const feedback = { satisfaction: 1, comment: null, given_by: null, given_at_ms: 1 }
  const row = { ...feedback, quality: null, scorer: null, scored_at_ms: 1 }
  await source
    .insertInto('task_feedback')
    .values({ ...row, task_id: 'ours' })
    .execute()
  assert.equal(await copyTable(file, target, 'task_feedback'), 1)
  await target
    .insertInto('task_feedback')
    .values({ ...row, task_id: 'theirs' })
    .execute()
  await assert.rejects(
    copyTable(file, target, 'task_feedback'),
    /task_feedback .* has 2 rows, and 1 were copied/,
  )
  await sqlBlobs(target).put(payload(9))
  assert.equal(await copyTable(file, target, 'blobs'), 0)
})
