import { Migrator } from 'kysely/migration'
import { sql as raw, type Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import { FlotillaError, messageOf } from '../errors.ts'
import { IN_DOUBT, type Sql, type Tables } from './sql.ts'

export type SqlKind = 'sqlite' | 'postgres'

/**
 * In order of their names. A released migration is never changed: add the next one. The release before goes on
 * with the tables that it leaves, in a rolling upgrade and after a rollback: it only adds tables, indexes and
 * columns that may be null. One that does not has a name that ends with `_breaking`, which older releases refuse.
 */
function migrationsFor(kind: SqlKind): Record<string, Migration> {
  return {
    '0001_ledgers': { up: (db: Kysely<Tables>) => createLedgers(db, kind) },
    '0002_open_tasks': { up: (db: Kysely<Tables>) => createOpenTasks(db) },
    '0003_api_keys': { up: (db: Kysely<Tables>) => createApiKeys(db) },
    '0004_listed_tasks': { up: (db: Kysely<Tables>) => createListIndexes(db) },
    '0005_evaluations': { up: (db: Kysely<Tables>) => createEvaluations(db) },
    '0006_sessions': { up: (db: Kysely<Tables>) => createSessions(db) },
    '0007_approvals': { up: (db: Kysely<Tables>) => createApprovals(db) },
    '0008_key_makers': { up: (db: Kysely<Tables>) => addKeyMakers(db) },
    '0010_evaluation_positions': { up: (db: Kysely<Tables>) => addPositions(db) },
    '0011_session_variables': { up: (db: Kysely<Tables>) => addSessionVariables(db) },
  }
}

export interface MigrateOptions {
  /** The schema that `sql` is bound to. Default: none. */
  readonly schema?: string
  /** Runs the work while no other process does. Default: at once, for a database of one process. */
  readonly alone?: (work: () => Promise<void>) => Promise<void>
}

/** Brings the database to this version's tables. One that has them is only read. */
export async function migrate(
  sql: Sql,
  kind: SqlKind,
  { schema, alone = (work) => work() }: MigrateOptions = {},
): Promise<void> {
  const known = migrationsFor(kind)
  const done = await executed(sql)
  const newer = done.filter((name) => !(name in known))
  refuseBreaking(newer, kind)
  if (Object.keys(known).some((name) => !done.includes(name)))
    await alone(() => migrateToLatest(sql, kind, newer, schema))
}

async function migrateToLatest(
  sql: Sql,
  kind: SqlKind,
  newer: readonly string[],
  schema: string | undefined,
): Promise<void> {
  const theirs = Object.fromEntries(newer.map((name) => [name, { up: () => Promise.resolve() }]))
  const provider = { getMigrations: () => Promise.resolve({ ...migrationsFor(kind), ...theirs }) }
  const place = schema === undefined ? {} : { migrationTableSchema: schema }
  const { error } = await new Migrator({ db: sql, provider, ...place }).migrateToLatest()
  if (error === undefined) return
  if (error instanceof FlotillaError) throw error
  const reason = messageOf(error)
  throw new FlotillaError('STORE_UNAVAILABLE', `creating the tables (${kind}): ${reason}`, { cause: error })
}

/** Names of the migrations that the database has; none if it is new. A broken one fails with the next step. */
async function executed(sql: Sql): Promise<string[]> {
  try {
    const rows = await (sql as unknown as Kysely<{ kysely_migration: { name: string } }>)
      .selectFrom('kysely_migration')
      .select('name')
      .execute()
    return rows.map(({ name }) => name)
  } catch {
    return []
  }
}

function refuseBreaking(newer: readonly string[], kind: SqlKind): void {
  const breaking = newer.filter((name) => name.endsWith('_breaking'))
  if (breaking.length === 0) return
  throw new FlotillaError(
    'STORE_UNAVAILABLE',
    `the tables (${kind}) were changed by a newer Flotilla (${breaking.join(', ')}), so that this one can not use them. ` +
      'Start that release, or restore the backup made before it (docs/upgrading.md)',
  )
}

async function createLedgers(db: Kysely<Tables>, kind: SqlKind): Promise<void> {
  await createUsageLedger(db)
  await createTaskLedger(db)
  await createFeedback(db)
  await db.schema
    .createTable('blobs')
    .ifNotExists()
    .addColumn('hash', 'text', (column) => column.primaryKey())
    .addColumn('bytes', kind === 'postgres' ? 'bytea' : 'blob', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .execute()
  for (const [table, column] of indexes) {
    const name = `${table}_by_${column}`
    await db.schema.createIndex(name).ifNotExists().on(table).column(column).execute()
  }
}

/** Indexes for the lookups of summaries and the console. */
const indexes = [
  ['usage_ledger', 'at_ms'],
  ['task_ledger', 'completed_at_ms'],
  ['blobs', 'created_at_ms'],
] as const

async function createUsageLedger(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('usage_ledger')
    .ifNotExists()
    .addColumn('event_id', 'text', (column) => column.notNull())
    .addColumn('task_id', 'text', (column) => column.notNull())
    .addColumn('call_id', 'text', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('user_id', 'text')
    .addColumn('agent', 'text')
    .addColumn('model', 'text')
    .addColumn('provider', 'text')
    .addColumn('tool', 'text')
    .addColumn('input_tokens', 'bigint', (column) => column.notNull())
    .addColumn('output_tokens', 'bigint', (column) => column.notNull())
    .addColumn('cost', 'double precision', (column) => column.notNull())
    .addColumn('cost_is_guess', 'integer', (column) => column.notNull())
    .addColumn('duration_ms', 'double precision', (column) => column.notNull())
    .addColumn('succeeded', 'integer', (column) => column.notNull())
    .addColumn('error_code', 'text')
    .addColumn('cached', 'integer', (column) => column.notNull())
    .addColumn('at_ms', 'bigint', (column) => column.notNull())
    // The task first: its rows are adjacent, and those of new tasks are at the end of the index (ids are in
    // order of time).
    .addPrimaryKeyConstraint('usage_ledger_key', ['task_id', 'event_id'])
    .execute()
}

async function createTaskLedger(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('task_ledger')
    .ifNotExists()
    .addColumn('task_id', 'text', (column) => column.primaryKey())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('user_id', 'text')
    .addColumn('agent', 'text')
    .addColumn('model', 'text')
    .addColumn('profile', 'text')
    .addColumn('execution_ms', 'double precision', (column) => column.notNull())
    .addColumn('input_tokens', 'bigint', (column) => column.notNull())
    .addColumn('output_tokens', 'bigint', (column) => column.notNull())
    .addColumn('cost', 'double precision', (column) => column.notNull())
    .addColumn('steps', 'integer', (column) => column.notNull())
    .addColumn('error_code', 'text')
    .addColumn('submitted_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('completed_at_ms', 'bigint', (column) => column.notNull())
    .execute()
}

async function createFeedback(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('task_feedback')
    .ifNotExists()
    .addColumn('task_id', 'text', (column) => column.primaryKey())
    .addColumn('satisfaction', 'double precision')
    .addColumn('comment', 'text')
    .addColumn('given_by', 'text')
    .addColumn('given_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('quality', 'double precision')
    .addColumn('scorer', 'text')
    .addColumn('scored_at_ms', 'bigint', (column) => column.notNull())
    .execute()
}

/** Also what was asked, in the ledger of tasks: unknown of those that ended before. */
async function createOpenTasks(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('open_tasks')
    .ifNotExists()
    .addColumn('task_id', 'text', (column) => column.primaryKey())
    .addColumn('text_start', 'text', (column) => column.notNull())
    .addColumn('text_hash', 'text', (column) => column.notNull())
    .addColumn('user_id', 'text')
    .addColumn('agent', 'text')
    .addColumn('model', 'text')
    .addColumn('profile', 'text')
    .addColumn('lane', 'integer', (column) => column.notNull())
    .addColumn('submitted_at_ms', 'bigint', (column) => column.notNull())
    .execute()
  const index = db.schema.createIndex('open_tasks_by_submitted_at_ms').ifNotExists()
  await index.on('open_tasks').column('submitted_at_ms').execute()
  for (const column of ['text_start', 'text_hash'])
    await db.schema.alterTable('task_ledger').addColumn(column, 'text').execute()
}

async function createApiKeys(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('api_keys')
    .ifNotExists()
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('secret_hash', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('user_id', 'text')
    .addColumn('scopes', 'text', (column) => column.notNull())
    .addColumn('agents', 'text')
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('created_by', 'text')
    .addColumn('expires_at_ms', 'bigint')
    .addColumn('last_used_at_ms', 'bigint')
    .addColumn('revoked_at_ms', 'bigint')
    .execute()
}

async function addKeyMakers(db: Kysely<Tables>): Promise<void> {
  await db.schema.alterTable('api_keys').addColumn('made_by', 'text').execute()
}

/**
 * What lists of tasks filter by, each with the order of the list, so that a page is a range of an index. Of
 * columns that few tasks have, only those rows are in it.
 */
async function createListIndexes(db: Kysely<Tables>): Promise<void> {
  for (const table of ['task_ledger', 'open_tasks'])
    for (const column of ['session_id', 'parent'])
      await db.schema.alterTable(table).addColumn(column, 'text').execute()
  const create = (table: string, column: string) =>
    db.schema.createIndex(`${table}_list_${column}`).ifNotExists().on(table)
  await create('task_ledger', 'submitted_at_ms').column('submitted_at_ms').execute()
  for (const column of ['user_id', 'agent', 'model', 'profile', 'status'])
    await create('task_ledger', column).columns([column, 'submitted_at_ms']).execute()
  for (const column of ['error_code', 'session_id', 'parent'])
    await create('task_ledger', column)
      .columns([column, 'submitted_at_ms'])
      .where(raw.ref(column), 'is not', null)
      .execute()
  await create('usage_ledger', 'in_doubt')
    .column('task_id')
    .where(raw.ref('error_code'), '=', raw.lit(IN_DOUBT))
    .execute()
}

async function createApprovals(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('approvals')
    .ifNotExists()
    .addColumn('task_id', 'text', (column) => column.notNull())
    .addColumn('call_id', 'text', (column) => column.notNull())
    .addColumn('tool', 'text', (column) => column.notNull())
    .addColumn('why', 'text', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('step', 'integer', (column) => column.notNull())
    .addColumn('user_id', 'text')
    .addColumn('agent', 'text')
    .addColumn('arguments', 'text', (column) => column.notNull())
    .addColumn('terms', 'text', (column) => column.notNull())
    .addColumn('votes', 'text', (column) => column.notNull())
    .addColumn('held_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('expires_at_ms', 'bigint')
    .addColumn('ended_at_ms', 'bigint')
    .addColumn('approval', 'text')
    .addPrimaryKeyConstraint('approvals_key', ['task_id', 'call_id'])
    .execute()
  const index = db.schema.createIndex('approvals_by_status').ifNotExists().on('approvals')
  await index.columns(['status', 'held_at_ms']).execute()
}

async function createEvaluations(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('evaluation_runs')
    .ifNotExists()
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('dataset', 'text', (column) => column.notNull())
    .addColumn('dataset_hash', 'text', (column) => column.notNull())
    .addColumn('agent', 'text')
    .addColumn('models', 'text', (column) => column.notNull())
    .addColumn('epochs', 'integer', (column) => column.notNull())
    .addColumn('cases', 'integer', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('started_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('ended_at_ms', 'bigint')
    .addColumn('settings', 'text', (column) => column.notNull())
    .addColumn('summary', 'text')
    .execute()
  const index = db.schema.createIndex('evaluation_runs_by_started_at_ms').ifNotExists()
  await index.on('evaluation_runs').columns(['started_at_ms', 'id']).execute()
  await createEvaluationCases(db)
}

async function addPositions(db: Kysely<Tables>): Promise<void> {
  await db.schema.alterTable('evaluation_runs').addColumn('position', 'text').execute()
}

async function createSessions(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('sessions')
    .ifNotExists()
    .addColumn('session_id', 'text', (column) => column.primaryKey())
    .addColumn('user_id', 'text')
    .addColumn('begun_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('last_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('turns', 'integer', (column) => column.notNull())
    .addColumn('summary', 'text')
    .addColumn('summary_through', 'integer')
    .execute()
  const index = (name: string, columns: ('user_id' | 'last_at_ms' | 'session_id')[]) =>
    db.schema.createIndex(name).ifNotExists().on('sessions').columns(columns).execute()
  await index('sessions_by_last_at_ms', ['last_at_ms', 'session_id'])
  await index('sessions_by_user_id', ['user_id', 'last_at_ms'])
  await db.schema
    .createTable('session_turns')
    .ifNotExists()
    .addColumn('session_id', 'text', (column) => column.notNull())
    .addColumn('turn', 'integer', (column) => column.notNull())
    .addColumn('task_id', 'text', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('asked', 'text', (column) => column.notNull())
    .addColumn('answered', 'text', (column) => column.notNull())
    .addColumn('at_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('session_turns_key', ['session_id', 'turn'])
    .execute()
}

async function addSessionVariables(db: Kysely<Tables>): Promise<void> {
  await db.schema.alterTable('sessions').addColumn('variables', 'text').execute()
}

async function createEvaluationCases(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('evaluation_cases')
    .ifNotExists()
    .addColumn('run_id', 'text', (column) => column.notNull())
    .addColumn('case_id', 'text', (column) => column.notNull())
    .addColumn('model', 'text', (column) => column.notNull())
    .addColumn('epoch', 'integer', (column) => column.notNull())
    .addColumn('task_id', 'text', (column) => column.notNull())
    .addColumn('case_hash', 'text', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('passed', 'integer', (column) => column.notNull())
    .addColumn('score', 'double precision')
    .addColumn('scores', 'text', (column) => column.notNull())
    .addColumn('problem', 'text')
    .addColumn('input', 'text', (column) => column.notNull())
    .addColumn('output', 'text', (column) => column.notNull())
    .addColumn('metadata', 'text', (column) => column.notNull())
    .addColumn('answered_by', 'text')
    .addColumn('cost', 'double precision', (column) => column.notNull())
    .addColumn('judge_cost', 'double precision', (column) => column.notNull())
    .addColumn('cost_is_guess', 'integer', (column) => column.notNull())
    .addColumn('latency_ms', 'double precision', (column) => column.notNull())
    .addColumn('steps', 'integer', (column) => column.notNull())
    .addColumn('input_tokens', 'bigint', (column) => column.notNull())
    .addColumn('output_tokens', 'bigint', (column) => column.notNull())
    .addColumn('error_code', 'text')
    .addColumn('scored_at_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('evaluation_cases_key', ['run_id', 'case_id', 'model', 'epoch'])
    .execute()
}
