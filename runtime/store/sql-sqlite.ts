// Kysely over the data file's connection.
//
// 1. A statement outside a transaction joins the file's next transaction; a select runs at once, unless the
//    file is held.
// 2. A Kysely transaction holds the file: the log's commits wait for its end. It may await nothing but its
//    own statements: awaiting the log or a store on the same file would deadlock.
import { Kysely, SelectQueryNode, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely'
import type { CompiledQuery, DatabaseConnection, Dialect, Driver, QueryResult } from 'kysely'
import type { SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite'
import { openDataFile } from './data-file/data-file.ts'
import type { DataFile, DataFileOptions } from './data-file/data-file.ts'
import { migrate } from './migrations.ts'
import { UNICODE_LOWER } from './sql-text.ts'
import type { Sql, Tables } from './sql.ts'

const PREPARED_MOST = 200

interface Prepared {
  readonly statement: StatementSync
  readonly returnsRows: boolean
}

/** Migrations of one process take turns: SQLite has no lock that spans them. */
let migrating: Promise<void> = Promise.resolve()

/** Opens the tables in the data file, created or brought up to date. `destroy()` releases the file. */
export async function openSqliteSql(options: DataFileOptions): Promise<Sql> {
  const sql = new Kysely<Tables>({ dialect: dataFileDialect(openDataFile(options)) })
  const migrated = migrating.then(() => migrate(sql, 'sqlite'))
  migrating = migrated.catch(() => undefined)
  await migrated.catch(async (error: unknown) => {
    await sql.destroy()
    throw error
  })
  return sql
}

function dataFileDialect(file: DataFile): Dialect {
  return {
    createAdapter: () => new SharedFileAdapter(),
    createDriver: () => new DataFileDriver(file),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  }
}

/** Kysely would run one statement at a time; the data file does better: it joins those of one tick. */
class SharedFileAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true
  }
}

class DataFileDriver implements Driver {
  readonly #file: DataFile
  readonly #prepared = new Map<string, Prepared>()
  #open = true

  constructor(file: DataFile) {
    this.#file = file
    file.db.function(UNICODE_LOWER, { deterministic: true }, lowered)
  }

  async init(): Promise<void> {}

  acquireConnection(): Promise<FileConnection> {
    return Promise.resolve(new FileConnection(this.#file, (text) => this.#prepare(text)))
  }

  async beginTransaction(connection: FileConnection): Promise<void> {
    const release = await this.#file.hold()
    try {
      this.#file.guarded(() => this.#file.db.exec('BEGIN IMMEDIATE'))
      connection.endHold = release
    } catch (error) {
      release()
      throw error
    }
  }

  async commitTransaction(connection: FileConnection): Promise<void> {
    this.#file.guarded(() => this.#file.db.exec('COMMIT'))
    connection.endHold?.()
    connection.endHold = null
  }

  async rollbackTransaction(connection: FileConnection): Promise<void> {
    if (connection.endHold === null) return
    if (this.#file.db.isTransaction) this.#file.db.exec('ROLLBACK')
    connection.endHold()
    connection.endHold = null
  }

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {
    if (this.#open) this.#file.release()
    this.#open = false
  }

  #prepare(text: string): Prepared {
    const found = this.#prepared.get(text)
    if (found) return found
    if (this.#prepared.size >= PREPARED_MOST) this.#prepared.clear()
    const statement = this.#file.db.prepare(text)
    const prepared = { statement, returnsRows: statement.columns().length > 0 }
    this.#prepared.set(text, prepared)
    return prepared
  }
}

class FileConnection implements DatabaseConnection {
  endHold: (() => void) | null = null
  readonly #file: DataFile
  readonly #prepare: (text: string) => Prepared

  constructor(file: DataFile, prepare: (text: string) => Prepared) {
    this.#file = file
    this.#prepare = prepare
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const run = (): QueryResult<R> => this.#run<R>(query)
    const atOnce = this.endHold !== null || (SelectQueryNode.is(query.query) && !this.#file.held)
    return atOnce ? this.#file.guarded(run) : this.#file.write(run)
  }

  /** One piece: rows come from memory of the same process. */
  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    yield await this.executeQuery<R>(query)
  }

  #run<R>(query: CompiledQuery): QueryResult<R> {
    const { statement, returnsRows } = this.#prepare(query.sql)
    const values = query.parameters.map(bindable)
    if (returnsRows) return { rows: statement.all(...values) as R[] }
    const { changes, lastInsertRowid } = statement.run(...values)
    return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) }
  }
}

function bindable(value: unknown): SQLInputValue {
  if (typeof value === 'boolean') return value ? 1 : 0
  return value === undefined ? null : (value as SQLInputValue)
}

const lowered = (value: SQLOutputValue): SQLInputValue =>
  typeof value === 'string' ? value.toLowerCase() : value
