// The client of commands that use a fleet.
//
// 1. FLOTILLA_URL, Kafka or the gateway at PORT come first. If no gateway answers there, the fleet of the data
//    directory is meant: the gateway of the process that holds it, else the file itself.
// 2. Without a running fleet the file has results, and takes what the next start will read: cancels and feedback.
import { connect, type ConnectOptions } from '../../client/connect.ts'
import { HttpClient } from '../../client/http/client.ts'
import type { Client } from '../../client/types.ts'
import { openFleetLog, orGateway } from '../../operator/running-fleet.ts'
import { readEnvironment, type Environment } from '../../runtime/config/environment.ts'
import { FlotillaError, hasCode } from '../../runtime/errors.ts'
import type { Log } from '../../runtime/log/port.ts'
import { hasDataFile } from '../../runtime/store/data-file/data-file.ts'

/** The end of what a command says if only the file took what it sent. */
export const AT_NEXT_START = 'no fleet is running, the next start takes it'

/** `isRunning` false: the client is of the data file, and nothing carries tasks on. */
type Work<T> = (client: Client, isRunning: boolean) => Promise<T>

export interface FleetClientOptions extends ConnectOptions {
  /** True: `work` also makes sense on a data file that no fleet holds. */
  readonly offline?: boolean
}

export async function withClient<T>(work: Work<T>, options: FleetClientOptions = {}): Promise<T> {
  const { offline = false, ...connecting } = options
  try {
    return await closing(await connect(connecting), work, true)
  } catch (error) {
    const environment = readEnvironment(process.env)
    if (!isNoGateway(error) || !isFile(environment)) throw error
    return withDataFile(environment, work, { ...connecting, offline, cause: error })
  }
}

const isNoGateway = (error: unknown): error is FlotillaError => hasCode(error, 'GATEWAY_UNAVAILABLE')

const isFile = ({ kafkaBrokers, raw, dataDir }: Environment): boolean =>
  kafkaBrokers.length === 0 && !raw['FLOTILLA_URL'] && hasDataFile(dataDir)

async function withDataFile<T>(
  environment: Environment,
  work: Work<T>,
  { offline, cause, ...connecting }: ConnectOptions & { offline: boolean; cause: FlotillaError },
): Promise<T> {
  const log = await orGateway(() => openFleetLog(environment), environment)
  if (typeof log === 'string') return closing(new HttpClient(log, connecting), work, true)
  try {
    if (offline) return await onFile(log, environment, work)
    const message = `${cause.message}, and no fleet runs on ${environment.dataDir}`
    throw new FlotillaError('GATEWAY_UNAVAILABLE', message, { cause })
  } finally {
    await log.close()
  }
}

async function onFile<T>(log: Log, environment: Environment, work: Work<T>): Promise<T> {
  const [{ openCodec }, { openSql }, { sqlBlobs }, { LogClient }] = await Promise.all([
    import('../../runtime/codec/open.ts'),
    import('../../runtime/store/open.ts'),
    import('../../runtime/store/blobs-sql.ts'),
    import('../../client/log/client.ts'),
  ])
  const codec = openCodec(environment)
  await codec.prepare()
  const sql = await openSql(environment)
  try {
    return await closing(new LogClient({ log, codec, blobs: sqlBlobs(sql) }), work, false)
  } finally {
    await sql.destroy()
  }
}

async function closing<T>(client: Client, work: Work<T>, isRunning: boolean): Promise<T> {
  try {
    return await work(client, isRunning)
  } finally {
    await client.close()
  }
}
