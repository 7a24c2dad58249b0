import { httpLedger } from '../http/ledger.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { ledgerReader, type LedgerReader } from '../../runtime/ledger/reader.ts'
import { usingFleet } from '../running-fleet.ts'

/** The ledgers: DATABASE_URL, or the data file. */
export async function usingLedger<T>(work: (ledger: LedgerReader) => Promise<T>): Promise<T> {
  const environment = readEnvironment(process.env)
  const local = async () => {
    const { openSql } = await import('../../runtime/store/open.ts')
    const sql = await openSql(environment)
    return { here: ledgerReader(sql), close: () => sql.destroy() }
  }
  return usingFleet(environment, { remote: httpLedger, local }, work)
}
