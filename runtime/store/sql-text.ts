// Texts in queries that mean the same in SQLite and in PostgreSQL, whatever locale its database has.
import { sql as raw, SqliteAdapter, type RawBuilder } from 'kysely'
import type { Sql } from './sql.ts'

/** SQLite's own `lower` knows ASCII alone; this one is defined on its connections (sql-sqlite.ts), and slower. */
export const UNICODE_LOWER = 'unicode_lower'

const isSqlite = (sql: Sql): boolean => sql.getExecutor().adapter instanceof SqliteAdapter

/**
 * The column in the order of its bytes, in which this process compares ASCII texts too. PostgreSQL's own is that of a
 * locale, where `a` may come before `B`, and `-` counts for nothing.
 */
export const inByteOrder = (sql: Sql, column: string): RawBuilder<string> =>
  isSqlite(sql) ? raw<string>`${raw.ref(column)}` : raw<string>`${raw.ref(column)} collate "C"`

/**
 * Whether the column has the text somewhere in it. Case does not count; in a database of PostgreSQL with the locale C,
 * only that of ASCII letters does not.
 */
export function hasText(sql: Sql, column: string, text: string): RawBuilder<boolean> {
  const within = raw.ref(column)
  if (!isSqlite(sql)) return raw<boolean>`strpos(lower(${within}), lower(${text})) > 0`
  const lower = raw.raw(isAscii(text) ? 'lower' : UNICODE_LOWER)
  return raw<boolean>`instr(${lower}(${within}), ${text.toLowerCase()}) > 0`
}

const isAscii = (text: string): boolean => !/[^\0-\x7f]/.test(text)
