// Runs of evaluations over HTTP.
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { evaluations as routes } from '../../../api/routes.ts'
import type { EvaluationOperator } from '../../../operator/index.ts'
import { heldUntilSent } from '../../../runtime/host/http/server.ts'
import { OpenStreams } from '../../../runtime/host/open-streams.ts'
import { serve } from './serve.ts'

const MAX_READS = 8
const MAX_READS_PER_CLIENT = 4

export function evaluationRoutes(app: FastifyInstance, evaluations: EvaluationOperator): void {
  const open = new OpenStreams({ total: MAX_READS, perClient: MAX_READS_PER_CLIENT })

  serve(app, routes.listRuns, ({ query: { limit } }) => evaluations.list(Math.floor(limit)))

  serve(app, routes.getRun, ({ params: { id } }) => evaluations.get(id))

  serve(app, routes.saveRun, ({ body }) => evaluations.save(body))

  serve(app, routes.deleteRun, async ({ params: { id } }) => ({ deleted: await evaluations.delete(id) }))

  serve(app, routes.addCases, async ({ params: { id }, body: { cases } }) => {
    await evaluations.add(id, cases)
    return { stored: cases.length }
  })

  serve(app, routes.exportRun, async (request, reply) => {
    const { params, query } = request
    // An unknown run is refused before the stream begins.
    await evaluations.get(params.id)
    heldUntilSent(open, request, reply)
    const type = query.format === 'csv' ? 'text/csv; charset=utf-8' : 'application/x-ndjson'
    const rows = evaluations.export(params.id, query.format)
    return reply.type(type).send(Readable.from(rows, { objectMode: false }))
  })
}
