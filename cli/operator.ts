import { HttpOperator } from '../client/http-operator.ts'
import { LogOperator, type Operator } from '../client/operator.ts'
import { openCodec } from '../runtime/codec/open.ts'
import { readEnvironment } from '../runtime/config/environment.ts'
import { openLog } from '../runtime/log/open.ts'
import type { Log } from '../runtime/log/port.ts'
import { gatewayBehind } from './running-fleet.ts'

/** Works on the log itself; on an embedded log that a running fleet holds, through its gateway. */
export async function usingOperator<T>(
  work: (operator: Operator, log: Log | null) => Promise<T>,
): Promise<T> {
  const environment = readEnvironment(process.env)
  let log: Log
  try {
    log = await openLog(environment)
  } catch (error) {
    return work(new HttpOperator(gatewayBehind(error, environment)), null)
  }
  try {
    const codec = openCodec(environment)
    await codec.prepare()
    return await work(new LogOperator(log, codec), log)
  } finally {
    await log.close()
  }
}
