// Who the client is: for programs that show only what their key allows.
import type { FastifyInstance } from 'fastify'
import { me as routes } from '../../../api/routes.ts'
import type { Environment } from '../../../runtime/config/environment.ts'
import { anybody, principalOf } from '../access/principal.ts'
import { serve } from './serve.ts'

export function meRoutes(app: FastifyInstance, { traceUrl }: Pick<Environment, 'traceUrl'>): void {
  serve(app, routes.me, (request, reply) => {
    const principal = principalOf(request)
    const { name, userId, scopes, agents } = principal
    const access = principal === anybody ? ('open' as const) : ('closed' as const)
    reply.header('cache-control', 'no-store')
    return { access, name, userId, scopes: [...scopes], agents: agents && [...agents], traceUrl }
  })
}
