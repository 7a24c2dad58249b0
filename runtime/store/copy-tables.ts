// Copies the tables of a data file's fleet to its database, row by row.
//
// 1. The tables are those of the target: both sides were brought to the same migration.
// 2. A row that is there already stays, and must be the same: copying again adds nothing.
// 3. Each page is read back and compared before the next one.
import { hash } from 'node:crypto'
import { sql as raw, type Kysely } from 'kysely'
import { FlotillaError } from '../errors.ts'
import type { DataFile } from './data-file/data-file.ts'
import type { Sql } from './sql.ts'

/** PostgreSQL takes 65,535 parameters in a statement. */
const PAGE_ROWS = 200
/** Unless one row alone is larger: large payloads are rows too. */
const PAGE_BYTES = 8 * 1_048_576
/** PostgreSQL's word for a table or schema that is not there. */
const ABSENT = /^(42P01|3F000)$/

type Row = Record<string, unknown>
type AnyTables = Record<string, Row>

const anyTables = (sql: Sql): Kysely<AnyTables> => sql as unknown as Kysely<AnyTables>

/** Tables of the log, the key-value store and the limits, and SQLite's and Kysely's own. */
const OTHERS =
  /^(sqlite_|kysely_|record|slots$|positions$|subscriptions$|lane_|log_identity$|key_values$|limit_)/

/** Names of the tables that a fleet on Kafka has in its database. */
export function storedTables({ db }: DataFile): string[] {
  const found = db.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`).all()
  return found.map(({ name }) => String(name)).filter((name) => !OTHERS.test(name))
}

export const countStoredRows = ({ db }: DataFile, table: string): number =>
  Number(db.prepare(`SELECT count(*) AS n FROM "${table}"`).get()?.['n'])

async function countRows(sql: Sql, table: string): Promise<number> {
  const row = await anyTables(sql)
    .selectFrom(table)
    .select(({ fn }) => fn.countAll().as('n'))
    .executeTakeFirst()
  return Number(row?.['n'])
}

/** Whether the table has rows; one that is not there has none. */
export async function holdsRows(sql: Sql, table: string): Promise<boolean> {
  try {
    const found = await anyTables(sql)
      .selectFrom(table)
      .select(raw`1`.as('one'))
      .limit(1)
      .execute()
    return found.length > 0
  } catch (error) {
    if (isAbsent(error)) return false
    throw error
  }
}

/** PostgreSQL's error is the cause of STORE_UNAVAILABLE. */
function isAbsent(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && 'code' in cause && ABSENT.test(String(cause.code))
}

/**
 * Copies the table and compares it. Resolves with how many rows there are. Rejects with REQUEST_INVALID if the target has
 * another row of the same key, or more rows.
 */
export async function copyTable(file: DataFile, sql: Sql, table: string): Promise<number> {
  const target = anyTables(sql)
  const key = keyOf(file, table)
  for (const page of pagesOf(file, table)) {
    await target
      .insertInto(table)
      .values(page.map(insertable))
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    const found = await target
      .selectFrom(table)
      .selectAll()
      .where(({ eb, or, and }) =>
        or(page.map((row) => and(key.map((column) => eb(column, '=', row[column] as string))))),
      )
      .execute()
    const forms = new Set(found.map(formOf))
    const other = page.find((row) => !forms.has(formOf(row)))
    if (other) throw differs(table, key, other)
  }
  const [rows, expected] = [await countRows(sql, table), countStoredRows(file, table)]
  // Payloads are found by their content: those that were written since (dead letters, reframed) are in nobody's way.
  if (rows === expected || (table === 'blobs' && rows > expected)) return expected
  throw new FlotillaError(
    'REQUEST_INVALID',
    `the table ${table} of the database has ${rows} rows, and ${expected} were copied: move to an empty database, or under ` +
      'another prefix',
  )
}

function differs(table: string, key: readonly string[], row: Row): FlotillaError {
  const shown = key.map((column) => `${column} ${JSON.stringify(row[column])}`).join(', ')
  return new FlotillaError(
    'REQUEST_INVALID',
    `the database holds another row of ${table} with ${shown}: move to an empty database, or under another prefix`,
  )
}

function keyOf({ db }: DataFile, table: string): string[] {
  const columns = db.prepare('SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk').all(table)
  return columns.map(({ name }) => String(name))
}

function* pagesOf({ db }: DataFile, table: string): Iterable<Row[]> {
  const read = db.prepare(
    `SELECT rowid AS "$rowid", * FROM "${table}" WHERE rowid > ? ORDER BY rowid LIMIT ?`,
  )
  for (let after = 0; ;) {
    const page: Row[] = []
    let bytes = 0
    for (const { $rowid, ...row } of read.iterate(after, PAGE_ROWS)) {
      page.push(row)
      after = Number($rowid)
      bytes += bytesOf(row)
      if (bytes >= PAGE_BYTES) break
    }
    if (page.length === 0) return
    yield page
  }
}

const bytesOf = (row: Row): number =>
  Object.values(row).reduce<number>(
    (sum, value) => sum + (value instanceof Uint8Array || typeof value === 'string' ? value.length : 8),
    0,
  )

const insertable = (row: Row): Row =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? Buffer.from(value) : value,
    ]),
  )

/** One form for both databases. */
function formOf(row: Row): string {
  const columns = Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify(
    columns.map(([name, value]) => [name, value instanceof Uint8Array ? hash('sha256', value) : value]),
  )
}
