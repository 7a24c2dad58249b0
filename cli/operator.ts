import { HttpOperator } from '../client/http-operator.ts'
import { LogOperator, type Operator } from '../client/operator.ts'
import { openCodec } from '../runtime/codec/open.ts'
import { readEnvironment } from '../runtime/config/environment.ts'
import { openFleetLog, usingFleet } from './running-fleet.ts'

/** The log itself, or a gateway. */
export async function usingOperator<T>(work: (operator: Operator) => Promise<T>): Promise<T> {
  const environment = readEnvironment(process.env)
  const local = async () => {
    const codec = openCodec(environment)
    await codec.prepare()
    const log = await openFleetLog(environment)
    return { here: new LogOperator(log, codec), close: () => log.close() }
  }
  return usingFleet(environment, { remote: (url) => new HttpOperator(url), local }, work)
}
