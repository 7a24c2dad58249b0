import type { FastifyInstance } from 'fastify'
import { Readable } from 'node:stream'
import { heldUntilSent } from '../../../runtime/host/http/server.ts'
import { OpenStreams } from '../../../runtime/host/open-streams.ts'
import { exportOptions, summaryOptions, type LedgerReader } from '../../../runtime/ledger/reader.ts'

/** Each reads the ledger, and an export does so as slowly as its client takes it. */
const MAX_READS = 8
const MAX_READS_PER_CLIENT = 4

type Query = { by?: string; from?: string; to?: string; table?: string; format?: string }

/** What the fleet did and cost: a summary, and the ledgers row by row. */
export function usageRoutes(app: FastifyInstance, ledger: LedgerReader): void {
  const open = new OpenStreams({ total: MAX_READS, perClient: MAX_READS_PER_CLIENT })

  app.get<{ Querystring: Query }>('/v1/usage', (request, reply) => {
    const options = summaryOptions(request.query)
    heldUntilSent(open, request, reply)
    return ledger.summary(options)
  })

  app.get<{ Querystring: Query }>('/v1/usage/export', (request, reply) => {
    const options = exportOptions(request.query)
    heldUntilSent(open, request, reply)
    const type = options.format === 'csv' ? 'text/csv; charset=utf-8' : 'application/x-ndjson'
    return reply.type(type).send(Readable.from(ledger.export(options), { objectMode: false }))
  })
}
