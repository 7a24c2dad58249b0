// Sessions over HTTP. A client that sees its own tasks only sees its own sessions only: others do not exist for it.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { sessions as routes } from '../../../api/routes.ts'
import { unknownSession, type SessionOperator } from '../../../operator/direct/sessions.ts'
import { isRestricted, mayRead, principalOf } from '../access/principal.ts'
import { serve } from './serve.ts'

export function sessionRoutes(app: FastifyInstance, sessions: SessionOperator): void {
  serve(app, routes.list, async (request) => {
    const { user, limit, after } = request.query
    const principal = principalOf(request)
    const whose = isRestricted(principal) ? (principal.userId ?? undefined) : user
    return sessions.list({
      limit: Math.floor(limit),
      ...(whose === undefined ? {} : { user: whose }),
      ...(after === undefined ? {} : { after }),
    })
  })

  serve(app, routes.get, async (request) => {
    const { params, query } = request
    const page = { limit: Math.floor(query.limit), after: Math.floor(query.after) }
    const found = await sessions.get(params.id, page)
    assertReadable(request, params.id, found.userId)
    return found
  })

  serve(app, routes.remove, async (request, reply) => {
    const { id } = request.params
    const { userId } = await sessions.get(id, { limit: 1 })
    assertReadable(request, id, userId)
    return reply.code(202).send(await sessions.remove(id))
  })
}

function assertReadable(request: FastifyRequest, id: string, userId: string | null): void {
  if (!mayRead(principalOf(request), userId)) throw unknownSession(id)
}
