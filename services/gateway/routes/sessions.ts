// Sessions over HTTP. A client that sees its own tasks only sees its own sessions only: others do not exist for it.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { sessions as routes } from '../../../api/routes.ts'
import type { DirectSessions } from '../../../operator/direct/sessions.ts'
import { isRestricted, mayRead, principalOf } from '../access/principal.ts'
import { serve } from './serve.ts'

export function sessionRoutes(app: FastifyInstance, sessions: DirectSessions): void {
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
    return sessions.get(params.id, page, readableBy(request))
  })

  serve(app, routes.remove, async (request, reply) => {
    const { id } = request.params
    return reply.code(202).send(await sessions.remove(id, readableBy(request)))
  })
}

const readableBy = (request: FastifyRequest) => (userId: string | null) =>
  mayRead(principalOf(request), userId)
