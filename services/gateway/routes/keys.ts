// Keys over HTTP, for clients with the scope keys:write.
import type { FastifyInstance } from 'fastify'
import type { NewKey } from '../../../api/keys.ts'
import { isScope } from '../../../api/scopes.ts'
import type { DirectKeys } from '../../../operator/direct/keys.ts'
import { operator as routes } from '../../../api/routes.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import type { Access } from '../access/access.ts'
import { anybody, principalOf, requireScope, type Principal } from '../access/principal.ts'
import { serve } from './serve.ts'

export function keyRoutes(app: FastifyInstance, keys: DirectKeys, access: Access): void {
  serve(app, routes.keys, () => keys.list())

  serve(app, routes.createKey, async (request, reply) => {
    const principal = principalOf(request)
    const wanted: NewKey = request.body
    assertHas(principal, wanted)
    const created = await keys.create(wanted, principal === anybody ? null : principal.name)
    return reply.code(201).header('cache-control', 'no-store').send(created)
  })

  serve(app, routes.revokeKey, async ({ params }) => {
    const revoked = await keys.revoke(params.id)
    access.forget(params.id)
    return revoked
  })
}

/** Nobody gives more than it has. Throws FORBIDDEN. What is no list, the schema refuses. */
function assertHas(principal: Principal, { scopes, agents }: Partial<NewKey>): void {
  for (const scope of Array.isArray(scopes) ? scopes.filter(isScope) : [])
    requireScope(principal, scope, 'to give a key this scope')
  const { name, agents: own } = principal
  if (own === null) return
  if (!Array.isArray(agents) || agents.some((agent) => !own.includes(agent)))
    throw new FlotillaError('FORBIDDEN', `${name} may give a key only agents of its own: ${own.join(', ')}`)
}
