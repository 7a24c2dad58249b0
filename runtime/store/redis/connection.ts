// The one importer of ioredis.
//
// 1. A command whose connection broke is never sent again by the client: a compare-and-set that took effect
//    would look refused. It rejects with STORE_UNAVAILABLE at once, and the caller decides.
// 2. A command that was not sent yet waits for a connection. Connecting included it takes at most COMMAND_MS: a
//    short absence goes unnoticed, a long one is an error, not a hang. It is not sent afterwards: its caller has
//    tried again, perhaps many times.
// 3. A server that can't take writes because another one is the primary now is disconnected: after a failover
//    the name resolves to the new primary, while an open connection stays with the old one forever. One that
//    refuses writes for lack of memory, disk, replicas or rights is still the right one, and is retried.
// 4. A key of ours that another program has written is an error that no retry cures: `retryable` is false.
import { isIP } from 'node:net'
import { Redis, type RedisOptions } from 'ioredis'
import type { ServerSecurity } from '../../config/environment/server-security.ts'
import { backoffMs } from '../../backoff.ts'
import { FlotillaError, messageOf } from '../../errors.ts'
import type { Instruments } from '../../telemetry/instruments.ts'

/** Gives a command's error the table's code, and names the operation and the server. */
export type Asked = <T>(what: string, promise: Promise<T>) => Promise<T>

export interface RedisConnection {
  readonly redis: Redis
  readonly asked: Asked
  /** As `asked`, for writes: logs once when they are refused, and once when they are accepted again. */
  readonly written: Asked
  /** Connects again, at most twice a second. */
  readonly reconnect: () => void
  /** False: commands wait for the next connection. A connection that was ended is closed a moment later. */
  readonly isOpen: () => boolean
  /** Grows with each connection. */
  readonly generation: () => number
  readonly close: () => Promise<void>
}

type RedisCredentials = Pick<RedisOptions, 'tls' | 'username' | 'password'>

export type StoreLog = Pick<Instruments['log'], 'error' | 'info'>

const DEFAULT_PORT = 6_379
const CONNECT_MS = 5_000
const COMMAND_MS = 5_000
const KEEP_ALIVE_MS = 10_000
const HEALTH_CHECK_MS = 30_000
const RECONNECT_MOST_MS = 2_000
const RECONNECT_LEAST_MS = 500

/** A replica, one whose primary is away, one that is loading: another server is or will be the primary. */
const NOT_THE_PRIMARY = /\b(READONLY|MASTERDOWN|LOADING)\b/
/** A right that is missing, in a script too, and a command that the server's configuration has renamed or taken away. */
const FORBIDDEN = /\bNOPERM\b|\bcan't run this command\b|^ERR unknown command\b/
/** Out of memory, a disk that can't be written, too few replicas, another program's script that does not end, rights. */
const REFUSES = new RegExp(`\\b(OOM|MISCONF|NOREPLICAS|BUSY)\\b|${FORBIDDEN.source}`)
/** Without a refusal on the same connection before writes count as taken again: some are while others are refused. */
const TAKEN_AGAIN_MS = 5_000
/** A value of another type, or one that a script of ours can't read: as Redis 7 says it, and Redis 6. */
const FOREIGN =
  /\bWRONGTYPE\b|\bis not an integer\b|^ERR user_script:\d+: |: @user_script:\d+: user_script:\d+: /

/** A node of a Redis Cluster, asked for keys of another node. */
const OF_A_CLUSTER = /^(MOVED|ASK|CROSSSLOT|CLUSTERDOWN)\b/

export interface RedisServer {
  readonly url: string
  readonly security?: ServerSecurity
}

/** Connects in the background. */
export function connectRedis({ url, security = {} }: RedisServer, log?: StoreLog): RedisConnection {
  const redis = connect(url, security)
  const place = placeOf(url)
  const healthTimer = watchHealth(redis)
  let generation = 0
  let reconnectedMs = 0
  let refusal: { generation: number; atMs: number } | null = null
  // Why there is no connection: a command that waits for one ends without saying so.
  let failure: string | null = null
  redis.on('close', () => generation++)
  redis.on('error', (error) => {
    failure = failureOf(messageOf(error), url)
    if (isOfSelect(error)) redis.disconnect(true)
  })
  redis.on('ready', () => (failure = null))
  const reconnect = (): void => {
    const now = performance.now()
    if (redis.status !== 'ready' || now - reconnectedMs < RECONNECT_LEAST_MS) return
    reconnectedMs = now
    redis.disconnect(true)
  }
  const asked: Asked = (what, promise) =>
    promise.catch((cause: unknown) => {
      const failed = messageOf(cause)
      const isSilent = failure === null && redis.status !== 'ready' && failed.includes('timed out')
      const connecting = isSilent ? failureOf('no answer', url) : failure
      const reason =
        connecting === null || connecting === failed ? failed : `${failed}; connecting fails: ${connecting}`
      const isElsewhere = NOT_THE_PRIMARY.test(reason)
      if (isElsewhere || REFUSES.test(reason)) {
        const then = isElsewhere ? 'reconnecting' : 'retrying'
        if (refusal === null)
          log?.error(
            { redis: place, reason },
            `Redis refuses writes; ${then}, and no calls are made meanwhile`,
          )
        refusal = { generation, atMs: performance.now() }
      }
      if (isElsewhere) reconnect()
      throw unavailable(`${what} in Redis at ${place}: ${reason}`, cause)
    })
  return {
    redis,
    asked,
    written: async (what, promise) => {
      const value = await asked(what, promise)
      if (refusal === null || (refusal.generation === generation && !isLongAgo(refusal.atMs))) return value
      refusal = null
      log?.info({ redis: place }, 'Redis takes writes again')
      return value
    },
    reconnect,
    isOpen: () => redis.status === 'ready' && redis.stream.writable,
    generation: () => generation,
    close: () => {
      clearInterval(healthTimer)
      redis.disconnect()
      return Promise.resolve()
    },
  }
}

const isLongAgo = (atMs: number): boolean => performance.now() - atMs >= TAKEN_AGAIN_MS

/**
 * Why connecting fails; of OpenSSL's line the reason alone. A port without TLS waits for the rest of what it takes for a
 * command, or answers in clear.
 */
function failureOf(said: string, url: string): string {
  const [, ofTls] = /:SSL routines:[^:]*:([^:]+):/.exec(said) ?? []
  const mayBeClear = url.startsWith('rediss:') && /no answer|ETIMEDOUT|:wrong version number:/.test(said)
  return `${ofTls ?? said}${mayBeClear ? '; if this port has no TLS, REDIS_URL begins with redis://' : ''}`
}

function unavailable(message: string, cause: unknown): FlotillaError {
  if (OF_A_CLUSTER.test(messageOf(cause))) {
    const advice =
      'REDIS_URL leads to a node of a Redis Cluster: name a single server, or a proxy before the cluster'
    return new FlotillaError('STORE_UNAVAILABLE', `${message}; ${advice}`, { cause })
  }
  if (FORBIDDEN.test(messageOf(cause))) {
    const advice = 'docs/operating.md lists the commands and rights that the fleet needs'
    return new FlotillaError('STORE_UNAVAILABLE', `${message}; ${advice}`, { cause })
  }
  if (!FOREIGN.test(messageOf(cause))) return new FlotillaError('STORE_UNAVAILABLE', message, { cause })
  const remedy = 'another program has written a key of this fleet there: delete that key'
  return new FlotillaError('STORE_UNAVAILABLE', `${message}; ${remedy}`, { cause, retryable: false })
}

/** Commands of one tick of the event loop reach the socket in one write. */
class JoiningRedis extends Redis {
  #joins = false

  override sendCommand(...given: Parameters<Redis['sendCommand']>): unknown {
    const [command, pipeline] = given
    // It waited too long for a connection, and its caller has been refused.
    if (command.isSettled && !pipeline) return command.promise
    if (this.status !== 'ready') dropSettled(this)
    if (!this.#joins && this.status === 'ready') {
      const { stream } = this
      this.#joins = true
      stream.cork()
      process.nextTick(() => {
        this.#joins = false
        stream.uncork()
      })
    }
    return super.sendCommand(...given)
  }
}

function connect(url: string, security: ServerSecurity): Redis {
  const { address, identity } = addressOf(url, security)
  const redis = new JoiningRedis({
    ...address,
    ...identity(),
    connectTimeout: CONNECT_MS,
    commandTimeout: COMMAND_MS,
    keepAlive: KEEP_ALIVE_MS,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: null,
    retryStrategy: (attempt) => backoffMs(attempt, 50, RECONNECT_MOST_MS),
  })
  // It keeps its options for the next connection.
  redis.on('close', () => Object.assign(redis.options, identity()))
  redis.on('close', () => rejectSent(redis))
  return redis
}

/** The server refuses the database that the URL names. The client would go on with database 0, another program's. */
function isOfSelect(error: unknown): boolean {
  return (error as { command?: { name?: string } }).command?.name === 'select'
}

type Sent = Parameters<Redis['sendCommand']>

interface Waiting {
  peekFront(): { readonly command: Sent[0]; readonly stream?: Sent[1] } | undefined
  shift(): unknown
}

/** ioredis keeps what waits for a connection also when its time is over: one more for each try of a caller. */
function dropSettled(redis: Redis): void {
  const { offlineQueue } = redis as unknown as { readonly offlineQueue: Waiting }
  for (;;) {
    const front = offlineQueue.peekFront()
    if (!front?.command.isSettled || front.stream) return
    offlineQueue.shift()
  }
}

/** Commands that were sent and not answered. ioredis keeps them until their time is over. */
function rejectSent({ commandQueue }: Redis): void {
  for (let sent = commandQueue.shift(); sent !== undefined; sent = commandQueue.shift())
    sent.command.reject(new Error('the connection broke before the answer'))
}

/** `identity` is asked for each connection: certificates and password as of then. */
function addressOf(text: string, { tls, username, password }: ServerSecurity) {
  const url = new URL(text)
  const host = url.hostname.replaceAll(/[[\]]/g, '')
  // ioredis itself sends no server name, which proxies of several servers need.
  const named = isIP(host) === 0 ? { servername: host } : {}
  const user = username ?? decodeURIComponent(url.username)
  const identity = (): RedisCredentials => {
    const secret = password?.() ?? decodeURIComponent(url.password)
    return {
      ...(url.protocol === 'rediss:' ? { tls: { ...named, ...tls?.() } } : {}),
      ...(secret === '' ? {} : { password: secret, ...(user === '' ? {} : { username: user }) }),
    }
  }
  const address = {
    host: host === '' ? 'localhost' : host,
    port: Number(url.port || DEFAULT_PORT),
    db: Number(url.pathname.slice(1)),
  }
  return { address, identity }
}

/** Replaces a connection that no longer answers (a half-open socket). */
function watchHealth(redis: Redis): NodeJS.Timeout {
  const check = (): void => {
    if (redis.status === 'ready') redis.ping().catch(() => redis.disconnect(true))
  }
  return setInterval(check, HEALTH_CHECK_MS).unref()
}

/** Host and port alone: the URL may hold a password. */
function placeOf(url: string): string {
  return new URL(url).host
}
