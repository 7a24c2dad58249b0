// Keys over HTTP, for clients with the scope keys:write.
//
// 1. Nobody gives a key a scope or an agent that it does not have itself.
// 2. A client that sees its own tasks only makes, lists and revokes keys of its own user only: with a key of another
//    user it would see and submit theirs.
// 3. The first key closes the API. It may make others, of every user and agent, and does not expire, so that nobody is locked
//    out.
import type { FastifyInstance } from 'fastify'
import type { KeyView, NewKey } from '../../../api/keys.ts'
import { isScope, type Scope } from '../../../api/scopes.ts'
import { unknownKey, type DirectKeys } from '../../../operator/direct/keys.ts'
import { operator as routes } from '../../../api/routes.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import type { Access } from '../access/access.ts'
import { anybody, isRestricted, principalOf, requireScope, type Principal } from '../access/principal.ts'
import { serve } from './serve.ts'

export function keyRoutes(app: FastifyInstance, keys: DirectKeys, access: Access): void {
  serve(app, routes.keys, async (request) => {
    const principal = principalOf(request)
    return (await keys.list()).filter(({ userId }) => isManagedBy(principal, userId))
  })

  serve(app, routes.createKey, async (request, reply) => {
    const principal = principalOf(request)
    const wanted: NewKey = request.body
    assertHas(principal, wanted)
    if (principal === anybody) await assertNotLockedOut(keys, wanted)
    const created = await keys.create(wanted, principal === anybody ? null : principal)
    return reply.code(201).header('cache-control', 'no-store').send(created)
  })

  serve(app, routes.revokeKey, async (request) => {
    const { params } = request
    await assertManaged(keys, params.id, principalOf(request))
    const revoked = await keys.revoke(params.id)
    access.forget(params.id)
    return revoked
  })
}

type KeyBounds = {
  readonly [bound in 'agents' | 'userId' | 'expiresAtMs' | 'scopes']?:
    NewKey[bound] | KeyView[bound] | undefined
}

const isManagedBy = (principal: Principal, userId: string | null): boolean =>
  !isRestricted(principal) || userId === principal.userId

/** Rejects with NOT_FOUND, as for a key that does not exist, unless the client may revoke it. */
async function assertManaged(keys: DirectKeys, id: string, principal: Principal): Promise<void> {
  if (!isRestricted(principal)) return
  const key = (await keys.list()).find((each) => each.id === id)
  if (!key || !isManagedBy(principal, key.userId)) throw unknownKey(id)
}

/** Rejects with REQUEST_INVALID if the API, open now, would be closed with nobody who can make keys for all, or not for long. */
async function assertNotLockedOut(keys: DirectKeys, wanted: Partial<NewKey>): Promise<void> {
  if (isMaker(wanted) || (await keys.list()).some((key) => key.revokedAtMs === null && isMaker(key))) return
  throw new FlotillaError(
    'REQUEST_INVALID',
    'the first key closes the HTTP API, and this one could make no others, or not for every user and agent, or only until it ' +
      'expires: make one with the scope keys:write and without these bounds first, by flotilla keys create admin --role admin',
  )
}

/** Whether a key with these bounds can make every other. The schema has yet to see those of a body. */
function isMaker({ scopes, agents = null, userId = null, expiresAtMs = null }: KeyBounds): boolean {
  const has = (scope: Scope) => Array.isArray(scopes) && (scopes as readonly string[]).includes(scope)
  if (!has('keys:write')) return false
  return agents === null && expiresAtMs === null && (userId === null || has('tasks:read:all'))
}

/** Nobody gives more than it has. Throws FORBIDDEN. What is no list, the schema refuses. */
function assertHas(principal: Principal, { userId = null, scopes, agents }: Partial<NewKey>): void {
  if (!isManagedBy(principal, userId))
    throw new FlotillaError(
      'FORBIDDEN',
      `${principal.name} may make keys of its own user only, with userId ${JSON.stringify(principal.userId)}; those of others need the scope tasks:read:all`,
    )
  for (const scope of Array.isArray(scopes) ? scopes.filter(isScope) : [])
    requireScope(principal, scope, 'to give a key this scope')
  const { name, agents: own } = principal
  if (own === null) return
  if (!Array.isArray(agents) || agents.some((agent) => !own.includes(agent)))
    throw new FlotillaError('FORBIDDEN', `${name} may give a key only agents of its own: ${own.join(', ')}`)
}
