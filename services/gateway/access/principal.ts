import type { FastifyRequest } from 'fastify'
import { scopes, type Scope } from '../../../api/scopes.ts'

/** The client behind a request: a key, a token, or anybody where the API is open. */
export interface Principal {
  /** Name of the key or subject of the token; for logs. */
  readonly name: string
  /** The user in whose name it submits and reads. Null: the request's own claim counts. */
  readonly userId: string | null
  readonly scopes: ReadonlySet<Scope>
  /** Agents whose tasks it may submit. Null: every agent. */
  readonly agents: readonly string[] | null
}

const anybody: Principal = {
  name: 'anybody',
  userId: null,
  scopes: new Set(Object.keys(scopes) as Scope[]),
  agents: null,
}

export function principalOf(_request: FastifyRequest): Principal {
  return anybody
}

/** Whether it may read a task of this user. */
export function mayRead(principal: Principal, userId: string | null): boolean {
  return principal.userId === null || principal.scopes.has('tasks:read:all') || principal.userId === userId
}
