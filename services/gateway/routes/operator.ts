// Routes of the HTTP API for operators.
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { BulkOptions, Operator } from '../../../operator/index.ts'
import { operatorPaths as paths } from '../../../operator/routes.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { heldUntilSent } from '../../../runtime/host/http/server.ts'
import { OpenStreams } from '../../../runtime/host/open-streams.ts'
import { sinceOf, taskQuery } from '../../../runtime/ledger/task-query.ts'
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

function fleetRoutes(app: FastifyInstance, { configuration, lanes, pauses }: Operator): void {
  app.get(paths.agents, () => configuration.agents())
  app.get(paths.tools, () => configuration.tools())
  app.get(paths.models, () => configuration.models())
  app.get(paths.config, () => configuration.config())
  app.get(paths.lanes, () => lanes.list())
  app.get(paths.pauses, () => pauses.list())
  app.post(paths.pauses, (request) => {
    const { stage, paused, reason, by } = bodyOf(request)
    const texts = { stage: textOf('stage', stage), reason: textOf('reason', reason), by: textOf('by', by) }
    return pauses.set({ paused: flagOf('paused', paused), ...present(texts) })
  })
}

type Letter = { id: string }

function recordRoutes(app: FastifyInstance, { topics, breakers, deadLetters }: Operator): void {
  app.get(paths.topics, () => topics.list())
  app.get(paths.breakers, () => breakers.list())
  app.get<{ Querystring: { limit?: string } & LetterQuery }>(paths.deadLetters, ({ query }) => {
    const { limit, since, code, stage, reason } = query
    const sinceMs = since === undefined ? {} : { sinceMs: sinceOf(since) }
    const most = Math.floor(queryNumber('limit', limit, { least: 1, most: 1_000, absent: 100 }))
    return deadLetters.list(most, { ...sinceMs, ...present({ code, stage, reason }) })
  })
  app.post(paths.replayAll, (request) => deadLetters.replayAll(bulkOptions(bodyOf(request))))
  app.post(paths.purge, (request) => deadLetters.purge(bulkOptions(bodyOf(request))))
  app.get<{ Params: Letter }>(paths.deadLetter, ({ params }) => deadLetters.get(params.id))
  app.post<{ Params: Letter }>(paths.replay, (request) => {
    const { force, as } = bodyOf(request)
    const options = { force: force === true, ...present({ as: textOf('as', as) }) }
    return deadLetters.replay(request.params.id, options)
  })
}

type LetterQuery = { since?: string; code?: string; stage?: string; reason?: string }

const bulkFields = ['ids', 'limit', 'dryRun', 'force', 'sinceMs', 'code', 'stage', 'reason']

/** Throws REQUEST_INVALID: a field that is misspelt must not widen what is done. */
function bulkOptions(body: Record<string, unknown>): BulkOptions {
  const unknown = Object.keys(body).filter((name) => !bulkFields.includes(name))
  if (unknown.length > 0)
    throw new FlotillaError(
      'REQUEST_INVALID',
      `no field ${unknown.join(', ')}; there are: ${bulkFields.join(', ')}`,
    )
  const { ids, limit, dryRun, force, sinceMs, code, stage, reason } = body
  if (ids !== undefined && !isTexts(ids))
    throw new FlotillaError('REQUEST_INVALID', 'ids must be a list of ids')
  const texts = {
    code: textOf('code', code),
    stage: textOf('stage', stage),
    reason: textOf('reason', reason),
  }
  return {
    ...present(texts),
    ...(ids === undefined ? {} : { ids }),
    ...(limit === undefined ? {} : { limit: countOf('limit', limit) }),
    ...(sinceMs === undefined ? {} : { sinceMs: countOf('sinceMs', sinceMs) }),
    ...(dryRun === undefined ? {} : { dryRun: flagOf('dryRun', dryRun) }),
    ...(force === undefined ? {} : { force: flagOf('force', force) }),
  }
}

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((each) => typeof each === 'string')

function countOf(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value
  throw new FlotillaError('REQUEST_INVALID', `${name} must be a whole number above 0`)
}

function flagOf(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw new FlotillaError('REQUEST_INVALID', `${name} must be true or false`)
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
