// Connects operators to a fleet: the gateway at FLOTILLA_URL, or of the fleet that holds the data directory;
// else the log and the stores themselves, each opened when it is first needed.
import { openCodec } from '../runtime/codec/open.ts'
import type { Codec } from '../runtime/codec/port.ts'
import { readEnvironment, type Environment } from '../runtime/config/environment.ts'
import type { Fleet } from '../runtime/config/fleet.ts'
import { loadFleet } from '../runtime/config/load.ts'
import { ledgerReader } from '../runtime/ledger/reader.ts'
import { limitsReader, type LimitsReader } from '../runtime/limits/budget-report.ts'
import type { Log } from '../runtime/log/port.ts'
import { once } from '../runtime/once.ts'
import { sqlBlobs } from '../runtime/store/blobs-sql.ts'
import { hasDataFile } from '../runtime/store/data-file.ts'
import { openSql, openStores } from '../runtime/store/open.ts'
import type { Sql } from '../runtime/store/sql.ts'
import { DirectAlerts } from './direct/alerts.ts'
import { directBreakers } from './direct/breakers.ts'
import { DirectDeadLetters } from './direct/dead-letters.ts'
import { directTopics } from './direct/topics.ts'
import { httpOperator } from './http.ts'
import type { Operator } from './index.ts'
import { gatewayBehind, hasFleet, noFleet, openFleetLog } from './running-fleet.ts'

/**
 * How the fleet was reached: a gateway, the data file in this process, or the servers that the fleet shares.
 */
export type Reached = 'gateway' | 'file' | 'servers'

/**
 * Runs `work` on the fleet that the environment names. Rejects with NO_FLEET if an embedded fleet never ran
 * here: looking creates no files.
 */
export async function usingOperator<T>(
  work: (operator: Operator, reached: Reached) => Promise<T>,
): Promise<T> {
  const environment = readEnvironment(process.env)
  const url = environment.raw['FLOTILLA_URL']
  if (url) return work(httpOperator(url), 'gateway')
  if (!hasFleet(environment)) throw noFleet(environment)
  const parts = new Parts(environment)
  try {
    // Opening the file shows whether another process holds it.
    if (parts.isFile) await parts.log()
  } catch (error) {
    await parts.close()
    return work(httpOperator(gatewayBehind(error, environment)), 'gateway')
  }
  try {
    return await work(operatorOn(parts), parts.isFile ? 'file' : 'servers')
  } finally {
    await parts.close()
  }
}

class Parts {
  readonly isFile: boolean
  readonly log: () => Promise<Log>
  readonly codec: () => Promise<Codec>
  readonly sql: () => Promise<Sql>
  readonly fleet: () => Promise<Fleet>
  readonly limits: () => Promise<LimitsReader>
  readonly #environment: Environment
  readonly #open: (() => Promise<void>)[] = []

  constructor(environment: Environment) {
    this.#environment = environment
    this.isFile = environment.kafkaBrokers.length === 0 && hasDataFile(environment.dataDir)
    this.log = once(() => this.#opened(openFleetLog(environment), (log) => log.close()))
    this.codec = once(async () => {
      const codec = openCodec(environment)
      await codec.prepare()
      return codec
    })
    this.sql = once(() => this.#opened(openSql(environment), (sql) => sql.destroy()))
    this.fleet = once(() => loadFleet(environment))
    this.limits = once(async () => {
      const stores = await this.#opened(openStores(environment), (each) => each.close())
      return limitsReader({ ...stores, fleet: await this.fleet() })
    })
  }

  /** Null if the database can't be reached: only large records are kept in it. */
  async blobs(): Promise<ReturnType<typeof sqlBlobs> | null> {
    const { databaseUrl } = this.#environment
    if (!this.isFile && databaseUrl === null) return null
    return this.sql().then(sqlBlobs, () => null)
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

function operatorOn(parts: Parts): Operator {
  const letters = once(
    async () => new DirectDeadLetters(await parts.log(), await parts.codec(), await parts.blobs()),
  )
  const alerts = once(
    async () => new DirectAlerts(await parts.log(), await parts.codec(), (await parts.fleet()).alerts),
  )
  return {
    topics: { list: async () => directTopics(await parts.log()).list() },
    deadLetters: {
      list: async (limit) => (await letters()).list(limit),
      get: async (id) => (await letters()).get(id),
      replay: async (id, options) => (await letters()).replay(id, options),
    },
    breakers: { list: async () => directBreakers(await parts.log(), await parts.codec()).list() },
    alerts: {
      list: async () => (await alerts()).list(),
      silence: async (rule, silence) => (await alerts()).silence(rule, silence),
      test: async (rule) => (await alerts()).test(rule),
    },
    usage: {
      summary: async (options) => ledgerReader(await parts.sql()).summary(options),
      async *export(options) {
        yield* ledgerReader(await parts.sql()).export(options)
      },
    },
    limits: {
      show: async () => (await parts.limits()).show(),
      rebuild: async () => (await parts.limits()).rebuild(),
    },
  }
}
