// The HTTP API: submit, result, cancel, approve, feedback, and updates as newline-delimited JSON.
// Only the shape of requests is checked here: the router decides about tasks, and its rejection is a result.
import type { FastifyInstance, FastifyReply } from 'fastify'
import { LogClient } from '../../../client/log/client.ts'
import { directOperator, directTasks, openParts } from '../../../operator/direct/index.ts'
import type { TaskInput, TaskResult } from '../../../client/types.ts'
import { FlotillaError, type ErrorCode } from '../../../runtime/errors.ts'
import { retryAfter, sendError } from '../../../runtime/host/http/errors.ts'
import type { RoutesContext } from '../../../runtime/service.ts'
import { bodyOf, numberOf, present, queryNumber, textOf } from '../request-values.ts'
import { KnownTasks, refuseUnknown } from '../known-tasks.ts'
import { SubmittedIds } from '../submitted-ids.ts'
import { streamRoutes } from '../streams.ts'
import { operatorRoutes } from './operator.ts'
import { Waiters } from '../waiters.ts'

const MAX_WAIT_SECONDS = 30
const routes =
  'there are POST /v1/tasks?wait=SECONDS, GET /v1/tasks, /v1/tasks/:id, /v1/tasks/:id/result?wait=SECONDS, GET /v1/tasks/:id/updates, ' +
  'POST /v1/tasks/:id/cancel, /feedback, /quality and /approvals/:callId, GET /v1/results, /v1/usage, /v1/limits, /v1/alerts, /v1/topics, /v1/breakers, /v1/dead-letters and ' +
  '/v1/fleet/agents, /tools, /models, /config, /lanes and /pauses'

type Params = { id: string; callId: string }
type Query = { wait?: string }

export async function registerRoutes(app: FastifyInstance, context: RoutesContext): Promise<void> {
  const { log, codec, blobs, instruments } = context
  const client = new LogClient({ log, codec, blobs, instruments, name: 'gateway', boundedSearch: true })
  const waiters = new Waiters(client)
  const parts = openParts(context)
  const tasks = await directTasks(parts)
  const known = new KnownTasks(tasks)
  const ids = new SubmittedIds({ store: context.keyValue, tasks, log: context.logger })
  refuseUnknown(app, known)
  app.addHook('onClose', () => client.close())
  app.setNotFoundHandler((request, reply) =>
    sendError(new FlotillaError('NOT_FOUND', `no route ${request.method} ${request.url}; ${routes}`), reply),
  )

  app.post<{ Querystring: Query }>('/v1/tasks', async (request, reply) => {
    const waitMs = waitMsOf(request.query)
    const body = bodyOf(request)
    const publish = () => client.submit(body as unknown as TaskInput)
    const { taskId, isRepeated } = await ids.submit(body, publish)
    known.keep(taskId)
    reply.header('location', `/v1/tasks/${taskId}/result`)
    const result = waitMs === 0 ? null : await waiters.afterSubmitting(taskId, waitMs, reply)
    if (result === null) return reply.code(isRepeated ? 200 : 202).send({ taskId })
    return sendResult(result, reply)
  })

  app.get<{ Params: Params; Querystring: Query }>('/v1/tasks/:id/result', async (request, reply) => {
    const waitMs = waitMsOf(request.query)
    const { id } = request.params
    if (waitMs > 0) await known.assert(id)
    const result = waitMs === 0 ? await client.find(id) : await waiters.wait(id, waitMs, reply)
    if (result === null) await known.assert(id)
    return result ?? reply.code(204).send()
  })

  streamRoutes(app, client, context.environment.http)

  app.post<{ Params: Params }>('/v1/tasks/:id/cancel', async (request, reply) => {
    await client.cancel(request.params.id, textOf('reason', bodyOf(request)['reason']))
    return reply.code(202).send({ taskId: request.params.id })
  })

  app.post<{ Params: Params }>('/v1/tasks/:id/approvals/:callId', async (request, reply) => {
    const { approved, reason, decidedBy } = bodyOf(request)
    if (typeof approved !== 'boolean')
      throw new FlotillaError('TASK_INVALID', 'approved must be true or false')
    const { id: taskId, callId } = request.params
    await client.approve({
      taskId,
      callId,
      approved,
      ...present({ reason: textOf('reason', reason), decidedBy: textOf('decidedBy', decidedBy) }),
    })
    return reply.code(202).send({ taskId })
  })

  operatorRoutes(app, directOperator(parts))

  app.post<{ Params: Params }>('/v1/tasks/:id/feedback', async (request, reply) => {
    const { satisfaction, comment, userId } = bodyOf(request)
    const taskId = request.params.id
    const details = present({ comment: textOf('comment', comment), userId: textOf('userId', userId) })
    await client.feedback({ taskId, satisfaction: numberOf(satisfaction), ...details })
    return reply.code(202).send({ taskId })
  })

  app.post<{ Params: Params }>('/v1/tasks/:id/quality', async (request, reply) => {
    const { quality, scorer } = bodyOf(request)
    const taskId = request.params.id
    await client.scoreQuality({
      taskId,
      quality: numberOf(quality),
      ...present({ scorer: textOf('scorer', scorer) }),
    })
    return reply.code(202).send({ taskId })
  })
}

const waitMsOf = ({ wait }: Query): number =>
  queryNumber('wait', wait, { least: 0, most: MAX_WAIT_SECONDS, absent: 0 }) * 1_000

/** The response to a submission that waited: a task that a limit refused is a 429. */
function sendResult(result: TaskResult, reply: FastifyReply): FastifyReply {
  const { status, error } = result
  if (status !== 'rejected' || error === null || !limitCodes.has(error.code)) return reply.send(result)
  return retryAfter(reply.code(429), error.retryAfterMs).send(result)
}

const limitCodes: ReadonlySet<string> = new Set<ErrorCode>(['RATE_LIMITED', 'BUDGET_EXCEEDED', 'QUEUE_FULL'])
