// The day's budgets beside the ledger, and the counters rebuilt from it.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { defaultLimits } from '../../../runtime/config/defaults.ts'
import { memoryLimits } from '../../../runtime/testing/memory/limits.ts'
import { limitsReader } from '../../../runtime/limits/budget-report.ts'
import { openSqliteSql } from '../../../runtime/store/sql-sqlite.ts'

const NOON = Date.UTC(2026, 10, 24, 12)
const HOUR_MS = 3_600_000

async function books(t: TestContext, resetHourUtc = 0) {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-standing-'))
  const sql = await openSqliteSql({ dataDir })
  t.after(async () => {
    await sql.destroy()
    rmSync(dataDir, { recursive: true })
  })
  const limits = memoryLimits()
  const budgets = { ...defaultLimits.budgets, users: { ann: 1_000 }, resetHourUtc }
  const fleet = { limits: { ...defaultLimits, budgets } }
  let calls = 0
  /** `tokens` of a call that took `durationMs` and ended then. */
  const record = (model: string, userId: string | null, tokens: number, endedMs: number, durationMs = 500) =>
    sql
      .insertInto('usage_ledger')
      .values({
        ...{
          event_id: `e${++calls}`,
          task_id: 't',
          call_id: `c${calls}`,
          kind: 'model',
          user_id: userId,
          agent: null,
        },
        ...{ model, provider: 'openai', tool: null, input_tokens: tokens - 1, output_tokens: 1, cost: 0 },
        ...{
          cost_is_guess: 0,
          duration_ms: durationMs,
          succeeded: 1,
          error_code: null,
          cached: 0,
          at_ms: endedMs,
        },
      })
      .execute()
  return { limits, record, reader: limitsReader({ fleet, limits, sql, now: () => NOON }) }
}

test('used, reserved and recorded of each budget, the fullest first', async (t) => {
  const { limits, record, reader } = await books(t)
  await record('openai/gpt-4o', 'ann', 300, NOON)
  await record('gpt-4o', null, 50, NOON)
  const key = (name: string) =>
    ({ form: 'budget', key: `2026-11-24:${name}`, limit: 1e7, resetsAtMs: NOON }) as const
  await limits.settle({ id: 'c1', claims: [{ ...key('user:ann'), amount: 300 }], atMs: NOON })
  await limits.reserve({ id: 'c2', alternatives: [[{ ...key('user:ann'), amount: 200 }]], ttlMs: 1_000 })
  const resetsAtMs = Date.UTC(2026, 10, 25)
  assert.deepEqual(await reader.show(), [
    { budget: 'user:ann', used: 300, reserved: 200, limit: 1_000, recorded: 300, resetsAtMs },
    { budget: 'fleet', used: 0, reserved: 0, limit: 10_000_000, recorded: 350, resetsAtMs },
    { budget: 'model:gpt-4o', used: 0, reserved: 0, limit: 10_000_000, recorded: 350, resetsAtMs },
  ])
})

test('rebuilt, the counters are what the ledger says, and reservations stay', async (t) => {
  const { limits, record, reader } = await books(t)
  await record('gpt-4o', 'ann', 300, NOON)
  const claim = { form: 'budget', key: '2026-11-24:fleet', amount: 7, limit: 1e7, resetsAtMs: NOON } as const
  await limits.reserve({ id: 'c1', alternatives: [[claim]], ttlMs: 1e9 })
  await limits.settle({ id: 'gone', claims: [{ ...claim, key: '2026-11-24:user:bob' }], atMs: NOON })
  const changed = await reader.rebuild()
  assert.deepEqual(changed.map(({ budget, used, recorded }) => [budget, used, recorded]).sort(), [
    ['fleet', 0, 300],
    ['model:gpt-4o', 0, 300],
    ['user:ann', 0, 300],
    ['user:bob', 7, 0],
  ])
  assert.deepEqual(await reader.rebuild(), [])
  assert.deepEqual(await limits.budgets('2026-11-24:fleet'), [
    { key: '2026-11-24:fleet', settled: 300, reserved: 7 },
  ])
})

// A day that ends at this hour; when a call ended, how long it took, and whether it counts for today.
const days: [number, number, number, boolean][] = [
  [0, Date.UTC(2026, 10, 24), 0, true],
  [0, Date.UTC(2026, 10, 24) + 100, 101, false],
  [0, Date.UTC(2026, 10, 25) + 100, 200, true],
  [0, Date.UTC(2026, 10, 25) + 100, 100, false],
  [6, Date.UTC(2026, 10, 24) + 6 * HOUR_MS, 0, true],
  [6, Date.UTC(2026, 10, 24) + 6 * HOUR_MS, 1, false],
  [18, Date.UTC(2026, 10, 23) + 18 * HOUR_MS, 0, true],
  [18, Date.UTC(2026, 10, 24) + 18 * HOUR_MS, 0, false],
]
for (const [resetHourUtc, endedMs, durationMs, counts] of days)
  test(`the day ends at ${resetHourUtc} h: a call of ${durationMs} ms to ${new Date(endedMs).toISOString()}`, async (t) => {
    const { record, reader } = await books(t, resetHourUtc)
    await record('gpt-4o', null, 9, endedMs, durationMs)
    const fleet = (await reader.show()).find(({ budget }) => budget === 'fleet')
    assert.equal(fleet?.recorded ?? 0, counts ? 9 : 0)
  })
