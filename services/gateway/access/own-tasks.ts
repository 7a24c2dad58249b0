// What a request says of who it is for is replaced by what its key or token says.
//
// 1. A user submits in its own name, and what it sets bears its own name; so do decisions (decisions.ts).
// 2. A user's requests about tasks are about its own: those of others do not exist for it.
// 3. Where the API is open nothing is replaced: what a request claims counts.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { unknownTask } from '../../../operator/direct/tasks/tasks.ts'
import { defaultAgentOf } from '../../../runtime/config/defaults.ts'
import type { Fleet } from '../../../runtime/config/fleet.ts'
import type { Owners, Whose } from './owners.ts'
import { anybody, mayRead, principalOf, requireAgent, type Principal } from './principal.ts'

const SUBMIT = 'POST /v1/tasks'
const FORK = 'POST /v1/tasks/:id/fork'
const RESULT = 'GET /v1/tasks/:id/result'

/** Fields of bodies that name a user, and those that name who acts. */
const userFields: Readonly<Record<string, string>> = {
  [SUBMIT]: 'userId',
  [FORK]: 'userId',
  'POST /v1/tasks/:id/feedback': 'userId',
}
const actorFields: Readonly<Record<string, string>> = {
  'POST /v1/fleet/pauses': 'by',
  'POST /v1/alerts/:rule/silence': 'by',
}

/** A stream of events may begin before its task is submitted, and asks whose it is when there is one. */
const EVENTS = '/v1/tasks/:id/events'
const isBelowTask = (url: string): boolean => url.startsWith('/v1/tasks/:id') && url !== EVENTS

type Asked = { taskId?: unknown; agent?: unknown; userId?: unknown; forkedFrom?: unknown }

export function ownTasks(app: FastifyInstance, owners: Owners, fleet: Fleet): void {
  app.addHook('preHandler', async (request) => {
    const principal = principalOf(request)
    if (principal === anybody) return
    const route = routeOf(request)
    claim(request, route, principal)
    if (route === SUBMIT) {
      const { agent } = (request.body ?? {}) as Asked
      requireAgent(principal, typeof agent === 'string' ? agent : defaultAgentOf(fleet))
      await assertOrigin(request, principal, owners)
    }
    const { id, other } = request.params as { id: string; other?: string }
    if (isBelowTask(request.routeOptions.url ?? '')) await owners.assertReadable(principal, id)
    if (other !== undefined) await owners.assertReadable(principal, other)
    if (route === FORK) requireAgent(principal, await agentOfFork(request, id, owners))
  })

  app.addHook('preSerialization', async (request, reply, payload: unknown) => {
    const principal = principalOf(request)
    const route = routeOf(request)
    if (principal === anybody || (route !== SUBMIT && route !== RESULT)) return payload
    const { taskId, userId } = (payload ?? {}) as Asked
    if (typeof taskId !== 'string') return payload
    if (route === SUBMIT) await claimId(request, reply, { taskId, userId, owners, fleet })
    // The result says for sure whose it is.
    else if (!mayRead(principal, (userId ?? null) as string | null)) throw unknownTask(taskId)
    return payload
  })
}

/** A fork names its origin in its result and in lists: a submission names none that its user may not read. */
async function assertOrigin({ body }: FastifyRequest, principal: Principal, owners: Owners): Promise<void> {
  const { forkedFrom } = (body ?? {}) as Asked
  if (typeof forkedFrom === 'string') await owners.assertReadable(principal, forkedFrom)
}

/** Its own, or that of its origin. */
async function agentOfFork({ body }: FastifyRequest, origin: string, owners: Owners): Promise<string | null> {
  const { agent } = (body ?? {}) as Asked
  return typeof agent === 'string' ? agent : (await owners.of(origin)).agent
}

/**
 * The id of a new task is the user's; one that another user chose before is not. Rejects with TASK_ID_REUSED.
 */
async function claimId(
  request: FastifyRequest,
  { statusCode }: FastifyReply,
  { taskId, userId, owners, fleet }: { taskId: string; userId?: unknown; owners: Owners; fleet: Fleet },
): Promise<void> {
  const asked = (request.body ?? {}) as Asked
  const isChosen = asked.taskId === taskId || request.headers['idempotency-key'] !== undefined
  if (!isChosen) return owners.keep(taskId, whoseOf(asked, fleet))
  const principal = principalOf(request)
  // The result says for sure whose it is. 202 without one: it may be new; whose it is, the log decides.
  if (userId !== undefined && mayRead(principal, userId as string | null)) return
  if (userId !== undefined || statusCode !== 202) await owners.assertOwnId(principal, taskId)
}

/** The body has the key's user already, if that has one. */
function whoseOf({ userId, agent }: Asked, fleet: Fleet): Whose {
  return {
    userId: typeof userId === 'string' ? userId : null,
    agent: typeof agent === 'string' ? agent : defaultAgentOf(fleet),
  }
}

const routeOf = ({ method, routeOptions }: FastifyRequest): string =>
  `${method === 'HEAD' ? 'GET' : method} ${routeOptions.url}`

function claim(request: FastifyRequest, route: string, { name, userId }: Principal): void {
  const [userField, actorField] = [userFields[route], actorFields[route]]
  if (userField !== undefined && userId !== null) replace(request, userField, userId)
  if (actorField !== undefined) replace(request, actorField, name)
}

/** Anything but an object is the route's to refuse. */
function replace(request: FastifyRequest, field: string, value: string): void {
  const body = request.body ?? {}
  if (typeof body === 'object' && !Array.isArray(body)) request.body = { ...body, [field]: value }
}
