import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { askedOf } from '../../../runtime/ledger/asked.ts'
import { exportLedger } from '../../../runtime/ledger/export.ts'
import { summarise, type SummaryBy } from '../../../runtime/ledger/summary.ts'
import type { Sql } from '../../../runtime/store/sql.ts'
import { openSqliteSql } from '../../../runtime/store/sql-sqlite.ts'
import { Batches } from '../../../services/metering/batches.ts'
import { createLedgerCaller } from '../../../services/metering/caller.ts'
import { taskRow, usageRow, type LedgerWrite, type SubmittedRow } from '../../../services/metering/call.ts'
import { deleteOld } from '../../../services/metering/retention.ts'
import { showUsersToday, USERS_SHOWN } from '../../../services/metering/users-today.ts'
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
  await sql.deleteFrom('task_feedback').execute()
  await sql.deleteFrom('open_tasks').execute()
  counts = []
})
after(async () => {
  await sql.destroy()
  await rm(directory, { recursive: true })
})

const DAY = 86_400_000
const NOW = Date.UTC(2026, 0, 10)
let scores: [string, number][] = []
let counts: [string, number][] = []
const callerOn = (database: Sql) =>
  createLedgerCaller({
    sql: database,
    retentionDays: 30,
    clock: { now: () => NOW },
    instruments: {
      record: (name, value) => void scores.push([name, value]),
      count: (name, by) => void counts.push([name, by ?? 1]),
    },
  })
const write = (request: LedgerWrite) => callerOn(sql)(request)
const usageIds = async () =>
  (await sql.selectFrom('usage_ledger').select('event_id').orderBy('event_id').execute()).map(
    ({ event_id }) => event_id,
  )

test('what is written twice is there once', async () => {
  for (let time = 0; time < 2; time++) {
    await write({ usage: usageRow('e1', used()) })
    await write({ task: taskRow(completed()) })
  }
  assert.deepEqual(await usageIds(), ['e1'])
  assert.equal((await sql.selectFrom('task_ledger').selectAll().execute()).length, 1)
})

test('rows of one turn share statements, and what comes meanwhile the next', async () => {
  const sizes: number[] = []
  const batches = new Batches<number>(
    async (rows) => void sizes.push(rows.length),
    () => false,
  )
  await Promise.all(Array.from({ length: 1_201 }, (_, index) => batches.add(index)))
  assert.deepEqual(sizes, [500, 500, 201])
  await batches.add(1)
  assert.deepEqual(sizes.slice(3), [1])
})

test('a bad row among good ones is the only one that is refused', async () => {
  const caller = callerOn(sql)
  const bad = { ...usageRow('bad', used()), kind: null as unknown as string }
  const outcomes = await Promise.allSettled([
    ...Array.from({ length: 20 }, (_, index) => caller({ usage: usageRow(`e${index + 10}`, used()) })),
    caller({ usage: bad }),
  ])
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    [...new Array<string>(20).fill('fulfilled'), 'rejected'],
  )
  assert.equal((await usageIds()).length, 20)
  await assert.rejects(caller({ usage: bad }), { code: 'INTERNAL' })
})

test('a database that is away is tried again', async () => {
  const other = await openSqliteSql({ dataDir: join(directory, 'gone') })
  await other.schema.dropTable('usage_ledger').execute()
  const rows = ['e1', 'e2'].map((id) => callerOn(other)({ usage: usageRow(id, used()) }))
  for (const row of rows) await assert.rejects(row, { code: 'STORE_UNAVAILABLE' })
  await other.destroy()
})

const submitted = (task_id: string, text: string, submitted_at_ms = NOW): SubmittedRow => ({
  task_id,
  text,
  user_id: 'ann',
  agent: null,
  model: null,
  profile: null,
  lane: 0,
  submitted_at_ms,
  session_id: null,
  parent: null,
})
const withAsked = ({ text, ...row }: SubmittedRow) => ({ ...row, ...askedOf(text) })
const openIds = async () =>
  (await sql.selectFrom('open_tasks').select('task_id').orderBy('task_id').execute()).map(
    ({ task_id }) => task_id,
  )

test('a task is open from its submission to its result, whichever comes first and however often', async () => {
  const both = [{ submitted: submitted('t1', 'task') }, { task: taskRow(completed()) }] as const
  await write({ submitted: submitted('t2', 'another') })
  for (const [first, second] of [both, both.toReversed() as unknown as typeof both]) {
    for (let time = 0; time < 2; time++) await write(first)
    await write(second)
    assert.deepEqual(await openIds(), ['t2'])
    await sql.deleteFrom('task_ledger').execute()
  }
})

test('an id that comes again with another text is counted, and the first text stays', async () => {
  await write({ submitted: submitted('t1', 'task') })
  await write({ submitted: submitted('t1', ' task\n') })
  assert.deepEqual(counts, [])
  const caller = callerOn(sql)
  await Promise.all(['one', 'other'].map((text) => caller({ submitted: submitted('t2', text) })))
  await write({ submitted: submitted('t1', 'something else') })
  await write({ task: taskRow(completed()) })
  await write({ submitted: submitted('t1', 'something else') })
  assert.deepEqual(counts, [
    ['task_ids_reused', 1],
    ['task_ids_reused', 1],
    ['task_ids_reused', 1],
  ])
  const first = await sql.selectFrom('open_tasks').select('text_start').execute()
  assert.deepEqual(
    first.map(({ text_start }) => text_start),
    ['one'],
  )
})

test('the beginning of a text is one line that every database takes', () => {
  const { text_start } = askedOf(` a\u0000b\r\n\ud800c ${'x'.repeat(200)}`)
  assert.match(text_start, /^a b c x+…$/)
  assert.equal(text_start.length, 101)
})

const feedbackOf = (taskId: string) =>
  sql.selectFrom('task_feedback').selectAll().where('task_id', '=', taskId).executeTakeFirst()

test('feedback and quality meet in one row, before or after their task; of each the latest counts', async () => {
  scores = []
  const given = (satisfaction: number, given_at_ms: number) =>
    write({ feedback: { task_id: 't1', satisfaction, comment: null, given_by: null, given_at_ms } })
  await given(0.25, NOW + 5)
  await write({ task: taskRow(completed()) })
  await write({ feedback: { task_id: 't1', quality: 0.5, scorer: 'judge', scored_at_ms: NOW } })
  await given(0.75, NOW + 4)
  const { satisfaction, quality, scorer } = (await feedbackOf('t1')) ?? {}
  assert.deepEqual([satisfaction, quality, scorer], [0.25, 0.5, 'judge'])
  await given(1, NOW + 6)
  assert.equal((await feedbackOf('t1'))?.satisfaction, 1)
  const [line] = await summarise(sql, { by: 'user' })
  assert.deepEqual([line?.satisfaction, line?.quality], [1, 0.5])
  assert.deepEqual(scores.slice(0, 2), [
    ['task_satisfaction', 0.25],
    ['task_quality', 0.5],
  ])
})

test('rows past the retention go, a thousand a statement, and do not come back by redelivery', async () => {
  const old = NOW - 30 * DAY - 1
  const rows = Array.from({ length: 2_500 }, (_, index) => usageRow(`o${index}`, used({ atMs: old })))
  for (let from = 0; from < rows.length; from += 500)
    await sql
      .insertInto('usage_ledger')
      .values(rows.slice(from, from + 500))
      .execute()
  const { text: _, ...task } = taskRow(completed({ completedAtMs: old }))
  await sql.insertInto('task_ledger').values(task).execute()
  const open = submitted('forgotten', 'an id that came again', old)
  await sql.insertInto('open_tasks').values(withAsked(open)).execute()
  const unsaid = { comment: null, given_by: null, quality: null, scorer: null, scored_at_ms: 0 }
  await sql
    .insertInto('task_feedback')
    .values({ task_id: 't1', satisfaction: 1, given_at_ms: old, ...unsaid })
    .execute()
  await write({ usage: usageRow('kept', used({ atMs: old + 1 })) })
  assert.equal(await deleteOld(sql, 30, { now: () => NOW }), 2_503)
  await write({ usage: usageRow('o1', used({ atMs: old })) })
  await write({ task: taskRow(completed({ completedAtMs: old })) })
  assert.deepEqual(await usageIds(), ['kept'])
  assert.deepEqual(await sql.selectFrom('task_ledger').selectAll().execute(), [])
})

test('the users who spend most today, and nobody else', async () => {
  const { usage } = completed()
  for (let user = 0; user < USERS_SHOWN + 5; user++)
    await write({
      task: taskRow(
        completed({
          taskId: `u${user}`,
          userId: `user-${user}`,
          usage: { ...usage, cost: user },
          completedAtMs: NOW + 1,
        }),
      ),
    })
  await write({ task: taskRow(completed({ taskId: 'before', userId: 'yesterday', completedAtMs: NOW - 1 })) })
  const shown = new Map<string, readonly { labels: { rank?: string }; value: number }[]>()
  const gauges = (name: string, series: readonly { labels: { rank?: string }; value: number }[]) =>
    void shown.set(name, series)
  await showUsersToday(sql, { gauges }, { now: () => NOW + 5 })
  const costs = shown.get('user_cost_usd_today') ?? []
  assert.deepEqual(
    costs.map(({ labels, value }) => [labels.rank, value]),
    Array.from({ length: USERS_SHOWN }, (_, index) => [String(index + 1), 24 - index]),
  )
  assert.equal(shown.get('user_tokens_today')?.[0]?.value, 120)
})

test('the ledgers as CSV and as lines of JSON, page after page', async () => {
  const rows = Array.from({ length: 2_300 }, (_, index) =>
    usageRow(`e${String(index).padStart(5, '0')}`, used({ atMs: NOW + (index >> 3), userId: '=cmd()' })),
  )
  for (let from = 0; from < rows.length; from += 500)
    await sql
      .insertInto('usage_ledger')
      .values(rows.slice(from, from + 500))
      .execute()
  const text = async (options: Parameters<typeof exportLedger>[1]) => {
    const pieces: string[] = []
    for await (const piece of exportLedger(sql, options)) pieces.push(piece)
    return pieces.join('').trimEnd().split('\n')
  }
  const [header, ...lines] = await text({ table: 'calls', format: 'csv' })
  assert.match(header ?? '', /^at_ms,event_id,task_id,/)
  assert.deepEqual(
    lines.map((line) => line.split(',')[1]),
    rows.map(({ event_id }) => event_id),
  )
  assert.match(lines[0] ?? '', /,'=cmd\(\),/, 'a spreadsheet must not run it')
  const some = await text({ table: 'calls', format: 'json', fromMs: NOW + 1, toMs: NOW + 2 })
  assert.deepEqual(
    some.map((line) => (JSON.parse(line) as { event_id: string }).event_id),
    rows.slice(8, 16).map(({ event_id }) => event_id),
  )
  await write({ task: taskRow(completed()) })
  await write({ feedback: { task_id: 't1', quality: 0.5, scorer: 'judge', scored_at_ms: NOW } })
  const [task] = (await text({ table: 'tasks', format: 'json' })).map(
    (line) => JSON.parse(line) as Record<string, unknown>,
  )
  assert.deepEqual([task?.['task_id'], task?.['quality'], task?.['satisfaction']], ['t1', 0.5, null])
})

test('rejected tasks are counted, and are no failures of the fleet', async () => {
  for (const [taskId, status] of [
    ['ok', 'succeeded'],
    ['no', 'rejected'],
  ] as const)
    await write({ task: taskRow(completed({ taskId, status, userId: status })) })
  const rates = async (by: SummaryBy) =>
    (await summarise(sql, { by })).map((line) => [line.executions, line.rejected, line.successRate])
  assert.deepEqual(await rates('total'), [[2, 1, 1]])
  assert.deepEqual((await rates('user')).toSorted(), [
    [1, 0, 1],
    [1, 1, null],
  ])
})

test('the summary by hour: the latest first, with percentiles and what the cache answered', async () => {
  const HOUR = 3_600_000
  for (let n = 1; n <= 100; n++)
    await write({
      usage: usageRow(`c${n}`, used({ atMs: NOW + (n % 2) * HOUR, durationMs: n, cached: n <= 10 })),
    })
  const lines = await summarise(sql, { by: 'model', per: 'hour', percentiles: true })
  assert.deepEqual(
    lines.map((line) => [line.group, line.fromMs, line.executions, line.p50Ms, line.p95Ms, line.cached]),
    [
      ['gpt-4o', NOW + HOUR, 50, 49, 95, 5],
      ['gpt-4o', NOW, 50, 50, 96, 5],
    ],
  )
  const [whole] = await summarise(sql, { by: 'model', per: 'day', percentiles: true })
  assert.deepEqual([whole?.fromMs, whole?.executions, whole?.p50Ms, whole?.p95Ms], [NOW, 100, 50, 95])
  assert.deepEqual(Object.keys((await summarise(sql, { by: 'total' }))[0] ?? {}), [])
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
  for (const task of tasks) await write({ task: taskRow(task) })
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
  await write({ task: taskRow(completed()) })
  for (const [fromMs, toMs, found] of [
    [completedAtMs, completedAtMs + 1, 1],
    [completedAtMs + 1, completedAtMs + DAY, 0],
    [0, completedAtMs, 0],
  ] as const) {
    assert.equal((await summarise(sql, { by: 'user', fromMs, toMs })).length, found)
  }
})
