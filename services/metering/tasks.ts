// Rows of tasks, many in one statement: open ones from their submission to their result, then the ledger's.
import type { Sql, Tables } from '../../runtime/store/sql.ts'

export type OpenTask = Tables['open_tasks']
export type ClosedTask = Tables['task_ledger']

/**
 * Opens those that have no result. Resolves with the ids that were used before with another text: the first
 * submission counts.
 */
export async function openTasks(sql: Sql, rows: readonly OpenTask[]): Promise<string[]> {
  const ended = await hashesOf(sql, 'task_ledger', rows)
  const wanted = rows.filter(({ task_id }) => !ended.has(task_id)).toSorted(byId)
  const opened = wanted.length === 0 ? [] : await insertOpen(sql, wanted)
  const open =
    opened.length === wanted.length ? new Map<string, string>() : await hashesOf(sql, 'open_tasks', wanted)
  const isOther = ({ task_id, text_hash }: OpenTask): boolean => {
    const known = ended.get(task_id) ?? open.get(task_id) ?? text_hash
    return known !== text_hash
  }
  return rows.filter(isOther).map(({ task_id }) => task_id)
}

function insertOpen(sql: Sql, rows: readonly OpenTask[]): Promise<{ task_id: string }[]> {
  const insert = sql.insertInto('open_tasks').values(rows)
  return insert
    .onConflict((on) => on.column('task_id').doNothing())
    .returning('task_id')
    .execute()
}

async function hashesOf(
  sql: Sql,
  table: 'open_tasks' | 'task_ledger',
  rows: readonly OpenTask[],
): Promise<Map<string, string | null>> {
  const ids = rows.map(({ task_id }) => task_id)
  if (ids.length === 0) return new Map()
  const found = await sql
    .selectFrom(table)
    .select(['task_id', 'text_hash'])
    .where('task_id', 'in', ids)
    .execute()
  return new Map(found.map(({ task_id, text_hash }) => [task_id, text_hash]))
}

/** In a fixed order, so that two owners of a lane that write the same rows can't deadlock. */
export async function closeTasks(sql: Sql, rows: readonly ClosedTask[]): Promise<void> {
  const sorted = rows.toSorted(byId)
  const insert = sql.insertInto('task_ledger').values(sorted)
  await insert.onConflict((on) => on.column('task_id').doNothing()).execute()
  const ids = sorted.map(({ task_id }) => task_id)
  await sql.deleteFrom('open_tasks').where('task_id', 'in', ids).execute()
  const waiting = sql.updateTable('approvals').where('task_id', 'in', ids).where('status', '=', 'waiting')
  await waiting
    .set({ status: 'withdrawn', ended_at_ms: Math.max(...rows.map((row) => row.completed_at_ms)) })
    .execute()
}

/** Equal ids stay in order of arrival. */
function byId({ task_id: a }: { task_id: string }, { task_id: b }: { task_id: string }): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
