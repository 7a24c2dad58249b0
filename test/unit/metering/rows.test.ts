// Rows of many tasks in one statement, which is compiled once for a number of rows.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Sql } from '../../../runtime/store/sql.ts'
import { openSqliteSql } from '../../../runtime/store/sql-sqlite.ts'
import { taskRow, usageRow, type HeldRow } from '../../../services/metering/call.ts'
import { createLedgerCaller } from '../../../services/metering/caller.ts'
import { completed, used } from './events.ts'

const directory = mkdtempSync(join(tmpdir(), 'flotilla-rows-'))
const endedMs = completed().completedAtMs
let sql: Sql
before(async () => {
  sql = await openSqliteSql({ dataDir: directory })
})
after(async () => {
  await sql.destroy()
  rmSync(directory, { recursive: true })
})
const caller = () =>
  createLedgerCaller({
    sql,
    retentionDays: 30,
    clock: { now: () => endedMs },
    instruments: { record: () => {}, count: () => {} },
  })

test('rows keep their columns, in whatever order their fields are, for each number of rows', async () => {
  const write = caller()
  for (const count of [1, 2, 3, 4, 5, 7, 9, 13, 17, 31]) {
    const ids = Array.from({ length: count }, (_, i) => `t${count}-${i}`)
    const rows = ids.map((taskId, i) => {
      const row = usageRow(taskId, used({ taskId, inputTokens: i, tool: `tool ${i}` }))
      return i % 2 === 0 ? row : (Object.fromEntries(Object.entries(row).toReversed()) as typeof row)
    })
    await Promise.all(rows.map((usage) => write({ usage })))
    const found = await sql.selectFrom('usage_ledger').selectAll().where('task_id', 'in', ids).execute()
    const byId = (a: { event_id: string }, b: { event_id: string }) => (a.event_id < b.event_id ? -1 : 1)
    assert.deepEqual(found.map((row) => ({ ...row })).toSorted(byId), rows.toSorted(byId))
  }
})

const held = (task_id: string, status = 'waiting'): HeldRow => ({
  ...{ task_id, call_id: 'c1', tool: 'pay', why: 'approval', status, step: 1, user_id: null, agent: null },
  ...{ arguments: '{}', terms: '{}', votes: '[]', held_at_ms: 1, expires_at_ms: null },
  ...{ ended_at_ms: status === 'waiting' ? null : 2, approval: null },
})

test('the end of a task withdraws its waiting calls, at its own time, and leaves decided ones', async () => {
  const write = caller()
  await Promise.all([
    write({ held: held('first') }),
    write({ held: held('second') }),
    write({ held: held('third', 'approved') }),
    write({ held: held('other') }),
  ])
  const ended = ['first', 'second', 'third'].map((taskId, i) =>
    write({ task: taskRow(completed({ taskId, completedAtMs: endedMs + i })) }),
  )
  await Promise.all(ended)
  const found = await sql.selectFrom('approvals').selectAll().orderBy('task_id').execute()
  assert.deepEqual(
    found.map(({ task_id, status, ended_at_ms }) => [task_id, status, ended_at_ms]),
    [
      ['first', 'withdrawn', endedMs],
      ['other', 'waiting', null],
      ['second', 'withdrawn', endedMs + 1],
      ['third', 'approved', 2],
    ],
  )
})
