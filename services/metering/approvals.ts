// Rows of calls that wait for people. Events of one call come in order; a redelivered one changes nothing.
import type { Sql } from '../../runtime/store/sql.ts'
import type { HeldRow, ReleasedRow } from './call.ts'

/** A call may wait again: first for an approval, then because it is in doubt. */
export function upsertHeld(sql: Sql, row: HeldRow): Promise<unknown> {
  const { task_id: _task, call_id: _call, ...rest } = row
  return sql
    .insertInto('approvals')
    .values(row)
    .onConflict((on) =>
      on
        .columns(['task_id', 'call_id'])
        .doUpdateSet(rest)
        .where((where) =>
          where.or([
            where('approvals.held_at_ms', '<', row.held_at_ms),
            where('approvals.status', '=', 'waiting'),
          ]),
        ),
    )
    .execute()
}

export function release(sql: Sql, { task_id, call_id, held_at_ms, ...ended }: ReleasedRow): Promise<unknown> {
  return sql
    .updateTable('approvals')
    .set(ended)
    .where('task_id', '=', task_id)
    .where('call_id', '=', call_id)
    .where('held_at_ms', '<=', held_at_ms)
    .execute()
}
