// Routes of the HTTP API for operators.
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { Operator } from '../../../operator/index.ts'
import { operatorPaths as paths } from '../../../operator/routes.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { heldUntilSent } from '../../../runtime/host/http/server.ts'
import { OpenStreams } from '../../../runtime/host/open-streams.ts'
import { taskQuery } from '../../../runtime/ledger/task-query.ts'
import { exportOptions, summaryOptions } from '../../../runtime/ledger/reader.ts'
import { bodyOf, present, queryNumber, textOf } from '../request-values.ts'

/** Each reads the ledger, an export as slowly as its client reads. */
const MAX_READS = 8
const MAX_READS_PER_CLIENT = 4

export function operatorRoutes(app: FastifyInstance, operator: Operator): void {
  taskRoutes(app, operator)
  fleetRoutes(app, operator)
  recordRoutes(app, operator)
  alertRoutes(app, operator)
  usageRoutes(app, operator)
  app.get(paths.limits, () => operator.limits.show())
  app.post(paths.rebuildLimits, () => operator.limits.rebuild())
}

type TaskQueryText = Partial<
  Record<'status' | 'agent' | 'user' | 'model' | 'since' | 'limit' | 'after', string>
>

function taskRoutes(app: FastifyInstance, { tasks }: Operator): void {
  app.get<{ Querystring: TaskQueryText }>(paths.tasks, ({ query }) => tasks.list(taskQuery(query)))
  app.get<{ Params: { id: string } }>(paths.task, ({ params }) => tasks.get(params.id))
}

function fleetRoutes(app: FastifyInstance, { configuration, lanes }: Operator): void {
  app.get(paths.agents, () => configuration.agents())
  app.get(paths.tools, () => configuration.tools())
  app.get(paths.models, () => configuration.models())
  app.get(paths.config, () => configuration.config())
  app.get(paths.lanes, () => lanes.list())
}

type Letter = { id: string }

function recordRoutes(app: FastifyInstance, { topics, breakers, deadLetters }: Operator): void {
  app.get(paths.topics, () => topics.list())
  app.get(paths.breakers, () => breakers.list())
  app.get<{ Querystring: { limit?: string } }>(paths.deadLetters, ({ query: { limit } }) =>
    deadLetters.list(Math.floor(queryNumber('limit', limit, { least: 1, most: 1_000, absent: 100 }))),
  )
  app.get<{ Params: Letter }>(paths.deadLetter, ({ params }) => deadLetters.get(params.id))
  app.post<{ Params: Letter }>(paths.replay, (request) => {
    const { force, as } = bodyOf(request)
    const options = { force: force === true, ...present({ as: textOf('as', as) }) }
    return deadLetters.replay(request.params.id, options)
  })
}

type Rule = { rule: string }

function alertRoutes(app: FastifyInstance, { alerts }: Operator): void {
  app.get(paths.alerts, () => alerts.list())
  app.post<{ Params: Rule }>(paths.silence, async (request, reply) => {
    const { untilMs, reason, by } = bodyOf(request)
    const { rule } = request.params
    if (typeof untilMs !== 'number' || !Number.isSafeInteger(untilMs))
      throw new FlotillaError('REQUEST_INVALID', 'untilMs must be a time in epoch milliseconds')
    const more = present({ reason: textOf('reason', reason), by: textOf('by', by) })
    await alerts.silence(rule, { untilMs, ...more })
    return reply.code(202).send({ rule, untilMs })
  })
  app.post<{ Params: Rule }>(paths.testAlert, ({ params }) => alerts.test(params.rule))
}

type Query = { by?: string; from?: string; to?: string; table?: string; format?: string }

/** Usage and cost: a summary, and the ledgers row by row. */
function usageRoutes(app: FastifyInstance, { usage }: Operator): void {
  const open = new OpenStreams({ total: MAX_READS, perClient: MAX_READS_PER_CLIENT })

  app.get<{ Querystring: Query }>(paths.usage, (request, reply) => {
    const options = summaryOptions(request.query)
    heldUntilSent(open, request, reply)
    return usage.summary(options)
  })

  app.get<{ Querystring: Query }>(paths.usageExport, (request, reply) => {
    const options = exportOptions(request.query)
    heldUntilSent(open, request, reply)
    const type = options.format === 'csv' ? 'text/csv; charset=utf-8' : 'application/x-ndjson'
    return reply.type(type).send(Readable.from(usage.export(options), { objectMode: false }))
  })
}
