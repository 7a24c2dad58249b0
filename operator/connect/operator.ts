import { HttpOperator } from '../http/operator.ts'
import { LogOperator, type Operator } from '../direct.ts'
import { openCodec } from '../../runtime/codec/open.ts'
import { openSql } from '../../runtime/store/open.ts'
import { sqlBlobs } from '../../runtime/store/blobs-sql.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { openFleetLog, usingFleet } from '../running-fleet.ts'

/** The log itself, or a gateway. */
export async function usingOperator<T>(work: (operator: Operator) => Promise<T>): Promise<T> {
  const environment = readEnvironment(process.env)
  const local = async () => {
    const codec = openCodec(environment)
    await codec.prepare()
    const log = await openFleetLog(environment)
    // A fleet on Kafka keeps large records in a database that may be out of reach from here.
    const hasDatabase = log.kind === 'embedded' || environment.databaseUrl !== null
    const sql = hasDatabase ? await openSql(environment).catch(() => null) : null
    const close = async () => {
      await sql?.destroy()
      await log.close()
    }
    return { here: new LogOperator(log, codec, sql && sqlBlobs(sql)), close }
  }
  return usingFleet(environment, { remote: (url) => new HttpOperator(url), local }, work)
}
