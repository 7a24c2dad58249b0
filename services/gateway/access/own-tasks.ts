// What a request says of who it is for is replaced by what its key or token says.
//
// 1. A user submits in its own name, and what it decides and sets bears its own name.
// 2. A user's requests about tasks are about its own: those of others do not exist for it.
// 3. Where the API is open nothing is replaced: what a request claims counts.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { unknownTask } from '../../../operator/direct/tasks.ts'
import { defaultAgentOf } from '../../../runtime/config/defaults.ts'
import type { Fleet } from '../../../runtime/config/fleet.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import type { Owners } from './owners.ts'
import { anybody, isRestricted, mayRead, principalOf, requireAgent, type Principal } from './principal.ts'

const SUBMIT = 'POST /v1/tasks'
const LIST = 'GET /v1/tasks'
const CANCEL_MANY = 'POST /v1/tasks/cancel'
const RESULT = 'GET /v1/tasks/:id/result'

/** Fields of bodies that name a user, and those that name who acts. */
const userFields: Readonly<Record<string, string>> = {
  [SUBMIT]: 'userId',
  'POST /v1/tasks/:id/feedback': 'userId',
}
const actorFields: Readonly<Record<string, string>> = {
  'POST /v1/tasks/:id/approvals/:callId': 'decidedBy',
  'POST /v1/fleet/pauses': 'by',
  'POST /v1/alerts/:rule/silence': 'by',
}

/** A stream of events may begin before its task is submitted, and asks whose it is when there is one. */
const EVENTS = '/v1/tasks/:id/events'
const isBelowTask = (url: string): boolean => url.startsWith('/v1/tasks/:id') && url !== EVENTS

type Asked = { taskId?: unknown; agent?: unknown; userId?: unknown }

export function ownTasks(app: FastifyInstance, owners: Owners, fleet: Fleet): void {
  app.addHook('preHandler', async (request) => {
    const principal = principalOf(request)
    if (principal === anybody) return
    const route = routeOf(request)
    claim(request, route, principal)
    if (route === SUBMIT) {
      const { agent } = (request.body ?? {}) as Asked
      requireAgent(principal, typeof agent === 'string' ? agent : defaultAgentOf(fleet))
    }
    if (!isRestricted(principal)) return
    if (route === LIST) request.query = ofOwn(request.query, principal)
    else if (route === CANCEL_MANY) request.body = ofOwn(request.body, principal)
    else if (isBelowTask(request.routeOptions.url ?? ''))
      await assertOwn(principal, owners, (request.params as { id: string }).id)
  })

  app.addHook('preSerialization', async (request, reply, payload: unknown) => {
    const principal = principalOf(request)
    const route = routeOf(request)
    if (principal === anybody || (route !== SUBMIT && route !== RESULT)) return payload
    const { taskId, userId } = (payload ?? {}) as Asked
    if (typeof taskId !== 'string') return payload
    if (route === SUBMIT) await claimId(request, reply, owners, { taskId, userId })
    // The result says for sure whose it is.
    else if (!mayRead(principal, (userId ?? null) as string | null)) throw unknownTask(taskId)
    return payload
  })
}

/**
 * The id of a new task is the user's; one that another user chose before is not. Rejects with TASK_ID_REUSED.
 */
async function claimId(
  request: FastifyRequest,
  { statusCode }: FastifyReply,
  owners: Owners,
  { taskId, userId }: { taskId: string; userId?: unknown },
): Promise<void> {
  const principal = principalOf(request)
  const isChosen =
    ((request.body ?? {}) as Asked).taskId === taskId || request.headers['idempotency-key'] !== undefined
  if (!isChosen) return owners.keep(taskId, principal.userId)
  // 202: it may be new; whose it is, the log decides.
  if (!isRestricted(principal) || (statusCode === 202 && userId === undefined)) return
  const owner = userId === undefined ? await owners.of(taskId) : (userId as string | null)
  if (!mayRead(principal, owner))
    throw new FlotillaError('TASK_ID_REUSED', `task ${taskId} was submitted before`)
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

/** The filter, of the user's own tasks. Throws FORBIDDEN if it names another user. */
function ofOwn(filter: unknown, { name, userId }: Principal): object {
  const given = (filter ?? {}) as { user?: string }
  if (given.user !== undefined && given.user !== userId)
    throw new FlotillaError(
      'FORBIDDEN',
      `the tasks of other users need the scope tasks:read:all, which ${name} does not have`,
    )
  return { ...given, user: userId }
}

/** Rejects with TASK_UNKNOWN, as if there were no such task. */
async function assertOwn(principal: Principal, owners: Owners, taskId: string): Promise<void> {
  if (isRestricted(principal) && !mayRead(principal, await owners.of(taskId))) throw unknownTask(taskId)
}
