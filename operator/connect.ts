// Connects operators to a fleet: the gateway at FLOTILLA_URL, or of the fleet that holds the data directory;
// else the log and the stores themselves, each opened when it is first needed.
import { openCodec } from '../runtime/codec/open.ts'
import type { Codec } from '../runtime/codec/port.ts'
import { readEnvironment, type Environment } from '../runtime/config/environment.ts'
import type { Fleet } from '../runtime/config/fleet.ts'
import { loadFleet } from '../runtime/config/load.ts'
import { FlotillaError } from '../runtime/errors.ts'
import type { Limits } from '../runtime/limits/port.ts'
import type { Log } from '../runtime/log/port.ts'
import { once } from '../runtime/once.ts'
import { sqlBlobs } from '../runtime/store/blobs-sql.ts'
import { hasDataFile } from '../runtime/store/data-file.ts'
import { openSql, openStores } from '../runtime/store/open.ts'
import type { BlobStore } from '../runtime/store/port.ts'
import type { Stage } from '../runtime/stage.ts'
import type { Sql } from '../runtime/store/sql.ts'
import { directOperator, noStages, type FleetParts, type StagesOf } from './direct/index.ts'
import { httpOperator } from './http.ts'
import type { Operator } from './index.ts'
import { gatewayBehind, hasFleet, noFleet, openFleetLog } from './running-fleet.ts'

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
  { needs = 'fleet', stages = noStages }: UsingOptions = {},
): Promise<T> {
  const environment = readEnvironment(process.env)
  const { FLOTILLA_URL: url, FLOTILLA_API_KEY: apiKey } = environment.raw
  if (url) return work(httpOperator(url, { apiKey }), 'gateway')
  if (needs !== 'new database' && !hasFleet(environment)) throw noFleet(environment)
  if (needs !== 'fleet') requireDatabase(environment)
  const parts = new OwnParts(environment, stages)
  try {
    // Opening the file shows whether another process holds it.
    if (parts.isFile) await (needs === 'fleet' ? parts.log() : parts.sql())
  } catch (error) {
    await parts.close()
    return work(httpOperator(gatewayBehind(error, environment), { apiKey }), 'gateway')
  }
  try {
    return await work(directOperator(parts), parts.isFile ? 'file' : 'servers')
  } finally {
    await parts.close()
  }
}

/** Without it this would be a file of this machine, which no gateway reads. */
function requireDatabase({ kafkaBrokers, databaseUrl, allowVolatileStore }: Environment): void {
  if (kafkaBrokers.length === 0 || databaseUrl !== null || allowVolatileStore) return
  const message = 'this is in the database of the fleet: set DATABASE_URL to it, or FLOTILLA_URL to a gateway'
  throw new FlotillaError('CONFIG_INVALID', message)
}

/** The parts of the fleet that the environment names, closed together. */
class OwnParts implements FleetParts {
  readonly isFile: boolean
  readonly log: () => Promise<Log>
  readonly codec: () => Promise<Codec>
  readonly blobs: () => Promise<BlobStore | null>
  readonly sql: () => Promise<Sql>
  readonly limits: () => Promise<Limits>
  readonly fleet: () => Promise<Fleet>
  readonly environment: () => Promise<Environment>
  readonly stages: () => Promise<readonly Stage[]>
  readonly #open: (() => Promise<void>)[] = []

  constructor(environment: Environment, stagesOf: StagesOf) {
    this.isFile = environment.kafkaBrokers.length === 0 && hasDataFile(environment.dataDir)
    const hasSql = this.isFile || environment.databaseUrl !== null
    const stores = once(() => this.#opened(openStores(environment), (each) => each.close()))
    this.log = once(() => this.#opened(openFleetLog(environment), (log) => log.close()))
    this.codec = once(async () => {
      const codec = openCodec(environment)
      await codec.prepare()
      return codec
    })
    this.sql = once(() => this.#opened(openSql(environment), (sql) => sql.destroy()))
    this.blobs = once(async () => (hasSql ? this.sql().then(sqlBlobs, () => null) : null))
    this.limits = once(async () => (await stores()).limits)
    this.environment = async () => environment
    this.fleet = once(() => loadFleet(environment))
    this.stages = once(async () => stagesOf(await this.fleet()))
  }

  async close(): Promise<void> {
    for (const close of this.#open.reverse()) await close()
  }

  async #opened<T>(opening: Promise<T>, close: (part: T) => Promise<void>): Promise<T> {
    const part = await opening
    this.#open.push(() => close(part))
    return part
  }
}
