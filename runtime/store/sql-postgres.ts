// The one importer of pg.
import { checkServerIdentity, type ConnectionOptions } from 'node:tls'
import { Kysely, PostgresDialect } from 'kysely'
import type { PostgresPool, PostgresPoolClient } from 'kysely'
import pg from 'pg'
import type { TlsOptions } from '../config/renewed-files.ts'
import type { ServerSecurity } from '../config/server-security.ts'
import { FlotillaError, messageOf } from '../errors.ts'
import { migrate } from './migrations.ts'
import type { Sql, Tables } from './sql.ts'

const CONNECT_MS = 5_000
const STATEMENT_MS = 30_000
const CONNECTIONS = 10

/** PostgreSQL's types for 64-bit integers and their sums: ours fit a double, so they are read as numbers. */
const NUMBERS: readonly number[] = [pg.types.builtins.INT8, pg.types.builtins.NUMERIC]
/** A server that takes no writes: a standby, mostly, which was the primary. */
const READ_ONLY = '25006'
/**
 * SQLSTATE classes that blame the server, not the statement: connection, resources, intervention, system, states of the
 * object that another session or an operator has brought about, and rights that were taken away.
 */
const SERVER_AT_FAULT = /^(08|25006|40|42501|53|55|57|58)/

/**
 * Connects and brings the tables up to date. They are in the fleet's own schema, because two fleets may share
 * a database, and use the same task id. Rejects with STORE_UNAVAILABLE naming host and port. `destroy()` ends
 * the pool.
 */
export async function openPostgresSql(
  url: string,
  schema = 'flotilla',
  security: ServerSecurity = {},
): Promise<Sql> {
  const sql = connectPostgresSql(url, schema, security)
  try {
    await migrate(sql, 'postgres', schema)
    return sql
  } catch (error) {
    await sql.destroy()
    throw error
  }
}

/** As `openPostgresSql`, with the tables as they are: nothing is created, and the first statement connects. */
export function connectPostgresSql(url: string, schema: string, security: ServerSecurity = {}): Sql {
  const dialect = new PostgresDialect({ pool: createPool(url, security) })
  return new Kysely<Tables>({ dialect }).withSchema(schema)
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
    connect: () => pool.connect().then((client) => watchErrors(client, place), unavailable(place)),
    end: () => pool.end(),
  }
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
 * writes is not used again: the name may lead to another one by now.
 */
function watchErrors(client: pg.PoolClient, place: string): PostgresPoolClient {
  let isReadOnly = false
  const query = async (text: string, values: unknown[]): Promise<unknown> => {
    try {
      return await client.query(text, values)
    } catch (error) {
      isReadOnly ||= codeOf(error) === READ_ONLY
      if (isServerAtFault(error)) return unavailable(place)(error)
      throw error
    }
  }
  return {
    query: query as PostgresPoolClient['query'],
    release: (destroy) => client.release(isReadOnly || destroy),
  }
}

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
