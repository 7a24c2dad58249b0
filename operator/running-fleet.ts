// Finds the process that holds an embedded fleet's directory: its owner.json says where its gateway listens.
import { setTimeout } from 'node:timers/promises'
import type { Environment } from '../runtime/config/environment.ts'
import { FlotillaError, hasCode } from '../runtime/errors.ts'
import type { Readiness } from '../runtime/host/http/server.ts'
import type { Log } from '../runtime/log/port.ts'
import { hasDataFile } from '../runtime/store/data-file/data-file.ts'
import { ownerOf } from '../runtime/store/data-file/directory.ts'

/** Its URL; null if the holder has none (a `flotilla run`, or a fleet that is just starting). */
export function gatewayOf({ dataDir, raw }: Environment): string | null {
  if (raw['FLOTILLA_URL']) return raw['FLOTILLA_URL']
  const { gateway } = ownerOf(dataDir)
  return typeof gateway === 'string' ? gateway : null
}

/** Longest that a fleet is waited for which has just begun to start, or is about to end. */
const CHANGING_MS = 10_000
const FIRST_WAIT_MS = 100

/**
 * What `open` opens, or the gateway of the process that holds the directory. While that one starts, or ends, or is
 * another command that ends soon, it is waited for. Rejects with the error of `open`: DATA_LOCKED if the holder has
 * no gateway.
 */
export async function orGateway<T>(open: () => Promise<T>, environment: Environment): Promise<T | string> {
  const untilMs = Date.now() + CHANGING_MS
  for (let waitMs = FIRST_WAIT_MS; ; waitMs *= 2) {
    try {
      return await open()
    } catch (error) {
      if (!isLocked(error)) throw error
      const gateway = gatewayOf(environment)
      const isSettled = gateway === null ? !isYoung(environment) : await answers(gateway)
      const leftMs = untilMs - Date.now()
      if (gateway !== null && (isSettled || leftMs <= 0)) return gateway
      if (isSettled || leftMs <= 0) throw error
      await setTimeout(Math.min(waitMs, leftMs))
    }
  }
}

/** Whether the holder may still be starting; also if nothing can be known of it. */
function isYoung({ dataDir }: Environment): boolean {
  const { startedMs } = ownerOf(dataDir)
  return typeof startedMs !== 'number' || Date.now() - startedMs < CHANGING_MS
}

/** False only if nothing listens there. Any other problem is left to the caller's own request. */
async function answers(gateway: string): Promise<boolean> {
  try {
    await fetch(`${gateway}/health`, { signal: AbortSignal.timeout(GATEWAY_MS) })
    return true
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { code?: unknown }
    return code !== 'ECONNREFUSED'
  }
}

const GATEWAY_MS = 2_000

/** The URL of the gateway of this machine at PORT; null if none answers there. */
export async function gatewayAtPort({ port }: Environment): Promise<string | null> {
  const url = `http://127.0.0.1:${port}`
  try {
    const response = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(GATEWAY_MS) })
    const { parts } = (await response.json()) as Partial<Readiness>
    return Array.isArray(parts) ? url : null
  } catch {
    return null
  }
}

/** Shared servers may always hold a fleet; a data file exists or not. */
export function hasFleet({ kafkaBrokers, databaseUrl, redisUrl, dataDir }: Environment): boolean {
  return kafkaBrokers.length > 0 || databaseUrl !== null || redisUrl !== null || hasDataFile(dataDir)
}

/** Throws CONFIG_INVALID on Kafka without it: there would be a file of this machine, which no fleet writes. */
export function requireDatabase({ kafkaBrokers, databaseUrl, allowVolatileStore }: Environment): void {
  if (kafkaBrokers.length === 0 || databaseUrl !== null || allowVolatileStore) return
  const message = 'this is in the database of the fleet: set DATABASE_URL to it, or FLOTILLA_URL to a gateway'
  throw new FlotillaError('CONFIG_INVALID', message)
}

export function noFleet({ dataDir }: Environment): FlotillaError {
  return new FlotillaError('NO_FLEET', `no fleet has run in ${dataDir} yet`)
}

/**
 * The log, for reading or changing existing topics. Throws DATA_LOCKED, or NO_FLEET if the file has no topics
 * yet.
 */
export async function openFleetLog(environment: Environment): Promise<Log> {
  const { openLog } = await import('../runtime/log/open.ts')
  const log = await openLog(environment)
  if (log.kind !== 'embedded') return log
  try {
    await log.ranges(['tasks.submitted'])
    return log
  } catch {
    await log.close()
    throw noFleet(environment)
  }
}

function isLocked(error: unknown): boolean {
  return hasCode(error, 'DATA_LOCKED')
}

/** Null if this part of the running fleet works, else its problem. */
export async function problemIn(part: string, gateway: string): Promise<string | null> {
  const response = await fetch(`${gateway}/ready`).catch((cause: unknown) => {
    throw new FlotillaError('GATEWAY_UNAVAILABLE', `no gateway answers at ${gateway}`, { cause })
  })
  const { parts } = (await response.json()) as Readiness
  return parts.find(({ name }) => name === part)?.problem ?? null
}
