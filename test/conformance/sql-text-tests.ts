// Texts and numbers in the queries of the ledgers: what a database takes, and how it orders and compares.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { directEvaluations } from '../../operator/direct/evaluations.ts'
import { DirectSessions } from '../../operator/direct/sessions.ts'
import { listApprovals } from '../../runtime/ledger/approvals.ts'
import { openTask, listTasks, type TaskFilter } from '../../runtime/ledger/tasks.ts'
import type { Sql } from '../../runtime/store/sql.ts'
import { createLedgerCaller } from '../../services/metering/caller.ts'
import { mark } from './member.ts'

const AT_MS = 1_795_380_416_927

const submission = (task_id: string, user_id: string, text: string) => ({
  ...{ task_id, user_id, text, submitted_at_ms: AT_MS, lane: 3, agent: null, model: null, profile: null },
  ...{ session_id: null, parent: null },
})

const result = (task_id: string, user_id: string, text: string) => {
  const { lane: _, ...task } = submission(task_id, user_id, text)
  const figures = { execution_ms: 1, input_tokens: 1, output_tokens: 1, cost: 0, steps: 1, error_code: null }
  return { ...task, ...figures, status: 'succeeded', completed_at_ms: AT_MS + 1 }
}

const writer = (sql: Sql) =>
  createLedgerCaller({
    sql,
    retentionDays: 36_500,
    clock: { now: () => AT_MS },
    instruments: { record: () => undefined, count: () => undefined },
  })

export function sqlTextTests(subject: () => Sql): void {
  test('pages have every task once, open and ended, whose ids no two locales order alike', async () => {
    const sql = subject()
    const user = mark()
    const write = writer(sql)
    const ids = ['a', 'B', 'b', 'A', '_x', '-y', '1', 'a-b', 'a_b', 'aB', 'Ab', '.z', ':q', 'Z', 'z'].map(
      (id) => `${id}${user}`,
    )
    for (const [at, id] of ids.entries()) {
      const text = `task ${at}`
      await write(at % 2 === 0 ? { task: result(id, user, text) } : { submitted: submission(id, user, text) })
    }
    for (const limit of [1, 2, 3, 7, 99]) {
      const found: string[] = []
      for (let after: string | null | undefined; after !== null;) {
        const place = after === undefined ? {} : { after }
        const { rows, next } = await listTasks(sql, { user, limit, ...place }, null)
        found.push(...rows.map(({ task_id }) => task_id))
        after = next
      }
      assert.deepEqual(found, ids.toSorted().toReversed(), `pages of ${limit}`)
    }
  })

  test('a search finds letters of any script in either case, and the text as it was asked', async () => {
    const sql = subject()
    const user = mark()
    const write = writer(sql)
    const texts = ['Großer ÄRGER', 'Straße\nnach\tПариж', '100 % of a_b\\c', 'nothing', 'zero\u0000text']
    for (const [at, text] of texts.entries()) await write({ task: result(`${user}-${at}`, user, text) })
    await write({ submitted: submission(`${user}-5`, user, 'offener Ärger') })
    const wanted: [string, string][] = [
      ['ärger', '50'],
      ['ÄRGER', '50'],
      ['ÄrGer', '50'],
      ['париж', '1'],
      ['Straße\nnach\tПариж', '1'],
      ['straße nach', '1'],
      ['%', '2'],
      ['a_b\\', '2'],
      ['_', '2'],
      ['o\u0000t', '4'],
      [`${user.toUpperCase()}-3`, '3'],
      ['x'.repeat(100_000), ''],
    ]
    for (const [search, ids] of wanted) {
      const { rows } = await listTasks(sql, { user, search }, null)
      assert.equal(rows.map(({ task_id }) => task_id.at(-1)).join(''), ids, search.slice(0, 20))
    }
  })

  test('a filter that no row can meet finds none: a NUL, a number beyond every column', async () => {
    const sql = subject()
    const user = mark()
    await writer(sql)({ task: result(`${user}-1`, user, 'x') })
    const filters: TaskFilter[] = [
      ...(['agent', 'model', 'profile', 'session', 'parent', 'errorCode'] as const).map((name) => ({
        [name]: '\u0000',
      })),
      ...[1e19, 1e300, Infinity].flatMap((most) => [
        { minMs: most },
        { minCost: most, status: 'failed' as const },
      ]),
    ]
    for (const filter of filters)
      assert.deepEqual((await listTasks(sql, { user, ...filter }, null)).rows, [], JSON.stringify(filter))
    assert.deepEqual((await listTasks(sql, { user: '\u0000' }, null)).rows, [])
    const never = () => Promise.reject(new Error('not asked for'))
    const sessions = new DirectSessions({ sql: async () => sql, log: never, codec: never })
    await assert.rejects(sessions.get('\u0000'), { code: 'NOT_FOUND' })
    assert.deepEqual((await sessions.list({ user, after: '1:\u0000' })).sessions, [])
    assert.deepEqual(await listApprovals(sql, { task: '\u0000', user: '\u0000' }), [])
    assert.equal(await openTask(sql, '\u0000'), null)
    await assert.rejects(directEvaluations(async () => sql).get('\u0000'), { code: 'NOT_FOUND' })
  })
}
