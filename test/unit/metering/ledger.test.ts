import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import type { Sql } from '../../../runtime/store/sql.ts'
import { openSqliteSql } from '../../../runtime/store/sql-sqlite.ts'
import { createLedgerCaller } from '../../../services/metering/ledger.ts'
import { taskRow, usageRow } from '../../../services/metering/rows.ts'
import { summarise, type SummaryBy } from '../../../services/metering/summary.ts'
import { completed, used } from './events.ts'

let directory = ''
let sql: Sql
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flotilla-metering-'))
  sql = await openSqliteSql({ dataDir: join(directory, 'data') })
})
beforeEach(async () => {
  await sql.deleteFrom('usage_ledger').execute()
  await sql.deleteFrom('task_ledger').execute()
})
after(async () => {
  await sql.destroy()
  await rm(directory, { recursive: true })
})

const write = (request: Parameters<ReturnType<typeof createLedgerCaller>>[0]) =>
  createLedgerCaller(sql)(request)
const DAY = 86_400_000

test('what is written twice is there once', async () => {
  for (const rows of [1, 0]) {
    assert.deepEqual(await write({ usage: usageRow('e1', used()) }), { rows })
    assert.deepEqual(await write({ task: taskRow(completed(), null) }), { rows })
  }
  assert.equal((await sql.selectFrom('usage_ledger').selectAll().execute()).length, 1)
})

test('feedback finds its task, survives a second writing of it, and tells when there is none', async () => {
  const feedback = { taskId: 't1', satisfaction: 0.25 }
  assert.deepEqual(await write({ feedback }), { rows: 0 })
  await write({ task: taskRow(completed(), null) })
  assert.deepEqual(await write({ feedback }), { rows: 1 })
  await write({ task: taskRow(completed(), null) })
  const { satisfaction } = await sql
    .selectFrom('task_ledger')
    .select('satisfaction')
    .executeTakeFirstOrThrow()
  assert.equal(satisfaction, 0.25)
})

test('a row that the database refuses is not tried again; a database that is away is', async () => {
  const usage = { ...usageRow('e1', used()), kind: null as unknown as string }
  await assert.rejects(write({ usage }), { code: 'INTERNAL' })
  const other = await openSqliteSql({ dataDir: join(directory, 'gone') })
  await other.schema.dropTable('usage_ledger').execute()
  await assert.rejects(createLedgerCaller(other)({ usage: usageRow('e1', used()) }), {
    code: 'STORE_UNAVAILABLE',
  })
  await other.destroy()
})

test('the summary: by user, agent and day of tasks, by model and tool of calls', async () => {
  const { usage } = completed()
  const tasks = [
    completed(),
    completed({ taskId: 't2', status: 'failed', executionTime: 500 }),
    completed({
      taskId: 't3',
      userId: null,
      usage: { ...usage, cost: 2 },
      completedAtMs: Date.UTC(2026, 0, 2),
    }),
  ]
  for (const task of tasks) await write({ task: taskRow(task, null) })
  const calls = [
    used(),
    used({ model: 'local/x', cost: 0, succeeded: false }),
    used({
      kind: 'tool',
      model: null,
      tool: 'look_up',
      inputTokens: 0,
      outputTokens: 0,
      cost: 0,
      durationMs: 40,
    }),
  ]
  for (const [i, call] of calls.entries()) await write({ usage: usageRow(`e${i}`, call) })
  const lines = async (by: SummaryBy) =>
    (await summarise(sql, { by })).map((line) => [
      line.group,
      line.executions,
      line.successRate,
      line.meanMs,
      line.cost,
    ])
  assert.deepEqual(await lines('total'), [[null, 3, 2 / 3, 3_500 / 3, 3]])
  assert.deepEqual(await lines('user'), [
    [null, 1, 1, 1_500, 2],
    ['ann', 2, 0.5, 1_000, 1],
  ])
  assert.deepEqual(await lines('agent'), [['default', 3, 2 / 3, 3_500 / 3, 3]])
  assert.deepEqual(await lines('day'), [
    ['2026-01-02', 1, 1, 1_500, 2],
    ['2026-01-01', 2, 0.5, 1_000, 1],
  ])
  assert.deepEqual(await lines('model'), [
    ['gpt-4o', 1, 1, 700, 0.5],
    ['local/x', 1, 0, 700, 0],
  ])
  assert.deepEqual(await lines('tool'), [['look_up', 1, 1, 40, 0]])
  const [total] = await summarise(sql, { by: 'total' })
  assert.deepEqual([total?.inputTokens, total?.outputTokens], [300, 60])
})

test('the summary of a time, and of nothing', async () => {
  assert.deepEqual(await summarise(sql, { by: 'total' }), [])
  const { completedAtMs } = completed()
  await write({ task: taskRow(completed(), null) })
  for (const [fromMs, toMs, found] of [
    [completedAtMs, completedAtMs + 1, 1],
    [completedAtMs + 1, completedAtMs + DAY, 0],
    [0, completedAtMs, 0],
  ] as const) {
    assert.equal((await summarise(sql, { by: 'user', fromMs, toMs })).length, found)
  }
})
