// Runs of evaluations over HTTP.
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { MAX_COMPARED, MAX_COMPARED_CHARS } from '../../../api/evaluations.ts'
import { evaluations as routes, tasks as taskRoutes } from '../../../api/routes.ts'
import type { EvaluationRun, PromotedCase } from '../../../api/schemas/evaluations.ts'
import type { LogClient } from '../../../client/log/client.ts'
import { storedCases, tooMany, type MostCases } from '../../../evaluation/stored-cases.ts'
import type { EvaluationOperator, Operator } from '../../../operator/index.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { heldUntilSent } from '../../../runtime/host/http/server.ts'
import { OpenStreams } from '../../../runtime/host/open-streams.ts'
import type { Json } from '../../../schemas/json.ts'
import { serve } from './serve.ts'

const most: MostCases = { cases: MAX_COMPARED, chars: MAX_COMPARED_CHARS }
const MAX_READS = 8
const MAX_READS_PER_CLIENT = 4

export function evaluationRoutes(app: FastifyInstance, client: LogClient, operator: Operator): void {
  const { evaluations } = operator
  const open = new OpenStreams({ total: MAX_READS, perClient: MAX_READS_PER_CLIENT })

  serve(app, routes.listRuns, ({ query: { limit } }) => evaluations.list(Math.floor(limit)))

  serve(app, routes.getRun, ({ params: { id } }) => evaluations.get(id))

  serve(app, routes.saveRun, ({ body }) => evaluations.save(body))

  serve(app, routes.deleteRun, async ({ params: { id } }) => ({ deleted: await evaluations.delete(id) }))

  serve(app, routes.addCases, async ({ params: { id }, body: { cases } }) => {
    await evaluations.add(id, cases)
    return { stored: cases.length }
  })

  serve(app, routes.compareRuns, async (request, reply) => {
    const { id, before } = request.params
    const [after, earlier] = [await comparable(evaluations, id), await comparable(evaluations, before)]
    heldUntilSent(open, request, reply)
    const { compareRuns } = await import('../../../evaluation/compare-runs.ts')
    const cases = await storedCases(id, evaluations, most)
    const compared = await compareRuns(evaluations, earlier, after, cases, most)
    return compared.map((each) => ({ ...each, measures: [...each.measures] }))
  })

  serve(app, taskRoutes.case, async ({ params: { id }, query }) => {
    const { caseOfTask } = await import('../../../evaluation/promote.ts')
    const given = query.expected === undefined ? {} : { expected: jsonOf(query.expected) }
    return (await caseOfTask({ client, operator }, id, given)) as unknown as PromotedCase
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

/** Rejects with NOT_FOUND, or REQUEST_INVALID if comparing would hold the process up. */
async function comparable(evaluations: EvaluationOperator, id: string): Promise<EvaluationRun> {
  const run = await evaluations.get(id)
  if (run.cases * run.epochs * run.models.length <= MAX_COMPARED) return run
  throw tooMany(id, MAX_COMPARED)
}

function jsonOf(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    throw new FlotillaError('REQUEST_INVALID', 'expected must be JSON; a text is in quotes')
  }
}
