// Tests of the ledgers. Long because every one of them runs against both databases, on the same subject.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EvaluationCase, EvaluationRun } from '../../api/schemas/evaluations.ts'
import { directEvaluations } from '../../operator/direct/evaluations.ts'
import { DirectKeys, hasKeys, parseKey, type GivenKey } from '../../operator/direct/keys.ts'
import { exportLedger } from '../../runtime/ledger/export.ts'
import { listTasks, type TaskFilter } from '../../runtime/ledger/tasks.ts'
import { summarise } from '../../runtime/ledger/summary.ts'
import type { Sql, Tables } from '../../runtime/store/sql.ts'
import { quietInstruments } from '../../runtime/telemetry/instruments.ts'
import { KeyChecks } from '../../services/gateway/access/keys.ts'
import { createLedgerCaller } from '../../services/metering/caller.ts'
import { deleteOld } from '../../services/metering/retention.ts'
import { mark } from './member.ts'
import { eventually } from './waiting.ts'

type Usage = Tables['usage_ledger']

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

const evaluationRun = (id: string): EvaluationRun => ({
  id,
  name: 'data set',
  dataset: 'data set.jsonl',
  datasetHash: 'hash',
  agent: null,
  models: ['default', 'openai/gpt-4o'],
  epochs: 3,
  cases: 450,
  status: 'running',
  startedAtMs: 1_795_380_416_927,
  endedAtMs: null,
  settings: { maxCost: 0.5 },
  position: null,
  summary: null,
})

const evaluationCase = (caseId: string, epoch: number): EvaluationCase => ({
  caseId,
  model: 'default',
  epoch,
  taskId: `task-${caseId}`,
  caseHash: 'hash',
  status: 'succeeded',
  passed: true,
  score: 0.123_456_789,
  scores: [{ scorer: 'exact', score: 1, weight: 2.5, passed: true, reason: 'a "quoted"\nreason' }],
  problem: null,
  input: 'Wie viel?',
  output: { text: '=1+1', list: [1, null, '\u0000'] },
  metadata: { kind: 'ä' },
  answeredBy: 'openai/gpt-4o',
  cost: 0.000_123,
  judgeCost: 0,
  costIsGuess: false,
  latencyMs: 12.5,
  steps: 2,
  inputTokens: 9_007_199_254_740_991,
  outputTokens: 1,
  errorCode: null,
  scoredAtMs: 1_795_380_416_927,
})

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

  test('a NUL in any text of an evaluation is stored as U+FFFD', async () => {
    const store = directEvaluations(async () => subject())
    const withNuls = <T extends object>(value: T, kept: readonly string[]): T =>
      Object.fromEntries(
        Object.entries(value).map(([name, field]) => {
          const isText = typeof field === 'string' || (field === null && name !== 'summary')
          return [name, isText && !kept.includes(name) ? 'a\u0000b' : (field as unknown)]
        }),
      ) as T
    const run = withNuls(evaluationRun(mark()), ['id', 'status', 'endedAtMs', 'settings'])
    const saved = await store.save({ ...run, endedAtMs: null })
    assert.deepEqual([saved.datasetHash, saved.agent, saved.position], ['a\ufffdb', 'a\ufffdb', 'a\ufffdb'])
    await store.add(run.id, [withNuls(evaluationCase('c', 1), [])])
    let text = ''
    for await (const lines of store.export(run.id, 'json')) text += lines
    const { caseId, taskId, problem, errorCode } = JSON.parse(text) as EvaluationCase
    assert.deepEqual(
      [caseId, taskId, problem, errorCode],
      Array.from({ length: 4 }, () => 'a\ufffdb'),
    )
  })

  test('a run of an evaluation and its cases come back as they were stored; stored again, they are replaced', async () => {
    const store = directEvaluations(async () => subject())
    const run = evaluationRun(mark())
    assert.deepEqual(await store.save(run), run)
    const ended = {
      ...run,
      status: 'completed' as const,
      endedAtMs: 1_795_380_416_928,
      position: '0:12,1:7',
      summary: [{ model: 'ä' }],
    }
    assert.deepEqual(await store.save({ ...ended, name: 'another' }), ended, 'what it is about stays')
    const cases = Array.from({ length: 450 }, (_, index) => evaluationCase(`c${index}`, 1 + (index % 3)))
    await store.add(run.id, cases)
    await store.add(run.id, [{ ...evaluationCase('c0', 1), score: null, problem: 'none' }])
    const found: EvaluationCase[] = []
    for await (const text of store.export(run.id, 'json'))
      found.push(
        ...text
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as EvaluationCase),
      )
    assert.equal(found.length, 450)
    const byId = new Map(found.map((each) => [each.caseId, each]))
    assert.deepEqual([byId.get('c0')?.score, byId.get('c0')?.problem], [null, 'none'])
    assert.deepEqual(byId.get('c7'), cases[7])
    let csv = ''
    for await (const text of store.export(run.id, 'csv')) csv += text
    assert.equal(csv.trim().split('\n').length, 451)
    assert.equal((await store.list(1_000)).filter(({ id }) => id === run.id).length, 1)
    for (const work of [() => store.get('nowhere'), () => store.add('nowhere', cases)])
      await assert.rejects(work, { code: 'NOT_FOUND' })
  })

  test('a run is deleted with its cases, by hand and by retention; a later one stays', async () => {
    const sql = subject()
    const store = directEvaluations(async () => sql)
    const atMs = 86_400_000 * (100 + Math.floor(Math.random() * 1_000))
    const [old, later, dropped] = [mark(), mark(), mark()]
    for (const [id, startedAtMs] of [
      [old, atMs],
      [later, atMs + 86_400_000],
      [dropped, atMs + 86_400_000],
    ] as const) {
      await store.save({ ...evaluationRun(id), startedAtMs })
      await store.add(id, [evaluationCase('a', 1), evaluationCase('a', 2)])
    }
    assert.equal(await store.delete(dropped), 2)
    await assert.rejects(store.delete(dropped), { code: 'NOT_FOUND' })
    assert.ok((await deleteOld(sql, 1, { now: () => atMs + 86_400_001 })) >= 3)
    for (const id of [old, dropped]) await assert.rejects(store.get(id), { code: 'NOT_FOUND' })
    const left = await sql
      .selectFrom('evaluation_cases')
      .select('run_id')
      .where('run_id', 'in', [old, later, dropped])
      .execute()
    assert.deepEqual(
      left.map(({ run_id }) => run_id),
      [later, later],
    )
  })

  test('a key is made, found, noted as used, listed and revoked', async () => {
    const sql = subject()
    const keys = new DirectKeys(sql)
    const expiresAtMs = Date.now() + 86_400_000
    const made = await keys.create({
      name: 'n',
      userId: mark(),
      scopes: ['ops:read'],
      agents: ['a'],
      expiresAtMs,
    })
    assert.equal(await hasKeys(sql), true)
    const given = parseKey(made.key) as GivenKey
    const checks = new KeyChecks({ sql, logger: quietInstruments.log, now: () => performance.now() })
    const checked = await checks.check(given)
    assert.deepEqual('principal' in checked ? checked.principal.agents : null, ['a'])
    const own = async () => (await keys.list()).find(({ id }) => id === made.id)
    await eventually('its use is noted', async () => typeof (await own())?.lastUsedAtMs === 'number')
    assert.equal((await own())?.expiresAtMs, expiresAtMs)
    const revoked = await keys.revoke(made.id)
    assert.deepEqual(await keys.revoke(made.id), revoked, 'once more changes nothing')
    checks.forget(made.id)
    assert.ok('problem' in (await checks.check(given)))
  })

  test('an event that comes twice is one row', async () => {
    const sql = subject()
    const row = usage({})
    const insert = sql
      .insertInto('usage_ledger')
      .values(row)
      .onConflict((conflict) => conflict.columns(['task_id', 'event_id']).doNothing())
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

  test('summaries and exports of the ledgers, with feedback that came before its task', async () => {
    const sql = subject()
    const user = mark()
    // A time of its own, far from that of other tests on the same database.
    const atMs = 4_000_000_000_000 + Math.floor(Math.random() * 1_000_000) * 100_000
    const instruments = { record: () => undefined, count: () => undefined }
    const write = createLedgerCaller({ sql, retentionDays: 1, clock: { now: () => atMs }, instruments })
    const tasks = [1, 2, 3].map((n) => ({
      task_id: `${user}-${n}`,
      status: n === 3 ? 'failed' : 'succeeded',
      user_id: user,
      agent: 'default',
      model: 'gpt-4o',
      profile: null,
      execution_ms: 1_000 * n,
      input_tokens: 100,
      output_tokens: 20,
      cost: 0.25,
      steps: n,
      error_code: null,
      submitted_at_ms: atMs,
      session_id: null,
      parent: null,
      completed_at_ms: atMs + n,
      text: `task ${n}`,
    }))
    const said = { satisfaction: 0.75, comment: 'fine', given_by: user, given_at_ms: atMs }
    await write({ feedback: { task_id: `${user}-1`, ...said } })
    await write({ feedback: { task_id: `${user}-1`, quality: 0.5, scorer: 'judge', scored_at_ms: atMs } })
    await write({ feedback: { task_id: `${user}-1`, ...said, satisfaction: 0, given_at_ms: atMs - 1 } })
    for (let time = 0; time < 2; time++) {
      await Promise.all(tasks.map((task) => write({ task })))
      await Promise.all(
        tasks.map(({ task_id }) =>
          write({ usage: usage({ event_id: `e-${task_id}`, task_id, at_ms: atMs }) }),
        ),
      )
    }
    const range = { fromMs: atMs, toMs: atMs + 10 }
    const figures = {
      executions: 3,
      rejected: 0,
      successRate: 2 / 3,
      meanMs: 2_000,
      inputTokens: 300,
      outputTokens: 60,
      cost: 0.75,
    }
    const rated = { ...figures, satisfaction: 0.75, quality: 0.5 }
    assert.deepEqual(await summarise(sql, { by: 'total', ...range }), [{ group: null, ...rated }])
    assert.deepEqual(await summarise(sql, { by: 'user', ...range }), [{ group: user, ...rated }])
    const day = new Date(atMs).toISOString().slice(0, 10)
    assert.deepEqual(await summarise(sql, { by: 'day', ...range }), [{ group: day, ...rated }])
    const [model] = await summarise(sql, { by: 'model', ...range })
    assert.deepEqual([model?.group, model?.executions, model?.satisfaction], ['gpt-4o', 3, null])
    const hours = await summarise(sql, { by: 'user', ...range, per: 'hour', percentiles: true })
    const fromMs = atMs - (atMs % 3_600_000)
    assert.deepEqual(hours, [{ group: user, ...rated, fromMs, p50Ms: 2_000, p95Ms: 3_000 }])
    const lines: string[] = []
    for await (const text of exportLedger(sql, {
      table: 'tasks',
      format: 'json',
      ...range,
      fromMs: atMs + 1,
    }))
      lines.push(text)
    const rows = lines
      .join('')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    assert.deepEqual(
      rows.map((row) => [row['task_id'], row['completed_at_ms'], row['comment'], row['quality']]),
      tasks.map(({ task_id, completed_at_ms }, n) => [
        task_id,
        completed_at_ms,
        n === 0 ? 'fine' : null,
        n === 0 ? 0.5 : null,
      ]),
    )
    const later = { now: () => atMs + 2 * 86_400_000 }
    assert.ok((await deleteOld(sql, 1, later)) >= 7)
    assert.deepEqual(await summarise(sql, { by: 'total', ...range }), [])
  })

  test('open tasks: opened once, closed by their result, listed in pages with what they used', async () => {
    const sql = subject()
    const user = mark()
    const atMs = 5_000_000_000_000 + Math.floor(Math.random() * 1_000_000) * 100_000
    const reused: number[] = []
    const instruments = { record: () => undefined, count: (_: string, by = 1) => void reused.push(by) }
    const write = createLedgerCaller({ sql, retentionDays: 1, clock: { now: () => atMs }, instruments })
    const row = {
      user_id: user,
      agent: null,
      model: null,
      profile: null,
      lane: 3,
      session_id: null,
      parent: null,
    }
    const submit = (n: number, text = `task ${n}`) =>
      write({ submitted: { ...row, task_id: `${user}-${n}`, text, submitted_at_ms: atMs + n } })
    await Promise.all([1, 2, 3, 4, 4].map((n) => submit(n)))
    await submit(2, 'another text\u0000')
    assert.deepEqual(reused, [1])
    await write({ usage: usage({ task_id: `${user}-3`, at_ms: atMs, model: 'gpt-4o' }) })
    const figures = {
      execution_ms: 1,
      input_tokens: 1,
      output_tokens: 1,
      cost: 0,
      steps: 1,
      error_code: null,
    }
    for (const n of [5, 1]) {
      const times = { submitted_at_ms: atMs + n, completed_at_ms: atMs + 100 + n }
      const { lane: _, ...task } = {
        ...row,
        ...figures,
        ...times,
        status: 'succeeded',
        text: 'x',
        task_id: `${user}-${n}`,
      }
      await write({ task })
    }
    await submit(5)
    const listed = async (limit: number) => {
      const ids: string[] = []
      for (let after: string | null | undefined; after !== null;) {
        const place = after === undefined ? {} : { after }
        const { rows, next } = await listTasks(sql, { user, limit, ...place }, null)
        ids.push(...rows.map(({ task_id }) => task_id.slice(user.length + 1)))
        after = next
      }
      return ids
    }
    for (const limit of [1, 2, 3, 4, 9])
      assert.deepEqual(await listed(limit), ['5', '4', '3', '2', '1'], `pages of ${limit}`)
    const { rows: open } = await listTasks(sql, { user, status: 'open', agent: 'main' }, 'main')
    assert.equal(open.length, 3, 'those that name no agent are the default one’s')
    assert.deepEqual(open.map((each) => ('used' in each ? each.used : null))[1], {
      modelCalls: 1,
      inputTokens: 100,
      outputTokens: 20,
      cost: 0.000_123,
      model: 'gpt-4o',
    })
    assert.deepEqual((await listTasks(sql, { user, agent: 'main' }, 'other')).rows, [])
    assert.ok((await deleteOld(sql, 1, { now: () => atMs + 2 * 86_400_000 })) >= 6)
    assert.deepEqual(await listed(9), [])
  })

  test('pages neither lose nor repeat a task that ends, or is submitted, between them', async () => {
    const sql = subject()
    const user = mark()
    const atMs = 6_000_000_000_000 + Math.floor(Math.random() * 1_000_000) * 100_000
    const instruments = { record: () => undefined, count: () => undefined }
    const write = createLedgerCaller({ sql, retentionDays: 1, clock: { now: () => atMs }, instruments })
    const submit = (n: number) => write({ submitted: listedTask(user, n, atMs + Math.floor(n / 2)) })
    const end = (n: number) => {
      const { lane: _, ...task } = listedTask(user, n, atMs + Math.floor(n / 2))
      return write({ task: { ...task, ...ending, completed_at_ms: atMs + 50 } })
    }
    for (let n = 0; n < 20; n++) await submit(n)
    const seen: number[] = []
    for (let after: string | null | undefined; after !== null;) {
      const { rows, next } = await listTasks(
        sql,
        { user, limit: 3, ...(after === undefined ? {} : { after }) },
        null,
      )
      seen.push(...rows.map(({ task_id }) => Number(task_id.slice(user.length + 1))))
      after = next
      // One that was shown, one that was not, and a new one.
      await end(19 - seen.length + 1)
      if (seen.length < 15) await end(seen.length % 5)
      await submit(20 + seen.length)
    }
    assert.deepEqual(
      seen.toSorted((a, b) => a - b),
      Array.from({ length: 20 }, (_, n) => n),
    )
  })

  test('tasks are found by each filter, open and ended', async () => {
    const sql = subject()
    const user = mark()
    const atMs = 7_000_000_000_000 + Math.floor(Math.random() * 1_000_000) * 100_000
    const instruments = { record: () => undefined, count: () => undefined }
    const write = createLedgerCaller({ sql, retentionDays: 1, clock: { now: () => atMs }, instruments })
    const named = { session_id: `${user}-s`, parent: `${user}-p`, profile: `${user}-f` }
    await write({ submitted: { ...listedTask(user, 1, atMs), ...named } })
    await write({ submitted: listedTask(user, 2, atMs + 1) })
    for (const [n, of] of [
      [3, { ...named, error_code: `${user}-E`, status: 'failed', model: `${user}-m`, agent: `${user}-a` }],
      [4, {}],
    ] as const) {
      const { lane: _, ...task } = listedTask(user, n, atMs + n)
      await write({ task: { ...task, ...ending, completed_at_ms: atMs + 9, ...of } })
    }
    await write({
      usage: usage({ task_id: `${user}-4`, at_ms: atMs, succeeded: 0, error_code: 'CALL_OUTCOME_UNKNOWN' }),
    })
    for (const [n, status, why] of [
      [1, 'approved', 'approval'],
      [1, 'settled', 'doubt'],
      [2, 'waiting', 'doubt'],
    ] as const)
      await sql
        .insertInto('approvals')
        .values({
          ...{ task_id: `${user}-${n}`, call_id: why, tool: 'pay', why, status, step: 1 },
          ...{ user_id: user, agent: null, arguments: '{}', terms: '{}', votes: '[]', held_at_ms: atMs },
          ...{ expires_at_ms: null, ended_at_ms: null, approval: null },
        })
        .execute()
    const found = async (filter: TaskFilter) =>
      (await listTasks(sql, { user, ...filter }, 'main')).rows.map(({ task_id }) => task_id.at(-1)).join('')
    const wanted: [TaskFilter, string][] = [
      [{ session: `${user}-s` }, '31'],
      [{ parent: `${user}-p` }, '31'],
      [{ profile: `${user}-f` }, '31'],
      [{ errorCode: `${user}-E` }, '3'],
      [{ status: 'failed' }, '3'],
      [{ status: 'open' }, '21'],
      [{ agent: `${user}-a` }, '3'],
      [{ agent: 'main' }, '21'],
      [{ model: `${user}-m`, session: `${user}-s`, status: 'failed' }, '3'],
      [{ inDoubt: true }, '42'],
      [{ inDoubt: false }, '31'],
      [{ sinceMs: atMs + 1, toMs: atMs + 4 }, '32'],
      [{ waiting: true }, '2'],
    ]
    for (const [filter, ids] of wanted) assert.equal(await found(filter), ids, JSON.stringify(filter))
    assert.equal(await found({ user: `${user}-nobody` }), '')
  })

  test('an export goes on where a page ended', async () => {
    const sql = subject()
    const atMs = 9_000_000_000_000 + Math.floor(Math.random() * 1_000_000)
    const rows = Array.from({ length: 2_100 }, (_, index) =>
      usage({ event_id: `${atMs}-${String(index).padStart(4, '0')}`, at_ms: atMs }),
    )
    for (let from = 0; from < rows.length; from += 700)
      await sql
        .insertInto('usage_ledger')
        .values(rows.slice(from, from + 700))
        .execute()
    const found: string[] = []
    for await (const text of exportLedger(sql, {
      table: 'calls',
      format: 'csv',
      fromMs: atMs,
      toMs: atMs + 1,
    }))
      found.push(...text.trim().split('\n'))
    assert.deepEqual(
      found.slice(1).map((line) => line.split(',')[1]),
      rows.map(({ event_id }) => event_id),
    )
  })
}

const ending = {
  status: 'succeeded',
  execution_ms: 1,
  input_tokens: 1,
  output_tokens: 1,
  cost: 0,
  steps: 1,
  error_code: null,
}

const listedTask = (user: string, n: number, submitted_at_ms: number) => ({
  task_id: `${user}-${n}`,
  user_id: user,
  agent: null as string | null,
  model: null as string | null,
  profile: null as string | null,
  session_id: null as string | null,
  parent: null as string | null,
  lane: 3,
  text: `task ${n}`,
  submitted_at_ms,
})
