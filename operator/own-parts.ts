// The parts of a fleet for an operator without a gateway: log, stores, ledger.
import { openCodec } from '../runtime/codec/open.ts'
import type { Codec } from '../runtime/codec/port.ts'
import type { Environment } from '../runtime/config/environment.ts'
import type { Fleet } from '../runtime/config/fleet.ts'
import { loadFleet } from '../runtime/config/load.ts'
import type { Limits } from '../runtime/limits/port.ts'
import type { Log } from '../runtime/log/port.ts'
import { once } from '../runtime/once.ts'
import { sqlBlobs } from '../runtime/store/blobs-sql.ts'
import { hasDataFile } from '../runtime/store/data-file/data-file.ts'
import { openSql, openStores } from '../runtime/store/open.ts'
import type { BlobStore } from '../runtime/store/port.ts'
import type { Stage } from '../runtime/stage.ts'
import type { Sql } from '../runtime/store/sql.ts'
import { noStages, type FleetParts, type StagesOf } from './direct/index.ts'
import { openFleetLog, requireDatabase } from './running-fleet.ts'

export { directOperator } from './direct/index.ts'

/** The parts of the fleet that the environment names, closed together. */
export class OwnParts implements FleetParts {
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

  constructor(environment: Environment, stagesOf: StagesOf = noStages) {
    this.isFile = environment.kafkaBrokers.length === 0 && hasDataFile(environment.dataDir)
    const hasSql = this.isFile || environment.databaseUrl !== null
    const stores = once(() => this.#opened(openStores(environment), (each) => each.close()))
    this.log = once(() => this.#opened(openFleetLog(environment), (log) => log.close()))
    this.codec = once(async () => {
      const codec = openCodec(environment)
      await codec.prepare()
      return codec
    })
    this.sql = once(async () => {
      requireDatabase(environment)
      return this.#opened(openSql(environment), (sql) => sql.destroy())
    })
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
