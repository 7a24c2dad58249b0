// The one importer of ioredis.
//
// 1. A command whose connection broke is never sent again by the client: a compare-and-set that took effect would look refused.
//    It rejects with STORE_UNAVAILABLE when COMMAND_MS have passed, and the caller decides.
// 2. A command waits at most COMMAND_MS, connecting included: a short absence goes unnoticed, a long one is an error, not a hang.
import { Redis } from 'ioredis'
import { FlotillaError } from '../errors.ts'

/** Gives a command's error the table's code, and says what was being done where. */
export type Asked = <T>(what: string, promise: Promise<T>) => Promise<T>

export interface RedisConnection {
  readonly redis: Redis
  readonly asked: Asked
  readonly close: () => Promise<void>
}

const CONNECT_MS = 5_000
const COMMAND_MS = 5_000
const KEEP_ALIVE_MS = 10_000
const HEALTH_CHECK_MS = 30_000
const RECONNECT_MOST_MS = 2_000

/** Connects in the background. */
export function connectRedis(url: string): RedisConnection {
  const redis = connect(url)
  const place = placeOf(url)
  const healthTimer = watchHealth(redis)
  return {
    redis,
    asked: (what, promise) =>
      promise.catch((cause: unknown) => {
        const reason = cause instanceof Error ? cause.message : String(cause)
        throw new FlotillaError('STORE_UNAVAILABLE', `${what} in Redis at ${place}: ${reason}`, { cause })
      }),
    close: () => {
      clearInterval(healthTimer)
      redis.disconnect()
      return Promise.resolve()
    },
  }
}

function connect(url: string): Redis {
  const redis = new Redis(url, {
    connectTimeout: CONNECT_MS,
    commandTimeout: COMMAND_MS,
    keepAlive: KEEP_ALIVE_MS,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: null,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 8), RECONNECT_MOST_MS),
  })
  // Each operation reports its own error; without a listener ioredis would print to the console.
  redis.on('error', () => undefined)
  return redis
}

/** A connection that no longer answers (a half-open socket) is replaced. */
function watchHealth(redis: Redis): NodeJS.Timeout {
  const check = (): void => {
    if (redis.status === 'ready') redis.ping().catch(() => redis.disconnect(true))
  }
  return setInterval(check, HEALTH_CHECK_MS).unref()
}

/** Host and port alone: the URL may hold a password. */
function placeOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'an unreadable REDIS_URL'
}
