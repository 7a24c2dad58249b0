import { httpLimits } from '../http/limits.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { loadFleet } from '../../runtime/config/load.ts'
import { limitsReader, type LimitsReader } from '../../runtime/limits/budget-report.ts'
import { usingFleet } from '../running-fleet.ts'

/** The counters and the ledger. */
export async function usingLimits<T>(work: (limits: LimitsReader) => Promise<T>): Promise<T> {
  const environment = readEnvironment(process.env)
  const local = async () => {
    const { openStores } = await import('../../runtime/store/open.ts')
    const stores = await openStores(environment)
    try {
      const here = limitsReader({ ...stores, fleet: await loadFleet(environment) })
      return { here, close: () => stores.close() }
    } catch (error) {
      await stores.close()
      throw error
    }
  }
  return usingFleet(environment, { remote: httpLimits, local }, work)
}
