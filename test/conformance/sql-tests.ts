import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Insertable } from 'kysely'
import type { Sql, Tables } from '../../runtime/store/sql.ts'
import { mark } from './member.ts'

type Usage = Insertable<Tables['usage_ledger']>

function usage(changes: Partial<Usage>): Usage {
  return {
    event_id: mark(),
    task_id: mark(),
    call_id: 'call',
    kind: 'model',
    user_id: null,
    agent: 'default',
    model: 'gpt-4o',
    provider: 'openai',
    tool: null,
    input_tokens: 100,
    output_tokens: 20,
    cost: 0.000_123,
    cost_is_guess: 0,
    duration_ms: 12.5,
    succeeded: 1,
    error_code: null,
    cached: 0,
    at_ms: 1_795_380_416_927,
    ...changes,
  }
}

/** The queries that services make must mean the same in both dialects. */
export function sqlTests(subject: () => Sql): void {
  test('a row comes back with the types that it was written with', async () => {
    const sql = subject()
    const row = usage({ output_tokens: 9_007_199_254_740_991 })
    await sql.insertInto('usage_ledger').values(row).execute()
    const found = await sql
      .selectFrom('usage_ledger')
      .selectAll()
      .where('event_id', '=', row.event_id)
      .executeTakeFirst()
    assert.deepEqual({ ...found }, row)
  })

  test('an event that comes twice is one row', async () => {
    const sql = subject()
    const row = usage({})
    const insert = sql
      .insertInto('usage_ledger')
      .values(row)
      .onConflict((conflict) => conflict.column('event_id').doNothing())
    const [first] = await insert.execute()
    const [second] = await insert.execute()
    assert.deepEqual([first?.numInsertedOrUpdatedRows, second?.numInsertedOrUpdatedRows], [1n, 0n])
  })

  test('sums and counts are numbers', async () => {
    const sql = subject()
    const task = mark()
    await sql
      .insertInto('usage_ledger')
      .values([usage({ task_id: task, cost: 0.25 }), usage({ task_id: task, cost: 0.5, input_tokens: 7 })])
      .execute()
    const found = await sql
      .selectFrom('usage_ledger')
      .select(({ fn }) => [
        fn.sum<number>('input_tokens').as('tokens'),
        fn.sum<number>('cost').as('cost'),
        fn.countAll<number>().as('calls'),
      ])
      .where('task_id', '=', task)
      .executeTakeFirst()
    assert.deepEqual({ ...found }, { tokens: 107, cost: 0.75, calls: 2 })
  })

  test('an update tells how many rows it changed', async () => {
    const sql = subject()
    const row = usage({})
    await sql.insertInto('usage_ledger').values(row).execute()
    const change = (attempts: number) =>
      sql
        .updateTable('usage_ledger')
        .set({ cached: attempts + 1 })
        .where('event_id', '=', row.event_id)
        .where('cached', '=', attempts)
        .executeTakeFirst()
    assert.equal((await change(0)).numUpdatedRows, 1n)
    assert.equal((await change(0)).numUpdatedRows, 0n)
  })

  test('a transaction that throws leaves nothing, and others go on beside it', async () => {
    const sql = subject()
    const [lost, kept, beside] = [usage({}), usage({}), usage({})]
    const failing = sql.transaction().execute(async (transaction) => {
      await transaction.insertInto('usage_ledger').values(lost).execute()
      await transaction.selectFrom('usage_ledger').select('event_id').limit(1).execute()
      throw new Error('changed my mind')
    })
    const alongside = sql.insertInto('usage_ledger').values(beside).execute()
    const succeeding = sql
      .transaction()
      .execute((transaction) => transaction.insertInto('usage_ledger').values(kept).execute())
    await assert.rejects(failing, /changed my mind/)
    await Promise.all([alongside, succeeding])
    const ids = [lost, kept, beside].map((row) => row.event_id)
    const found = await sql
      .selectFrom('usage_ledger')
      .select('event_id')
      .where('event_id', 'in', ids)
      .execute()
    assert.deepEqual(found.map((row) => row.event_id).sort(), [kept.event_id, beside.event_id].sort())
  })

  test('nobody sees what a transaction has not committed', async () => {
    const sql = subject()
    const row = usage({})
    const find = (): Promise<unknown> =>
      sql
        .selectFrom('usage_ledger')
        .select('event_id')
        .where('event_id', '=', row.event_id)
        .executeTakeFirst()
    let seenInside: Promise<unknown> = Promise.resolve()
    const rolledBack = sql.transaction().execute(async (transaction) => {
      await transaction.insertInto('usage_ledger').values(row).execute()
      seenInside = find()
      // Time for a dirty read to happen, were it possible.
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
      throw new Error('rolled back')
    })
    await assert.rejects(rolledBack, /rolled back/)
    assert.equal(await seenInside, undefined)
  })
}
