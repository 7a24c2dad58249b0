import { httpLedger } from '../client/http-ledger.ts'
import { readEnvironment } from '../runtime/config/environment.ts'
import { ledgerReader, type LedgerReader } from '../runtime/ledger/reader.ts'
import { gatewayBehind } from './running-fleet.ts'

/** The ledgers: DATABASE_URL or the data file; through the gateway at FLOTILLA_URL, or of the fleet that holds the file. */
export async function usingLedger<T>(work: (ledger: LedgerReader) => Promise<T>): Promise<T> {
  const environment = readEnvironment(process.env)
  const gateway = environment.raw['FLOTILLA_URL']
  if (gateway) return work(httpLedger(gateway))
  const { openSql } = await import('../runtime/store/open.ts')
  let sql
  try {
    sql = await openSql(environment)
  } catch (error) {
    return work(httpLedger(gatewayBehind(error, environment)))
  }
  try {
    return await work(ledgerReader(sql))
  } finally {
    await sql.destroy()
  }
}
