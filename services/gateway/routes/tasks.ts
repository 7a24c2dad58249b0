// The HTTP API: submit, result, cancel, approve, feedback, and updates as newline-delimited JSON.
// Only the shape of requests is checked here: the router decides about tasks, and its rejection is a result.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { nearbyRoutes } from '../../../api/nearby-routes.ts'
import { tasks as routes } from '../../../api/routes.ts'
import { LogClient } from '../../../client/log/client.ts'
import { requireTask } from '../../../client/submission.ts'
import { withConversation } from '../../../operator/direct/tasks/conversations.ts'
import { directOperator, directTasks, openParts } from '../../../operator/direct/index.ts'
import { DirectKeys } from '../../../operator/direct/keys.ts'
import { DirectSessions } from '../../../operator/direct/sessions.ts'
import type { TaskInput, TaskResult } from '../../../client/types.ts'
import { FlotillaError, type ErrorCode } from '../../../runtime/errors.ts'
import { lastWait } from '../../../runtime/ledger/approvals.ts'
import { retryAfter, sendError } from '../../../runtime/host/http/errors.ts'
import type { RoutesContext } from '../../../runtime/service.ts'
import { taskStages } from '../../index.ts'
import { idempotencyKeyOf } from '../idempotency-key.ts'
import { KnownTasks, refuseUnknown } from '../known-tasks.ts'
import { eventRoutes } from '../events/routes.ts'
import { RequestCounts } from '../request-counts.ts'
import { SubmittedIds } from '../submitted-ids.ts'
import { signInRoutes } from './sign-in.ts'
import { streamRoutes } from '../streams.ts'
import { guardAccess } from '../access/access.ts'
import { ownTasks } from '../access/own-tasks.ts'
import { Owners } from '../access/owners.ts'
import { verifiedDecision } from '../access/decisions.ts'
import { consoleRoutes, isForPeople } from '../console/routes.ts'
import { approvalRoutes } from './approvals.ts'
import { descriptionRoutes } from './description.ts'
import { doctorRoutes } from './doctor.ts'
import { evaluationRoutes } from './evaluations.ts'
import { keyRoutes } from './keys.ts'
import { mcpRoutes } from '../mcp/routes.ts'
import { meRoutes } from './me.ts'
import { openaiRoutes } from '../openai/routes.ts'
import { operatorRoutes } from './operator.ts'
import { serve } from './serve.ts'
import { sessionRoutes } from './sessions.ts'
import { WaitingRequests } from '../waiting-requests.ts'
import { DecisionChecks } from '../decision-checks.ts'

export async function registerRoutes(app: FastifyInstance, context: RoutesContext): Promise<void> {
  const { log, codec, blobs, instruments } = context
  const client = new LogClient({ log, codec, blobs, instruments, name: 'gateway', boundedSearch: true })
  const waiting = new WaitingRequests(client)
  const parts = openParts(context, taskStages)
  const tasks = await directTasks(parts)
  const access = await guardAccess(app, context)
  const owners = new Owners(tasks)
  ownTasks(app, owners, context.fleet)
  const known = new KnownTasks(tasks)
  const ids = new SubmittedIds({
    store: context.keyValue,
    tasks,
    isOnLog: (taskId) => client.isSubmitted(taskId),
    log: context.logger,
  })
  refuseUnknown(app, known)
  app.addHook('onClose', () => client.close())

  serve(app, routes.submit, async (request, reply) => {
    const { query, body } = request
    const task = withKey(body, request)
    // Also one that was submitted before, and is only looked up.
    if (task.taskId !== undefined) requireTask(task, task.taskId)
    const { taskId, isRepeated } = await ids.submit(task, () => client.submit(task))
    known.keep(taskId)
    reply.header('location', `/v1/tasks/${taskId}/result`)
    const waitMs = waitMsOf(query)
    const result = waitMs === 0 ? null : await waiting.afterSubmitting(taskId, waitMs, reply)
    if (result === null) return reply.code(isRepeated ? 200 : 202).send({ taskId })
    return sendResult(result, reply)
  })

  serve(app, routes.result, async ({ params: { id }, query }, reply) => {
    const waitMs = waitMsOf(query)
    if (waitMs > 0) await known.assert(id)
    const result = waitMs === 0 ? await client.find(id) : await waiting.wait(id, waitMs, reply)
    if (result === null) await known.assert(id)
    return result ?? reply.code(204).send()
  })

  serve(app, routes.submission, async ({ params: { id }, query }) => {
    const found = await client.submission(id)
    if (found === null)
      throw new FlotillaError('EVENTS_GONE', `the log no longer has the submission of task ${id}`)
    const { task, atMs } = found
    const given = query.conversation ? await withConversation({ log, codec, blobs }, task, id, atMs) : task
    return { ...given, recording: null, taskId: id, submittedAtMs: atMs }
  })

  const open = streamRoutes(app, client, context.environment.http)
  eventRoutes(app, { client, tasks, owners, open, http: context.environment.http })
  const sessions = new DirectSessions(parts)
  const requestCounts = new RequestCounts()
  await openaiRoutes(app, { client, known, ids, owners, requestCounts, sessions, context })
  const { environment, fleet, logger } = context
  const { http } = environment
  await mcpRoutes(app, { client, tasks, known, ids, owners, requestCounts, fleet, http, logger })
  const operator = directOperator(parts)
  operatorRoutes(app, operator)
  doctorRoutes(app, context)
  sessionRoutes(app, sessions)
  meRoutes(app, context.environment)
  signInRoutes(app, access.signIn, context.fleet.gateway)
  evaluationRoutes(app, client, operator)
  keyRoutes(app, new DirectKeys(context.sql), access)
  const checks = new DecisionChecks({
    task: (taskId) => tasks.get(taskId),
    recorded: (taskId, callId) => lastWait(context.sql, taskId, callId),
  })
  decisionRoutes(app, client, checks)
  approvalRoutes(app, operator.approvals)
  descriptionRoutes(app)
  const page = consoleRoutes(app, context)
  app.setNotFoundHandler((request, reply) =>
    isForPeople(request)
      ? page(request, reply.code(404))
      : sendError(
          new FlotillaError(
            'NOT_FOUND',
            `no route ${request.method} ${request.url}; ${nearbyRoutes(request.url)}`,
          ),
          reply,
        ),
  )
}

/** What people say of a task while it runs and after. */
function decisionRoutes(app: FastifyInstance, client: LogClient, checks: DecisionChecks): void {
  serve(app, routes.cancel, async ({ params: { id: taskId }, body }, reply) => {
    await client.cancel(taskId, body.reason)
    return reply.code(202).send({ taskId })
  })

  serve(app, routes.approve, async (request, reply) => {
    const { id: taskId, callId } = request.params
    const { heldAtMs } = request.body
    await checks.assert({ taskId, callId, ...(heldAtMs !== undefined && { heldAtMs }) })
    await client.approve(verifiedDecision(request, { taskId, callId, ...request.body }))
    return reply.code(202).send({ taskId })
  })

  serve(app, routes.feedback, async ({ params: { id: taskId }, body }, reply) => {
    await client.feedback({ taskId, ...body })
    return reply.code(202).send({ taskId })
  })

  serve(app, routes.quality, async ({ params: { id: taskId }, body }, reply) => {
    await client.scoreQuality({ taskId, ...body })
    return reply.code(202).send({ taskId })
  })
}

/** An Idempotency-Key is the id of the task. Throws REQUEST_INVALID if it can't be, or if the body has another. */
function withKey(task: TaskInput, request: Pick<FastifyRequest, 'headers'>): TaskInput {
  const taskId = idempotencyKeyOf(request)
  if (taskId === null) return task
  if ((task.taskId ?? taskId) !== taskId)
    throw new FlotillaError('REQUEST_INVALID', 'Idempotency-Key and taskId differ: leave one of them out')
  return { ...task, taskId }
}

const waitMsOf = ({ wait = 0 }: { readonly wait?: number }): number => wait * 1_000

/** The response to a submission that waited: a task that a limit refused is a 429. */
function sendResult(result: TaskResult, reply: FastifyReply): FastifyReply {
  const { status, error } = result
  if (status !== 'rejected' || error === null || !limitCodes.has(error.code)) return reply.send(result)
  return retryAfter(reply.code(429), error.retryAfterMs).send(result)
}

const limitCodes: ReadonlySet<string> = new Set<ErrorCode>(['RATE_LIMITED', 'BUDGET_EXCEEDED', 'QUEUE_FULL'])
