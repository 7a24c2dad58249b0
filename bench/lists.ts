// npm run bench:lists -- [sqlite postgres] [--rows 1000000] [--writes 20000]: lists of tasks on a ledger of a
// million ended ones. For each filter the plan and the median time of a page, with the filter's index and without
// it; and what all indexes of lists cost a write.
//
// 1. A filter is asked for a value that ten tasks have: a frequent one is found soon by any way.
// 2. Without its index doubt costs little here, because the ledger of calls has only the calls in doubt.
// 3. PostgreSQL is a real one on loopback, without fsync: the ratios count, not the times.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { sql as raw, type CompiledQuery, type KyselyPlugin, type RootOperationNode } from 'kysely'
import { listTasks, type TaskQuery } from '../runtime/ledger/tasks.ts'
import { openPostgresSql } from '../runtime/store/sql-postgres.ts'
import { openSqliteSql } from '../runtime/store/sql-sqlite.ts'
import { IN_DOUBT, type Sql, type Tables } from '../runtime/store/sql.ts'
import { startPostgres } from '../test/infra/postgres.ts'
import { percentile } from './measure.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rows: { type: 'string', default: '1000000' }, writes: { type: 'string', default: '20000' } },
})
const ROWS = Number(values.rows)
const WRITES = Number(values.writes)
const OPEN_ROWS = 1_000
const IN_DOUBT_ROWS = 200
/** A copy of the ledger, as it was before lists had indexes. */
const BARE = 'bare_ledger'
const PIECE_ROWS = 20_000
const RARE_EVERY = ROWS / 10
const BEGIN_MS = 1_790_000_000_000

type Kind = 'sqlite' | 'postgres'

interface Case {
  readonly query: TaskQuery
  /** The column of its index; absent: it needs none of its own. */
  readonly column?: string
}

const halfway = `${BEGIN_MS + (ROWS / 2) * 1_000}:t`
const cases: Readonly<Record<string, Case>> = {
  'no filter': { query: {} },
  'no filter, halfway': { query: { after: halfway } },
  'since, to': { query: { sinceMs: BEGIN_MS + 5_000_000, toMs: BEGIN_MS + 9_000_000 } },
  'status=succeeded': { query: { status: 'succeeded' }, column: 'status' },
  'status=rejected': { query: { status: 'rejected' }, column: 'status' },
  'user (1 of 1,000)': { query: { user: 'user-7' }, column: 'user_id' },
  'user, halfway': { query: { user: 'user-7', after: halfway }, column: 'user_id' },
  'user, rare': { query: { user: 'rare' }, column: 'user_id' },
  'user, status=rejected': { query: { user: 'user-7', status: 'rejected' }, column: 'user_id' },
  'agent (1 of 7)': { query: { agent: 'agent-3' }, column: 'agent' },
  'agent, rare': { query: { agent: 'rare' }, column: 'agent' },
  'model, rare': { query: { model: 'rare' }, column: 'model' },
  'profile, rare': { query: { profile: 'rare' }, column: 'profile' },
  'error, rare': { query: { errorCode: 'rare' }, column: 'error_code' },
  session: { query: { session: 'session-7' }, column: 'session_id' },
  parent: { query: { parent: 't-parent-7' }, column: 'parent' },
  'doubt=true': { query: { inDoubt: true }, column: 'in_doubt' },
  'doubt=false': { query: { inDoubt: false }, column: 'in_doubt' },
}

async function run(kind: Kind, sql: Sql): Promise<void> {
  const startedMs = performance.now()
  await fill(kind, sql)
  console.log(`\n## ${kind}: ${ROWS} rows in ${seconds(startedMs)} s\n`)
  for (const [name, { query }] of Object.entries(cases))
    for (const plan of await plansOf(kind, sql, query)) console.log(`${name}: ${plan}`)
  const withIndex = await pages(sql)
  const { indexed, bare } = await writes(kind, sql)
  const dropped = await dropIndexes(kind, sql)
  const without = await pages(sql)
  console.log('\n| filter | p50 of a page | without its index |\n|---|---|---|')
  for (const [name, { column }] of Object.entries(cases))
    console.log(
      `| ${name} | ${withIndex.get(name)} ms | ${column === undefined ? '–' : `${without.get(name)} ms`} |`,
    )
  if (dropped.size > 0) console.log(`\nsizes, MB: ${[...dropped].map((each) => each.join(' ')).join(', ')}`)
  console.log(
    `\n100 rows: ${indexed.toFixed(1)} ms with the indexes of lists, ${bare.toFixed(1)} ms without: a ratio of ${(indexed / bare).toFixed(2)}`,
  )
}

const seconds = (sinceMs: number): string => ((performance.now() - sinceMs) / 1_000).toFixed(1)

/** One row each. */
function numbers(kind: Kind, from: number, to: number) {
  const [first, last] = [raw.lit(from), raw.lit(to)]
  return kind === 'postgres'
    ? raw`generate_series(${first}, ${last}) as numbers(n)`
    : raw`(with recursive counted(n) as (select ${first} union all select n + 1 from counted where n < ${last})
        select n from counted) as numbers`
}

/** The same rows in both databases. */
async function fill(kind: Kind, sql: Sql): Promise<void> {
  const table = (name: keyof Tables) => (kind === 'postgres' ? raw.id('flotilla', name) : raw.id(name))
  const id = raw`'t' || cast(1000000000 + n as text)`
  const rare = (frequent: ReturnType<typeof raw>) =>
    raw`case when n % ${raw.lit(RARE_EVERY)} = 1 then 'rare' else ${frequent} end`
  const text = (value: ReturnType<typeof raw>) => raw`cast(${value} as text)`
  // In pieces: a statement has a time limit.
  for (let from = 0; from < ROWS; from += PIECE_ROWS)
    await raw`
    insert into ${table('task_ledger')} (task_id, status, user_id, agent, model, profile, execution_ms, input_tokens,
      output_tokens, cost, steps, error_code, submitted_at_ms, completed_at_ms, text_start, text_hash, session_id, parent)
    select ${id},
      case when n % ${raw.lit(RARE_EVERY)} = 1 then 'rejected' when n % 100 < 95 then 'succeeded'
        when n % 100 < 98 then 'failed' else 'cancelled' end,
      ${rare(raw`'user-' || ${text(raw`n * 31 % 1000`)}`)}, ${rare(raw`'agent-' || ${text(raw`n % 7`)}`)},
      ${rare(raw`'model-' || ${text(raw`n % 5`)}`)}, ${rare(raw`'profile-' || ${text(raw`n % 3`)}`)},
      1000, 400, 20, 0.001, 3,
      case when n % ${raw.lit(RARE_EVERY)} = 1 then 'rare' when n % 100 >= 95 then 'MODEL_FAILED' end,
      cast(${raw.lit(BEGIN_MS)} as bigint) + n * cast(1000 as bigint),
      cast(${raw.lit(BEGIN_MS)} as bigint) + n * cast(1000 as bigint) + 1000,
      'What is 6 times 7, and what does that say about the rest of the world?', 'hash-of-a-text-of-a-task',
      case when n % 5 = 0 then 'session-' || ${text(raw`n / 50`)} end,
      case when n % 20 = 0 then 't-parent-' || ${text(raw`n / 100`)} end
    from ${numbers(kind, from + 1, Math.min(ROWS, from + PIECE_ROWS))}`.execute(sql)
  await raw`
    insert into ${table('open_tasks')} (task_id, text_start, text_hash, user_id, agent, lane, submitted_at_ms)
    select 'open-' || task_id, text_start, text_hash, user_id, agent, 1, submitted_at_ms
    from ${table('task_ledger')} order by task_id desc limit ${raw.lit(OPEN_ROWS)}`.execute(sql)
  await raw`
    insert into ${table('usage_ledger')} (event_id, task_id, call_id, kind, input_tokens, output_tokens, cost, cost_is_guess,
      duration_ms, succeeded, error_code, cached, at_ms)
    select 'e', task_id, 'c', 'tool', 0, 0, 0, 0, 1, 0, ${raw.lit(IN_DOUBT)}, 0, submitted_at_ms
    from ${table('task_ledger')} where submitted_at_ms % ${raw.lit((ROWS / IN_DOUBT_ROWS) * 1_000)} = 0`.execute(
    sql,
  )
  // PostgreSQL does it by itself after so many rows; nothing does it on SQLite.
  if (kind === 'postgres') await raw`analyze`.execute(sql)
}

/** The plans of the queries on the ledger of tasks. */
async function plansOf(kind: Kind, sql: Sql, query: TaskQuery): Promise<string[]> {
  const asked: RootOperationNode[] = []
  const recorder: KyselyPlugin = {
    transformQuery: ({ node }) => (asked.push(node), node),
    transformResult: async ({ result }) => result,
  }
  await listTasks(sql.withPlugin(recorder), query, null)
  const executor = sql.getExecutor()
  const compiled = asked.map((node) => executor.compileQuery(node, { queryId: 'explained' }))
  const plans: string[] = []
  for (const each of compiled)
    if (each.sql.includes('"task_ledger"')) plans.push(await planOf(kind, sql, each))
  return plans
}

async function planOf(kind: Kind, sql: Sql, query: CompiledQuery): Promise<string> {
  const how = kind === 'postgres' ? 'explain ' : 'explain query plan '
  const { rows } = await sql.executeQuery<Record<string, string>>({ ...query, sql: how + query.sql })
  return rows
    .map((row) => (row['detail'] ?? row['QUERY PLAN'] ?? '').replace(/^.*?->|\(cost.*/g, '').trim())
    .join(' / ')
}

const REPEATS = 15
/** A slower page is measured once. */
const SLOW_MS = 1_000

async function pages(sql: Sql): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const [name, { query }] of Object.entries(cases)) {
    const times: number[] = []
    while (times.length < REPEATS && (times[0] ?? 0) < SLOW_MS) {
      const startedMs = performance.now()
      await listTasks(sql, query, null)
      times.push(performance.now() - startedMs)
    }
    found.set(name, percentile(times, 0.5).toFixed(1))
  }
  return found
}

/**
 * New rows as metering writes them, 100 in a statement, in turns into the ledger and into a copy without the indexes
 * of lists, so that whatever else the machine does concerns both. Medians, in milliseconds.
 */
async function writes(kind: Kind, sql: Sql): Promise<{ indexed: number; bare: number }> {
  const copy = kind === 'postgres' ? raw.id('flotilla', BARE) : raw.id(BARE)
  const ledger = kind === 'postgres' ? raw.id('flotilla', 'task_ledger') : raw.id('task_ledger')
  await raw`create table ${copy} as select * from ${ledger}`.execute(sql)
  await raw`create unique index bare_key on ${copy} (task_id)`.execute(sql)
  await raw`create index bare_by_completed_at_ms on ${copy} (completed_at_ms)`.execute(sql)
  const last = await sql
    .selectFrom('task_ledger')
    .selectAll()
    .orderBy('task_id', 'desc')
    .executeTakeFirstOrThrow()
  const times = { indexed: [] as number[], bare: [] as number[] }
  for (let from = 0; from < WRITES; from += 100) {
    const batch = Array.from({ length: 100 }, (_, index) => newRow(last, from + index))
    for (const name of ['indexed', 'bare'] as const) {
      const table = name === 'bare' ? (BARE as 'task_ledger') : 'task_ledger'
      const startedMs = performance.now()
      await sql.insertInto(table).values(batch).execute()
      times[name].push(performance.now() - startedMs)
    }
  }
  return { indexed: percentile(times.indexed, 0.5), bare: percentile(times.bare, 0.5) }
}

const newRow = (row: Tables['task_ledger'], number: number): Tables['task_ledger'] => ({
  ...row,
  task_id: `u-${String(number).padStart(9, '0')}`,
  user_id: `user-${(number * 31) % 1_000}`,
  agent: `agent-${number % 7}`,
  model: `model-${number % 5}`,
  profile: `profile-${number % 3}`,
  status: number % 100 < 95 ? 'succeeded' : 'failed',
  error_code: number % 100 < 95 ? null : 'MODEL_FAILED',
  session_id: number % 5 === 0 ? `session-new-${number}` : null,
  parent: number % 20 === 0 ? `t-new-${number}` : null,
  submitted_at_ms: row.submitted_at_ms + number,
  completed_at_ms: row.completed_at_ms + number,
})

/** All of filters, but not that of the order. By name, the size that it had; SQLite does not say it. */
async function dropIndexes(kind: Kind, sql: Sql): Promise<Map<string, string>> {
  const sizes = new Map<string, string>()
  const columns = new Set(Object.values(cases).flatMap(({ column }) => column ?? []))
  for (const column of columns) {
    const name = `${column === 'in_doubt' ? 'usage' : 'task'}_ledger_list_${column}`
    if (kind === 'postgres') {
      const size = raw<{ bytes: string }>`select pg_relation_size(${`flotilla.${name}`}) as bytes`
      sizes.set(column, (Number((await size.execute(sql)).rows[0]?.bytes) / 1e6).toFixed(1))
    }
    await drop(sql, name)
  }
  return sizes
}

const drop = (sql: Sql, name: string): Promise<void> => sql.schema.dropIndex(name).execute()

async function onSqlite(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-lists-'))
  const sql = await openSqliteSql({ dataDir: directory })
  try {
    await run('sqlite', sql)
  } finally {
    await sql.destroy()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function onPostgres(): Promise<void> {
  const server = await startPostgres()
  const sql = await openPostgresSql(server.url)
  try {
    await run('postgres', sql)
  } finally {
    await sql.destroy()
    await server.stop()
  }
}

const wanted = positionals.length === 0 ? ['sqlite', 'postgres'] : positionals
if (wanted.includes('sqlite')) await onSqlite()
if (wanted.includes('postgres')) await onPostgres()
