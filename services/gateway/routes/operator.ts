// Routes of the HTTP API for operators.
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { operator as routes, tasks as taskRoutes } from '../../../api/routes.ts'
import { taskQuery } from '../../../api/schemas/task-query.ts'
import { assertNarrowed } from '../../../operator/direct/tasks/cancel.ts'
import type { Operator } from '../../../operator/index.ts'
import type { Json } from '../../../schemas/json.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { heldUntilSent } from '../../../runtime/host/http/server.ts'
import { OpenStreams } from '../../../runtime/host/open-streams.ts'
import { isRestricted, mayRead, principalOf, type Principal } from '../access/principal.ts'
import { serve } from './serve.ts'

/** Each reads the ledger, an export as slowly as its client reads. */
const MAX_READS = 8
const MAX_READS_PER_CLIENT = 4

export function operatorRoutes(app: FastifyInstance, operator: Operator): void {
  listRoutes(app, operator)
  resultRoutes(app, operator)
  forkRoutes(app, operator)
  fleetRoutes(app, operator)
  recordRoutes(app, operator)
  alertRoutes(app, operator)
  usageRoutes(app, operator)
  serve(app, routes.limits, () => operator.limits.show())
  serve(app, routes.rebuildLimits, () => operator.limits.rebuild())
}

function resultRoutes(app: FastifyInstance, { results: reader }: Operator): void {
  serve(app, taskRoutes.resultPage, async (request) => {
    const { after, since, limit } = request.query
    const page = await reader.page({
      limit,
      ...(after === undefined ? {} : { after }),
      ...(since === undefined ? {} : { sinceMs: since }),
    })
    const principal = principalOf(request)
    return { ...page, results: page.results.filter(({ userId }) => mayRead(principal, userId)) }
  })
}

function forkRoutes(app: FastifyInstance, { forks }: Operator): void {
  serve(app, taskRoutes.fork, async ({ params, body }, reply) => {
    const forked = await forks.fork(params.id, body)
    return reply.code(202).header('location', `/v1/tasks/${forked.taskId}/result`).send(forked)
  })
  serve(app, taskRoutes.recording, async ({ params, query }) => {
    const { steps = [], outcomes = [] } = await forks.recording(params.id, query.fromStep)
    return { steps: steps as unknown as Json[], outcomes: outcomes as unknown as Json[] }
  })
  serve(app, taskRoutes.replay, ({ params }) => forks.replay(params.id))
  serve(app, taskRoutes.compare, ({ params }) => forks.compare(params.id, params.other))
}

function listRoutes(app: FastifyInstance, { tasks }: Operator): void {
  serve(app, taskRoutes.list, (request) => {
    return tasks.list(taskQuery(ofOwn(request.query, principalOf(request))))
  })
  serve(app, taskRoutes.cancelMany, async (request, reply) => {
    const { body } = request
    // Its user is no filter that the client chose: an empty one is refused for everyone.
    assertNarrowed(body)
    return reply.code(202).send(await tasks.cancel(ofOwn(body, principalOf(request))))
  })
  serve(app, taskRoutes.get, ({ params }) => tasks.get(params.id))
  serve(app, taskRoutes.tree, ({ params }) => tasks.tree(params.id))
}

/** The filter, of the user's own tasks if the client may see no others. Throws FORBIDDEN if it names another user. */
function ofOwn<F extends { readonly user?: string }>(filter: F, principal: Principal): F {
  const { name, userId } = principal
  if (userId === null || !isRestricted(principal)) return filter
  if ((filter.user ?? userId) === userId) return { ...filter, user: userId }
  throw new FlotillaError(
    'FORBIDDEN',
    `the tasks of other users need the scope tasks:read:all, which ${name} does not have`,
  )
}

function fleetRoutes(app: FastifyInstance, operator: Operator): void {
  const { configuration, lanes, mcpServers, pauses } = operator
  serve(app, routes.agents, () => configuration.agents())
  serve(app, routes.tools, () => configuration.tools())
  serve(app, routes.models, () => configuration.models())
  serve(app, routes.mcpServers, () => mcpServers.list())
  serve(app, routes.config, () => configuration.config())
  serve(app, routes.lanes, () => lanes.list())
  serve(app, routes.pauses, () => pauses.list())
  serve(app, routes.pause, ({ body }) => pauses.set(body))
}

function recordRoutes(app: FastifyInstance, { topics, breakers, deadLetters }: Operator): void {
  serve(app, routes.topics, () => topics.list())
  serve(app, routes.breakers, () => breakers.list())
  serve(app, routes.deadLetters, ({ query: { limit, since, ...filter } }) =>
    deadLetters.list(Math.floor(limit), { ...filter, ...(since === undefined ? {} : { sinceMs: since }) }),
  )
  serve(app, routes.replayAll, ({ body }) => deadLetters.replayAll(body))
  serve(app, routes.purge, ({ body }) => deadLetters.purge(body))
  serve(app, routes.deadLetter, ({ params }) => deadLetters.get(params.id))
  serve(app, routes.replay, ({ params, body }) => deadLetters.replay(params.id, body))
}

function alertRoutes(app: FastifyInstance, { alerts }: Operator): void {
  serve(app, routes.alerts, () => alerts.list())
  serve(app, routes.silence, async ({ params: { rule }, body }, reply) => {
    await alerts.silence(rule, body)
    return reply.code(202).send({ rule, untilMs: body.untilMs })
  })
  serve(app, routes.testAlert, ({ params }) => alerts.test(params.rule))
}

type Times = { readonly from?: number | undefined; readonly to?: number | undefined }

const timesOf = ({ from, to }: Times): { fromMs?: number; toMs?: number } => ({
  ...(from === undefined ? {} : { fromMs: from }),
  ...(to === undefined ? {} : { toMs: to }),
})

/** Usage and cost: a summary, and the ledgers row by row. */
function usageRoutes(app: FastifyInstance, { usage }: Operator): void {
  const open = new OpenStreams({ total: MAX_READS, perClient: MAX_READS_PER_CLIENT })

  serve(app, routes.usage, (request, reply) => {
    const { from, to, ...query } = request.query
    heldUntilSent(open, request, reply)
    return usage.summary({ ...query, ...timesOf({ from, to }) })
  })

  serve(app, routes.usageExport, (request, reply) => {
    const { table, format, ...times } = request.query
    heldUntilSent(open, request, reply)
    const type = format === 'csv' ? 'text/csv; charset=utf-8' : 'application/x-ndjson'
    const rows = usage.export({ table, format, ...timesOf(times) })
    return reply.type(type).send(Readable.from(rows, { objectMode: false }))
  })
}
