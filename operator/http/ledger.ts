import type { ExportOptions } from '../../runtime/ledger/export.ts'
import type { LedgerReader } from '../../runtime/ledger/reader.ts'
import type { SummaryLine, SummaryOptions } from '../../runtime/ledger/summary.ts'
import { askGateway } from '../../client/http/client.ts'

/** The ledgers through a gateway: an embedded fleet's file belongs to the process that runs it. */
export function httpLedger(gateway: string): LedgerReader {
  return {
    summary: async (options) =>
      (await (await askGateway(gateway, `/v1/usage?${queryOf(options)}`)).json()) as SummaryLine[],
    async *export(options) {
      const { body } = await askGateway(gateway, `/v1/usage/export?${queryOf(options)}`)
      if (body) yield* body.pipeThrough(new TextDecoderStream())
    },
  }
}

function queryOf({ fromMs, toMs, ...rest }: SummaryOptions | ExportOptions): URLSearchParams {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(rest)) query.set(name, String(value))
  if (fromMs !== undefined) query.set('from', String(fromMs))
  if (toMs !== undefined) query.set('to', String(toMs))
  return query
}
