// Whether the database takes rows now. A server that answers may still refuse them: a standby, a right that was taken away, a
// table that is gone.
import { sql as raw } from 'kysely'
import type { Sql, Tables } from './sql.ts'

type Table = keyof Tables

/** Rejects with the database's reason if it refuses rows of one of these tables. Writes none, and takes no room on a disk. */
export async function requireWritable(sql: Sql, tables: readonly Table[]): Promise<void> {
  await Promise.all(tables.map((table) => insertNone(sql, table)))
}

function insertNone(sql: Sql, table: Table): Promise<unknown> {
  const none = sql
    .selectFrom(table)
    .selectAll()
    .where(raw<boolean>`false`)
  return sql.insertInto(table).expression(none).execute()
}

/** Tables that metering writes. */
export const ledgerTables = [
  'usage_ledger',
  'open_tasks',
  'task_ledger',
  'task_feedback',
  'approvals',
  'sessions',
  'session_turns',
] as const satisfies readonly Table[]
