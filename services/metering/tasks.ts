// Rows of tasks, many in one statement: open ones from their submission to their result, then the ledger's.
import { sql as raw } from 'kysely'
import type { Sql, Tables } from '../../runtime/store/sql.ts'
import { Columns, RowStatement } from './row-statement.ts'

export type OpenTask = Tables['open_tasks']
export type ClosedTask = Tables['task_ledger']

/**
 * Opens those that have no result. Resolves with the ids that were used before with another text: the first
 * submission counts.
 */
export async function openTasks(sql: Sql, rows: readonly OpenTask[]): Promise<string[]> {
  const ended = await hashesOf(sql, 'task_ledger', rows)
  const wanted = rows.filter(({ task_id }) => !ended.has(task_id)).toSorted(byId)
  const opened = wanted.length === 0 ? [] : await insertOpen.run(sql, wanted)
  const open =
    opened.length === wanted.length ? new Map<string, string>() : await hashesOf(sql, 'open_tasks', wanted)
  const isOther = ({ task_id, text_hash }: OpenTask): boolean => {
    const known = ended.get(task_id) ?? open.get(task_id) ?? text_hash
    return known !== text_hash
  }
  return rows.filter(isOther).map(({ task_id }) => task_id)
}

const openColumns = new Columns<OpenTask>({
  task_id: 0,
  text_start: 0,
  text_hash: 0,
  user_id: 0,
  agent: 0,
  model: 0,
  profile: 0,
  lane: 0,
  submitted_at_ms: 0,
  session_id: 0,
  parent: 0,
})
const closedColumns = new Columns<ClosedTask>({
  task_id: 0,
  status: 0,
  user_id: 0,
  agent: 0,
  model: 0,
  profile: 0,
  execution_ms: 0,
  input_tokens: 0,
  output_tokens: 0,
  cost: 0,
  steps: 0,
  error_code: 0,
  submitted_at_ms: 0,
  completed_at_ms: 0,
  text_start: 0,
  text_hash: 0,
  session_id: 0,
  parent: 0,
})
const itself = (id: string): unknown[] => [id]

const insertOpen = new RowStatement(
  (sql, rows: readonly OpenTask[]) =>
    sql
      .insertInto('open_tasks')
      .values(rows.map(openColumns.rowOf))
      .onConflict((on) => on.column('task_id').doNothing())
      .returning('task_id'),
  openColumns.valuesOf,
)

const hashes = {
  open_tasks: hashesIn('open_tasks'),
  task_ledger: hashesIn('task_ledger'),
}

function hashesIn(table: 'open_tasks' | 'task_ledger') {
  return new RowStatement(
    (sql, ids: readonly string[]) =>
      sql.selectFrom(table).select(['task_id', 'text_hash']).where('task_id', 'in', ids),
    itself,
  )
}

async function hashesOf(
  sql: Sql,
  table: 'open_tasks' | 'task_ledger',
  rows: readonly OpenTask[],
): Promise<Map<string, string | null>> {
  if (rows.length === 0) return new Map()
  const found = await hashes[table].run(
    sql,
    rows.map(({ task_id }) => task_id),
  )
  return new Map(found.map(({ task_id, text_hash }) => [task_id, text_hash]))
}

const insertClosed = new RowStatement(
  (sql, rows: readonly ClosedTask[]) =>
    sql
      .insertInto('task_ledger')
      .values(rows.map(closedColumns.rowOf))
      .onConflict((on) => on.column('task_id').doNothing()),
  closedColumns.valuesOf,
)

const deleteOpen = new RowStatement(
  (sql, ids: readonly string[]) => sql.deleteFrom('open_tasks').where('task_id', 'in', ids),
  itself,
)

const withdrawWaiting = new RowStatement(
  (sql, ids: readonly string[]) =>
    sql
      .updateTable('approvals')
      .set(({ selectFrom }) => ({
        status: raw.lit('withdrawn'),
        ended_at_ms: selectFrom('task_ledger')
          .select('completed_at_ms')
          .whereRef('task_ledger.task_id', '=', 'approvals.task_id'),
      }))
      .where('task_id', 'in', ids)
      .where('status', '=', raw.lit('waiting')),
  itself,
)

/** In a fixed order, so that two owners of a lane that write the same rows can't deadlock. */
export async function closeTasks(sql: Sql, rows: readonly ClosedTask[]): Promise<void> {
  const sorted = rows.toSorted(byId)
  await insertClosed.run(sql, sorted)
  const ids = sorted.map(({ task_id }) => task_id)
  await deleteOpen.run(sql, ids)
  await withdrawWaiting.run(sql, ids)
}

/** Equal ids stay in order of arrival. */
function byId({ task_id: a }: { task_id: string }, { task_id: b }: { task_id: string }): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
