import { HttpOperator } from '../client/http-operator.ts'
import type { Operator } from '../client/operator.ts'
import { readEnvironment } from '../runtime/config/environment.ts'
import type { Log } from '../runtime/log/port.ts'
import { gatewayBehind } from './running-fleet.ts'

/** Works on the log itself; on an embedded log that a running fleet holds, through its gateway. */
export async function usingOperator<T>(
  work: (operator: Operator, log: Log | null) => Promise<T>,
): Promise<T> {
  const environment = readEnvironment(process.env)
  const { openLog } = await import('../runtime/log/open.ts')
  let log: Log
  try {
    log = await openLog(environment)
  } catch (error) {
    return work(new HttpOperator(gatewayBehind(error, environment)), null)
  }
  try {
    const { LogOperator } = await import('../client/operator.ts')
    const { openCodec } = await import('../runtime/codec/open.ts')
    const codec = openCodec(environment)
    await codec.prepare()
    return await work(new LogOperator(log, codec), log)
  } finally {
    await log.close()
  }
}
