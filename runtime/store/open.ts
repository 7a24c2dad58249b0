// Opens the stores that the environment asks for. Clients of servers are loaded only if they are used.
import type { Environment } from '../config/environment.ts'
import type { ServerSecurity } from '../config/environment/server-security.ts'
import { FlotillaError } from '../errors.ts'
import type { Limits } from '../limits/port.ts'
import { openSqliteLimits } from '../limits/sqlite.ts'
import { sqlBlobs } from './blobs-sql.ts'
import { openedDataFile } from './data-file/data-file.ts'
import type { BlobStore, KeyValue } from './port.ts'
import type { RedisOptions } from './redis/key-value.ts'
import type { StoreLog } from './redis/connection.ts'
import { openSqliteSql } from './sql-sqlite.ts'
import type { Sql } from './sql.ts'
import { openSqliteKeyValue } from './sqlite.ts'

export interface Stores {
  readonly keyValue: KeyValue
  readonly limits: Limits
  readonly blobs: BlobStore
  readonly sql: Sql
  /** Rejects with the reason of the first store that can't be used now. */
  check(): Promise<void>
  close(): Promise<void>
}

type StoreSettings = Pick<Environment, 'kafkaBrokers' | 'redisUrl' | 'databaseUrl' | 'dataDir' | 'prefix'> &
  Partial<Pick<Environment, 'durability' | 'allowVolatileStore' | 'redisWaitReplicas' | 'security'>>

const SWEEP_EVERY_MS = 6 * 3_600_000

/** Redis and PostgreSQL if their URLs are set, else SQLite in the data directory. */
export async function openStores(environment: StoreSettings, log?: StoreLog): Promise<Stores> {
  requireShared(environment)
  const { redisUrl, prefix, allowVolatileStore, redisWaitReplicas = 0, security } = environment
  const file = { ...fileOf(environment), prefix }
  const server = { prefix, ...(security ? { security: security.redis } : {}), ...(log ? { log } : {}) }
  const redis = redisUrl === null ? null : { url: redisUrl, ...server }
  const durability = { requireDurable: allowVolatileStore === false, waitReplicas: redisWaitReplicas }
  const [keyValue, limits] = redis
    ? await openRedis({ ...redis, ...durability })
    : [openSqliteKeyValue(file), openSqliteLimits(file)]
  try {
    const stores = together(keyValue, limits, await openSql(environment))
    const opened = openedDataFile(environment.dataDir)
    opened?.onDamage((error) =>
      log?.error(
        { err: error },
        opened.isDisplaced
          ? 'the data file is no longer what this process left there: the fleet ends'
          : 'a page of the data file is damaged: what it held is lost; /ready says so from now on',
      ),
    )
    return stores
  } catch (error) {
    await Promise.all([keyValue.close(), limits.close()])
    throw error
  }
}

/**
 * Journal and limits on one connection, so that an outcome and what is settled by it are asked for together. On two where
 * a write waits for replicas, which holds up everything behind it.
 */
async function openRedis(options: RedisOptions): Promise<[KeyValue, Limits]> {
  const [{ openRedisKeyValue }, { openRedisLimits }] = await Promise.all([
    import('./redis/key-value.ts'),
    import('../limits/redis.ts'),
  ])
  if ((options.waitReplicas ?? 0) > 0) return [openRedisKeyValue(options), openRedisLimits(options)]
  const connection = (await import('./redis/connection.ts')).connectRedis(options, options.log)
  return [openRedisKeyValue({ ...options, connection }), openRedisLimits({ ...options, connection })]
}

/** The database alone: ledgers and blobs. */
export function openSql(
  environment: Pick<StoreSettings, 'databaseUrl' | 'dataDir' | 'durability' | 'prefix' | 'security'>,
): Promise<Sql> {
  const { databaseUrl, prefix, security } = environment
  if (databaseUrl === null) return openSqliteSql(fileOf(environment))
  return openPostgres(databaseUrl, prefix, security?.database)
}

/** The database of a fleet on Kafka as it is: nothing is created there. Null without DATABASE_URL. */
export async function openSharedSql({
  databaseUrl,
  prefix,
  security,
}: Pick<StoreSettings, 'databaseUrl' | 'prefix' | 'security'>): Promise<Sql | null> {
  if (databaseUrl === null) return null
  const { connectPostgresSql } = await import('./sql-postgres.ts')
  return connectPostgresSql(databaseUrl, prefix, security?.database)
}

const openPostgres = async (url: string, prefix: string, security?: ServerSecurity): Promise<Sql> =>
  (await import('./sql-postgres.ts')).openPostgresSql(url, prefix, security)

/**
 * The payloads of a fleet on Kafka, for a program that only reads results. Connects to the database on the
 * first large result: most programs never get one. Without DATABASE_URL such a result rejects with
 * CONFIG_INVALID.
 */
export function sharedBlobs({
  databaseUrl,
  prefix,
  security,
}: Pick<StoreSettings, 'databaseUrl' | 'prefix' | 'security'>): {
  readonly blobs: BlobStore
  readonly close: () => Promise<void>
} {
  let opened: Promise<Sql> | null = null
  const open = async (): Promise<BlobStore> => {
    if (databaseUrl === null) throw noDatabase()
    opened ??= openPostgres(databaseUrl, prefix, security?.database)
    // If the database is away, the next result retries.
    opened.catch(() => (opened = null))
    return sqlBlobs(await opened)
  }
  return {
    blobs: {
      put: async (bytes) => (await open()).put(bytes),
      get: async (hash) => (await open()).get(hash),
      check: async () => (await open()).check(),
    },
    close: async () => void (await (await opened?.catch(() => null))?.destroy()),
  }
}

function noDatabase(): FlotillaError {
  const message = "a part of the result is too large for the log and lies in the fleet's database"
  return new FlotillaError('CONFIG_INVALID', `${message}: set DATABASE_URL for this program too`)
}

function fileOf({ dataDir, durability }: Pick<StoreSettings, 'dataDir' | 'durability'>) {
  return durability === undefined ? { dataDir } : { dataDir, durability }
}

function together(keyValue: KeyValue, limits: Limits, sql: Sql): Stores {
  const blobs = sqlBlobs(sql)
  const timer = setInterval(() => void blobs.sweep().catch(() => undefined), SWEEP_EVERY_MS).unref()
  let closing: Promise<void> | null = null
  const close = async (): Promise<void> => {
    clearInterval(timer)
    await Promise.all([keyValue.close(), limits.close(), sql.destroy()])
  }
  return {
    keyValue,
    limits,
    blobs,
    sql,
    check: async () => void (await Promise.all([keyValue.check(), limits.check(), blobs.check()])),
    close: () => (closing ??= close()),
  }
}

/**
 * Throws CONFIG_INVALID if stores that must be shared have no server. On Kafka a lane may move to another
 * process at any time, which must then find its journal and its payloads: they can't be in files of one
 * process. Even a process that runs every service may get a twin on another machine.
 */
export function requireShared({
  kafkaBrokers,
  redisUrl,
  databaseUrl,
  allowVolatileStore,
}: StoreSettings): void {
  if (kafkaBrokers.length === 0 || allowVolatileStore) return
  const missing = [redisUrl === null && 'REDIS_URL', databaseUrl === null && 'DATABASE_URL'].filter(
    (name) => name !== false,
  )
  if (missing.length === 0) return
  const message = `KAFKA_BROKERS is set, and the processes of a fleet on Kafka share their stores: set ${missing.join(' and ')}`
  const remedy =
    'FLOTILLA_ALLOW_VOLATILE_STORE=1 keeps them in files of this process, which must then stay the only one'
  throw new FlotillaError('CONFIG_INVALID', `${message}. (${remedy}.)`)
}
