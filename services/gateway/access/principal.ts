import type { FastifyRequest } from 'fastify'
import { allScopes, type Scope } from '../../../api/scopes.ts'
import { FlotillaError } from '../../../runtime/errors.ts'

/** The client behind a request: a key, a token, or anybody where the API is open. */
export interface Principal {
  /** Name of the key or subject of the token, for logs. Several keys may have one name. */
  readonly name: string
  /** The key or token itself, for records of what was done with it; it holds no secret. */
  readonly credential: string
  /** Other people who may hold the key: those who made it, or the key that it was made with, for somebody else. */
  readonly madeBy: readonly string[]
  /** The user in whose name it submits and reads. Null: the request's own claim counts. */
  readonly userId: string | null
  readonly scopes: ReadonlySet<Scope>
  /** Agents whose tasks it may submit. Null: every agent. */
  readonly agents: readonly string[] | null
}

/** Where the API is open, everyone: what a request claims counts. */
export const anybody: Principal = {
  name: 'anybody',
  credential: 'anybody',
  madeBy: [],
  userId: null,
  scopes: new Set(allScopes),
  agents: null,
}

const principals = new WeakMap<FastifyRequest, Principal>()

export function setPrincipal(request: FastifyRequest, principal: Principal): void {
  principals.set(request, principal)
}

export function principalOf(request: FastifyRequest): Principal {
  return principals.get(request) ?? anybody
}

/**
 * The client for which streams and waiting requests are counted. Behind a proxy all have one address, and one user
 * must not take what is for all; a key without a user is a backend's, which may be several processes.
 */
export function clientOf(request: FastifyRequest): string {
  const principal = principalOf(request)
  if (principal === anybody) return request.ip
  return principal.userId === null ? `${principal.name} at ${request.ip}` : `user ${principal.userId}`
}

/** Whether it reads its own tasks only. */
export function isRestricted({ userId, scopes }: Principal): boolean {
  return userId !== null && !scopes.has('tasks:read:all')
}

/** Whether it may read a task of this user. */
export function mayRead(principal: Principal, userId: string | null): boolean {
  return !isRestricted(principal) || principal.userId === userId
}

/** Who reads the tasks of all reads their own. */
export const hasScope = ({ scopes }: Principal, scope: Scope): boolean =>
  scopes.has(scope) || (scope === 'tasks:read' && scopes.has('tasks:read:all'))

/** Throws FORBIDDEN unless it has the scope. */
export function requireScope(principal: Principal, scope: Scope, what = 'this route'): void {
  if (hasScope(principal, scope)) return
  const { name, scopes } = principal
  throw new FlotillaError(
    'FORBIDDEN',
    `${what} needs the scope ${scope}; ${name} has ${[...scopes].join(', ') || 'none'}`,
  )
}

/** Throws FORBIDDEN unless it may submit tasks of this agent. `agent`: null if the fleet has no default. */
export function requireAgent({ name, agents }: Principal, agent: string | null): void {
  if (agents === null || (agent !== null && agents.includes(agent))) return
  const what = agent === null ? 'tasks that name no agent' : `tasks of the agent ${agent}`
  throw new FlotillaError('FORBIDDEN', `${name} may not submit ${what}; it may use ${agents.join(', ')}`)
}
