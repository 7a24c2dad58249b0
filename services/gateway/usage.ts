import type { FastifyInstance } from 'fastify'
import { Readable } from 'node:stream'
import { exportOptions, summaryOptions, type LedgerReader } from '../../runtime/ledger/reader.ts'

type Query = { by?: string; from?: string; to?: string; table?: string; format?: string }

/** What the fleet did and cost: a summary, and the ledgers row by row. */
export function usageRoutes(app: FastifyInstance, ledger: LedgerReader): void {
  app.get<{ Querystring: Query }>('/v1/usage', (request) => ledger.summary(summaryOptions(request.query)))

  app.get<{ Querystring: Query }>('/v1/usage/export', (request, reply) => {
    const options = exportOptions(request.query)
    const type = options.format === 'csv' ? 'text/csv; charset=utf-8' : 'application/x-ndjson'
    return reply.type(type).send(Readable.from(ledger.export(options), { objectMode: false }))
  })
}
