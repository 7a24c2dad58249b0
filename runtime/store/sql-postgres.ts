// The one importer of pg.
import { setTimeout } from 'node:timers/promises'
import { checkServerIdentity, type ConnectionOptions } from 'node:tls'
import { Kysely, PostgresAdapter, PostgresDialect, sql as raw } from 'kysely'
import type { PostgresPool, PostgresPoolClient } from 'kysely'
import pg from 'pg'
import type { TlsOptions } from '../config/environment/renewed-files.ts'
import type { ServerSecurity } from '../config/environment/server-security.ts'
import { FlotillaError, messageOf } from '../errors.ts'
import { migrate } from './migrations.ts'
import type { Sql, Tables } from './sql.ts'

const CONNECT_MS = 5_000
const STATEMENT_MS = 30_000
const CONNECTIONS = 10
/** How long a process asks for no more, after the server has refused it one. */
const FEWER_MS = 30_000
/** Kysely's. */
const MIGRATION_LOCK = 3853314791062309107n
const TURN_MS = 60_000
const TURN_RETRY_MS = 100

/** PostgreSQL's types for 64-bit integers and their sums: ours fit a double, so they are read as numbers. */
const NUMBERS: readonly number[] = [pg.types.builtins.INT8, pg.types.builtins.NUMERIC]
const FORBIDDEN = '42501'
const TOO_MANY = '53300'
/** SQL_ASCII keeps bytes as they are. */
const ENCODINGS = ['UTF8', 'SQL_ASCII']
/** PgBouncer's words. */
const UNKNOWN_PARAMETER = /unsupported startup parameter.*statement_timeout/
/** A server that takes no writes: a standby, mostly, which was the primary. */
const READ_ONLY = '25006'
/**
 * SQLSTATE classes that blame the server, not the statement: connection, resources, intervention, system, states of the
 * object that another session or an operator has brought about, rights that were taken away, and a schema, tables or columns
 * that are gone.
 */
const SERVER_AT_FAULT = /^(08|25006|3F000|40|42501|42P01|42703|53|55|57|58)/

/**
 * Connects and brings the tables up to date. They are in the fleet's own schema, because two fleets may share
 * a database, and use the same task id. Rejects with STORE_UNAVAILABLE naming host and port, and with
 * CONFIG_INVALID if the database can't hold every text. `destroy()` ends the pool.
 */
export async function openPostgresSql(
  url: string,
  schema = 'flotilla',
  security: ServerSecurity = {},
): Promise<Sql> {
  const sql = connectPostgresSql(url, schema, security)
  try {
    await requireEveryText(sql, placeOf(url))
    await migrate(sql, 'postgres', { schema, alone: (work) => inTurn(sql, work) })
    return sql
  } catch (error) {
    await sql.destroy()
    if (!isForbidden(error)) throw error
    const remedy = `its user needs CREATE on the database, or a schema of its own: CREATE SCHEMA "${schema}" AUTHORIZATION <user>`
    throw new FlotillaError('STORE_UNAVAILABLE', `${messageOf(error)}; ${remedy}`, { cause: error })
  }
}

/** Rows with other letters would be refused one by one. */
async function requireEveryText(sql: Sql, place: string): Promise<void> {
  const { rows } = await raw<{ server_encoding: string }>`SHOW server_encoding`.execute(sql)
  const encoding = rows[0]?.server_encoding ?? 'UTF8'
  if (ENCODINGS.includes(encoding)) return
  throw new FlotillaError(
    'CONFIG_INVALID',
    `DATABASE_URL leads to a database (${place}) whose encoding ${encoding} can't hold every text. ` +
      "Create one with ENCODING 'UTF8' TEMPLATE template0 (and copy the tables with pg_dump, if there are any)",
  )
}

const isForbidden = (error: unknown): boolean =>
  error instanceof FlotillaError && (codeOf(error.cause) === FORBIDDEN || isForbidden(error.cause))

/** As `openPostgresSql`, with the tables as they are: nothing is created, and the first statement connects. */
export function connectPostgresSql(url: string, schema: string, security: ServerSecurity = {}): Sql {
  const dialect = new PooledDialect({ pool: createPool(url, security) })
  return new Kysely<Tables>({ dialect }).withSchema(schema)
}

/**
 * Kysely's own lock on migrations belongs to a session, and a pooler hands each statement to another one: two processes
 * would have it at once, or nobody could ever take it again. `inTurn` takes its place.
 */
class PooledDialect extends PostgresDialect {
  override createAdapter(): PostgresAdapter {
    return new LocklessAdapter()
  }
}

class LocklessAdapter extends PostgresAdapter {
  override acquireMigrationLock = async (): Promise<void> => undefined
  override releaseMigrationLock = async (): Promise<void> => undefined
}

/**
 * Runs the work under the same lock as earlier releases do, here for a transaction. Processes that wait hold no connection of
 * a pooler meanwhile: the one that works needs a second one.
 */
async function inTurn(sql: Sql, work: () => Promise<void>): Promise<void> {
  const untilMs = performance.now() + TURN_MS
  for (;;) {
    const isDone = await sql.transaction().execute(async (transaction) => {
      const taken = raw<{
        taken: boolean
      }>`SELECT pg_try_advisory_xact_lock(${raw.lit(MIGRATION_LOCK)}) AS taken`
      const { rows } = await taken.execute(transaction)
      if (rows[0]?.taken) await work()
      return rows[0]?.taken
    })
    if (isDone) return
    if (performance.now() > untilMs)
      throw new FlotillaError(
        'STORE_UNAVAILABLE',
        'another process has been creating the tables for a minute',
      )
    await setTimeout(TURN_RETRY_MS)
  }
}

function createPool(url: string, security: ServerSecurity): PostgresPool {
  const pool = new pg.Pool({
    connectionString: url,
    max: CONNECTIONS,
    connectionTimeoutMillis: CONNECT_MS,
    statement_timeout: STATEMENT_MS,
    query_timeout: 2 * STATEMENT_MS,
    keepAlive: true,
    types: { getTypeParser: readType as typeof pg.types.getTypeParser },
  })
  renewIdentity(pool.options, url, security)
  // The pool replaces a broken connection; its user learns from the failing statement. Without listeners, on
  // the pool for idle connections and on each for those in use, the process would end.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  const place = placeOf(url)
  return {
    options: pool.options,
    connect: () => connectWith(pool).then((client) => watchErrors(client, place), unavailable(place)),
    end: () => pool.end(),
  }
}

/**
 * A pooler, such as PgBouncer, refuses parameters of the start that it does not know. Without the server's limit on
 * a statement the client's own remains.
 */
async function connectWith(pool: pg.Pool): Promise<pg.PoolClient> {
  // Others may find it out while this one connects.
  const { statement_timeout: asked } = pool.options
  try {
    return await pool.connect()
  } catch (error) {
    if (codeOf(error) === TOO_MANY && pool.totalCount > 0) return connectWithFewer(pool)
    if (asked === false || !UNKNOWN_PARAMETER.test(messageOf(error))) throw error
    pool.options.statement_timeout = false
    return pool.connect()
  }
}

/** The server has no more connections for this process now: statements take turns on those that there are. */
function connectWithFewer(pool: pg.Pool): Promise<pg.PoolClient> {
  if (pool.options.max === CONNECTIONS)
    globalThis.setTimeout(() => (pool.options.max = CONNECTIONS), FEWER_MS).unref()
  pool.options.max = Math.min(pool.options.max, pool.totalCount)
  return connectWith(pool)
}

/** The pool hands its options to each new connection, which gets certificates and password as of then. */
function renewIdentity(options: pg.PoolOptions, text: string, { tls, password }: ServerSecurity): void {
  const url = URL.parse(text)
  const withPassword = (): string => {
    if (url === null || !password) return text
    url.password = encodeURIComponent(password())
    return url.href
  }
  Object.defineProperty(options, 'connectionString', { enumerable: true, get: withPassword })
  if (tls) Object.defineProperty(options, 'ssl', { enumerable: true, get: () => sslOptions(tls()) })
}

/** pg replaces a server name by the host of the URL. */
function sslOptions({ servername, ...options }: TlsOptions): ConnectionOptions {
  if (servername === undefined) return options
  return {
    ...options,
    checkServerIdentity: (_host, certificate) => checkServerIdentity(servername, certificate),
  }
}

/**
 * The client, with errors of an absent server turned into those of the error table. One that leads to a server without
 * writes is not used again: the name may lead to another one by now. Nor is one whose statement has had no answer: the
 * next statement would wait behind it.
 */
function watchErrors(client: pg.PoolClient, place: string): PostgresPoolClient {
  let isSpent = false
  const query = async (text: string, values: unknown[]): Promise<unknown> => {
    try {
      return await client.query(text, values.map(storable))
    } catch (error) {
      isSpent ||= codeOf(error) === READ_ONLY || codeOf(error).length !== 5
      if (isServerAtFault(error)) return unavailable(place)(error)
      throw error
    }
  }
  return {
    query: query as PostgresPoolClient['query'],
    release: (destroy) => client.release(isSpent || destroy),
  }
}

/** A text holds no NUL here. What others wrote is kept without, and what nobody can have is looked for in vain. */
const storable = (value: unknown): unknown =>
  typeof value === 'string' ? value.replaceAll('\u0000', '\ufffd') : value

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : ''

/** Errors of statements have an SQLSTATE of five characters; broken connections none, or a socket's code. */
function isServerAtFault(error: unknown): boolean {
  const code = codeOf(error)
  return code.length !== 5 || SERVER_AT_FAULT.test(code)
}

function unavailable(place: string): (cause: unknown) => never {
  return (cause) => {
    const reason = messageOf(cause)
    throw new FlotillaError('STORE_UNAVAILABLE', `using PostgreSQL at ${place}: ${reason}`, { cause })
  }
}

function readType(id: number, format?: 'text' | 'binary'): unknown {
  if (NUMBERS.includes(id) && format !== 'binary') return Number
  return pg.types.getTypeParser(id, format as 'text')
}

/** Host and database alone: the URL may hold a password. */
function placeOf(url: string): string {
  if (!URL.canParse(url)) return 'an unreadable DATABASE_URL'
  const { host, pathname } = new URL(url)
  return `${host}${pathname}`
}
