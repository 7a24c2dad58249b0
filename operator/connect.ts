// Connects operators to a fleet: the gateway at FLOTILLA_URL, or of the fleet that holds the data directory;
// else the log and the stores themselves, each opened when it is first needed (own-parts.ts). Where no fleet has run,
// the gateway of this machine at PORT, which the clients of tasks use too.
import { readEnvironment } from '../runtime/config/environment.ts'
import type { StagesOf } from './direct/index.ts'
import { httpOperator } from './http.ts'
import type { Operator } from './index.ts'
import { gatewayAtPort, orGateway, hasFleet, noFleet, requireDatabase } from './running-fleet.ts'

/**
 * How the fleet was reached: a gateway, the data file in this process, or the servers that the fleet shares.
 */
export type Reached = 'gateway' | 'file' | 'servers'

export interface UsingOptions {
  /**
   * `database`: also before the fleet has run. `new database`: it is created if there is none. Default `fleet`.
   */
  readonly needs?: 'fleet' | 'database' | 'new database'
  /** The stages, for a replay. */
  readonly stages?: StagesOf
}

/**
 * Runs `work` on the fleet that the environment names. Rejects with NO_FLEET if an embedded fleet never ran
 * here: looking creates no files.
 */
export async function usingOperator<T>(
  work: (operator: Operator, reached: Reached) => Promise<T>,
  { needs = 'fleet', stages }: UsingOptions = {},
): Promise<T> {
  const environment = readEnvironment(process.env)
  const { FLOTILLA_URL: url, FLOTILLA_API_KEY: apiKey } = environment.raw
  if (url) return work(httpOperator(url, { apiKey }), 'gateway')
  if (needs !== 'new database' && !hasFleet(environment)) {
    const gateway = await gatewayAtPort(environment)
    if (gateway === null) throw noFleet(environment)
    return work(httpOperator(gateway, { apiKey }), 'gateway')
  }
  if (needs !== 'fleet') requireDatabase(environment)
  // Loaded only if there is no gateway: log, stores and query builder are most of what a command would load.
  const { directOperator, OwnParts } = await import('./own-parts.ts')
  const open = async () => {
    const parts = new OwnParts(environment, stages)
    try {
      // Opening the file shows whether another process holds it.
      if (parts.isFile) await (needs === 'fleet' ? parts.log() : parts.sql())
      return parts
    } catch (error) {
      await parts.close()
      throw error
    }
  }
  const parts = await orGateway(open, environment)
  if (typeof parts === 'string') return work(httpOperator(parts, { apiKey }), 'gateway')
  try {
    return await work(directOperator(parts), parts.isFile ? 'file' : 'servers')
  } finally {
    await parts.close()
  }
}
