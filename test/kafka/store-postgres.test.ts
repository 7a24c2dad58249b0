import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { sql as raw } from 'kysely'
import pg from 'pg'
import { listTasks } from '../../runtime/ledger/tasks.ts'
import { sqlBlobs } from '../../runtime/store/blobs-sql.ts'
import { connectPostgresSql, openPostgresSql } from '../../runtime/store/sql-postgres.ts'
import type { Sql } from '../../runtime/store/sql.ts'
import { ledgerTables, requireWritable } from '../../runtime/store/writable.ts'
import { sqlSuite } from '../conformance/store-suite.ts'
import { eventually } from '../conformance/waiting.ts'

const databaseUrl = (): string => {
  assert.ok(process.env['DATABASE_URL'], 'DATABASE_URL names the PostgreSQL of this run')
  return process.env['DATABASE_URL']
}

/** A database of this file's own, with a locale as a server's default has it: one that orders texts as people do. */
async function freshDatabase(
  encoding = 'UTF8',
  locale = `LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C'`,
): Promise<{ url: string; drop: () => Promise<void> }> {
  const name = `store_${process.pid}_${Date.now()}`
  const run = async (text: string): Promise<void> => {
    const client = new pg.Client(databaseUrl())
    await client.connect()
    await client.query(text)
    await client.end()
  }
  await run(`CREATE DATABASE ${name} ENCODING '${encoding}' ${locale} TEMPLATE template0`)
  const url = new URL(databaseUrl())
  url.pathname = `/${name}`
  return { url: url.href, drop: () => run(`DROP DATABASE ${name} WITH (FORCE)`) }
}

/** Refuses a parameter of the start as PgBouncer does, else passes bytes on. Resolves with its URL. */
async function startPooler(t: TestContext, url: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.once('data', (start) => {
      if (start.includes('statement_timeout'))
        return socket.end(refusal('unsupported startup parameter: statement_timeout'))
      const upstream = connect(Number(port), hostname)
      upstream.on('error', () => socket.destroy())
      upstream.write(start)
      socket.pipe(upstream).pipe(socket)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => server.close())
  return Object.assign(new URL(url), { port: String((server.address() as AddressInfo).port) }).href
}

/** PostgreSQL's ErrorResponse. */
function refusal(message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0C08P01\0M${message}\0\0`)
  const length = Buffer.alloc(4)
  length.writeInt32BE(fields.length + 4)
  return Buffer.concat([Buffer.from('E'), length, fields])
}

sqlSuite('PostgreSQL', async () => {
  const { url, drop } = await freshDatabase()
  const store = await openPostgresSql(url)
  const stop = async (): Promise<void> => {
    await store.destroy()
    await drop()
  }
  return { store, again: () => openPostgresSql(url), stop }
})

test('processes that start together on an empty database create its tables once', async () => {
  const { url, drop } = await freshDatabase()
  const opened = await Promise.all(Array.from({ length: 4 }, () => openPostgresSql(url)))
  for (const sql of opened) assert.deepEqual(await sql.selectFrom('blobs').selectAll().execute(), [])
  await Promise.all(opened.map((sql) => sql.destroy()))
  await drop()
})

test('two fleets in one database have tables of their own', async () => {
  const { url, drop } = await freshDatabase()
  const opened = await Promise.all(
    ['ours', 'ours', 'the-others'].map((prefix) => openPostgresSql(url, prefix)),
  )
  const [ours, twin, others] = opened as [Sql, Sql, Sql]
  await ours
    .insertInto('blobs')
    .values({ hash: 'a', bytes: Buffer.of(1), created_at_ms: 0 })
    .execute()
  const hashes = async (sql: Sql) =>
    (await sql.selectFrom('blobs').select('hash').execute()).map(({ hash }) => hash)
  assert.deepEqual(await Promise.all([hashes(twin), hashes(others)]), [['a'], []])
  await Promise.all(opened.map((sql) => sql.destroy()))
  await drop()
})

test('a PostgreSQL that is away is named, without its password', async () => {
  await assert.rejects(openPostgresSql('postgres://user:secret@127.0.0.1:1/fleet'), (error: Error) => {
    assert.match(error.message, /127\.0\.0\.1:1\/fleet/)
    assert.doesNotMatch(error.message, /secret/)
    return 'code' in error && error.code === 'STORE_UNAVAILABLE'
  })
})

test('a connection that breaks while it is in use is an error of its user, not the end of the process', async () => {
  const { url, drop } = await freshDatabase()
  const sql = await openPostgresSql(url)
  const other = new pg.Client(url)
  await other.connect()
  const gone = sql.transaction().execute(async (transaction) => {
    await transaction.selectFrom('blobs').selectAll().execute()
    const mine = 'pid <> pg_backend_pid() AND datname = current_database()'
    await other.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${mine}`)
    // Between two statements nobody waits for the connection: its end is an event that has no user.
    await eventually('the server has ended it', async () => {
      const { rows } = await other.query(`SELECT 1 FROM pg_stat_activity WHERE ${mine}`)
      return rows.length === 0
    })
    await new Promise((resolve) => setImmediate(resolve))
    await transaction.selectFrom('blobs').selectAll().execute()
  })
  await assert.rejects(gone, { code: 'STORE_UNAVAILABLE' })
  assert.deepEqual(await sql.selectFrom('blobs').selectAll().execute(), [])
  await Promise.all([sql.destroy(), other.end()])
  await drop()
})

test('a connection to a server that takes no writes, as after a failover behind one name, is not used again', async () => {
  const { url, drop } = await freshDatabase()
  const sql = await openPostgresSql(url)
  await raw`SET default_transaction_read_only = on`.execute(sql)
  const put = () =>
    sql
      .insertInto('blobs')
      .values({ hash: 'a', bytes: Buffer.of(1), created_at_ms: 0 })
      .execute()
  await assert.rejects(put, { code: 'STORE_UNAVAILABLE' })
  await put()
  await sql.destroy()
  await drop()
})

test('a database that answers and takes no rows is found out: a standby, a right that was taken, a table that is gone', async (t) => {
  const { url, drop } = await freshDatabase()
  const admin = new pg.Client(url)
  await admin.connect()
  const role = `reader_${process.pid}`
  const opened: Sql[] = []
  t.after(async () => {
    await Promise.all(opened.map((sql) => sql.destroy()))
    await admin.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
    await admin.end()
    await drop()
  })
  const created = await openPostgresSql(url)
  opened.push(created)
  await requireWritable(created, ['blobs', ...ledgerTables])
  assert.deepEqual(await created.selectFrom('usage_ledger').selectAll().execute(), [], 'it writes nothing')
  await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'r'; GRANT USAGE ON SCHEMA flotilla TO ${role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA flotilla TO ${role}`)
  const ofRole = Object.assign(new URL(url), { username: role, password: 'r' }).href
  const [reader, standby] = [connectPostgresSql(ofRole, 'flotilla'), connectPostgresSql(url, 'flotilla')]
  opened.push(reader, standby)
  const unavailable = (message: RegExp) => ({ code: 'STORE_UNAVAILABLE', message })
  await requireWritable(reader, ledgerTables)
  await admin.query(`REVOKE INSERT ON flotilla.usage_ledger FROM ${role}`)
  await requireWritable(reader, ['blobs'])
  const denied = unavailable(/permission denied for table usage_ledger/)
  await assert.rejects(requireWritable(reader, ledgerTables), denied)
  const name = new URL(url).pathname.slice(1)
  await admin.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`)
  await assert.rejects(sqlBlobs(standby).check(), unavailable(/read-only transaction/))
  await admin.query(`ALTER DATABASE ${name} RESET default_transaction_read_only`)
  await sqlBlobs(standby).check()
  await admin.query('DROP TABLE flotilla.session_turns')
  await assert.rejects(requireWritable(standby, ledgerTables), unavailable(/session_turns" does not exist/))
  await admin.query('ALTER TABLE flotilla.open_tasks DROP COLUMN parent')
  await assert.rejects(
    listTasks(standby, { parent: 'x' }, null),
    unavailable(/column "?parent"? .*does not exist/),
  )
  await admin.query('ALTER SCHEMA flotilla RENAME TO gone')
  await assert.rejects(listTasks(standby, {}, null), unavailable(/does not exist/))
})

test('a server with few connections left is used with those: statements wait for one, and none fails', async (t) => {
  const { url, drop } = await freshDatabase()
  const admin = new pg.Client(url)
  await admin.connect()
  const role = `few_${process.pid}`
  await admin.query(
    `CREATE ROLE ${role} LOGIN CONNECTION LIMIT 3; GRANT CREATE ON DATABASE ${admin.database} TO ${role}`,
  )
  const sql = await openPostgresSql(Object.assign(new URL(url), { username: role }).href)
  t.after(async () => {
    await sql.destroy()
    await admin.query(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`)
    await admin.end()
    await drop()
  })
  const statements = Array.from({ length: 40 }, () =>
    raw<{ pid: number }>`SELECT pg_backend_pid() AS pid, pg_sleep(0.02)`.execute(sql),
  )
  const used = (await Promise.all(statements)).map(({ rows }) => rows[0]?.pid)
  assert.ok(new Set(used).size <= 3, String(new Set(used).size))
})

test('a database that has the tables is opened without a lock, as a pooler may have left one behind', async (t) => {
  const { url, drop } = await freshDatabase()
  await openPostgresSql(url).then((sql) => sql.destroy())
  const other = new pg.Client(url)
  await other.connect()
  t.after(() => other.end().then(drop))
  await other.query('SELECT pg_advisory_lock(3853314791062309107)')
  await openPostgresSql(url).then((sql) => sql.destroy())
})

test('a process that finds another at its tables waits without a session, and goes on when that one is done', async (t) => {
  const { url, drop } = await freshDatabase()
  const other = new pg.Client(url)
  await other.connect()
  t.after(() => other.end().then(drop))
  await other.query('SELECT pg_advisory_lock(3853314791062309107)')
  const opening = openPostgresSql(url)
  await eventually('it has asked for the lock, and is idle', async () => {
    const { rows } = await other.query(
      "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND query = 'commit'",
    )
    return rows.some(({ state }) => state === 'idle')
  })
  await other.query('SELECT pg_advisory_unlock(3853314791062309107)')
  await opening.then((sql) => sql.destroy())
  const { rows } = await other.query(
    "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
  )
  assert.deepEqual(rows, [])
})

test('a pooler that refuses the limit on statements is used without it, by many connections at once', async (t) => {
  const { url, drop } = await freshDatabase()
  t.after(drop)
  const pooler = await startPooler(t, url)
  const sql = await openPostgresSql(pooler)
  await requireWritable(sql, ledgerTables)
  await sql.destroy()
})

test('a database whose encoding can not hold every text is refused; the error for a user without rights names those it needs', async (t) => {
  const latin = await freshDatabase('LATIN1')
  t.after(latin.drop)
  await assert.rejects(openPostgresSql(latin.url), {
    code: 'CONFIG_INVALID',
    message: /LATIN1.*ENCODING 'UTF8'/,
  })
  const { url, drop } = await freshDatabase()
  t.after(drop)
  const admin = new pg.Client(url)
  await admin.connect()
  const user = `few_${process.pid}`
  await admin.query(`CREATE ROLE ${user} LOGIN`)
  const asUser = Object.assign(new URL(url), { username: user }).href
  await assert.rejects(openPostgresSql(asUser), /permission denied.*CREATE SCHEMA "flotilla" AUTHORIZATION/)
  await admin.query(`CREATE SCHEMA flotilla AUTHORIZATION ${user}`)
  await openPostgresSql(asUser).then((sql) => sql.destroy())
  await admin.query(`DROP OWNED BY ${user} CASCADE`)
  await admin.query(`DROP ROLE ${user}`)
  await admin.end()
})

test('a connection whose statement had no answer is not used again', async (t) => {
  const { url, drop } = await freshDatabase()
  t.after(drop)
  await openPostgresSql(url).then((sql) => sql.destroy())
  const sql = connectPostgresSql(`${url}?query_timeout=300&statement_timeout=0`, 'flotilla')
  t.after(() => sql.destroy())
  await assert.rejects(raw`SELECT pg_sleep(3)`.execute(sql), /Query read timeout/)
  assert.deepEqual(await sql.selectFrom('blobs').selectAll().execute(), [])
})
