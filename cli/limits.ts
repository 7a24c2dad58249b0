import { httpLimits } from '../client/http-limits.ts'
import { readEnvironment } from '../runtime/config/environment.ts'
import { loadFleet } from '../runtime/config/load.ts'
import { limitsReader, type LimitsReader } from '../runtime/limits/standing.ts'
import { gatewayBehind } from './running-fleet.ts'

/** The counters and the ledger: the stores themselves; through the gateway at FLOTILLA_URL, or of the fleet that holds the file. */
export async function usingLimits<T>(work: (limits: LimitsReader) => Promise<T>): Promise<T> {
  const environment = readEnvironment(process.env)
  const gateway = environment.raw['FLOTILLA_URL']
  if (gateway) return work(httpLimits(gateway))
  const { openStores } = await import('../runtime/store/open.ts')
  let stores
  try {
    stores = await openStores(environment)
  } catch (error) {
    return work(httpLimits(gatewayBehind(error, environment)))
  }
  try {
    return await work(limitsReader({ ...stores, fleet: await loadFleet(environment) }))
  } finally {
    await stores.close()
  }
}
