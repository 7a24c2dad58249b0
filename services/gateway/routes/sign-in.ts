// Signing in to the console at the fleet's OpenID provider.
import type { FastifyInstance } from 'fastify'
import { signIn as routes } from '../../../api/routes.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import type { SignIn } from '../access/sign-in.ts'
import { serve } from './serve.ts'

export function signInRoutes(app: FastifyInstance, signIn: SignIn | null, issuer: string): void {
  serve(app, routes.provider, async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    return { openid: signIn === null ? null : { issuer, authorizeUrl: await signIn.authorizeUrl() } }
  })

  serve(app, routes.finish, async ({ body, ip }, reply) => {
    if (signIn === null)
      throw new FlotillaError('NOT_FOUND', 'nobody signs in here: gateway.jwt.signIn is not configured')
    reply.header('cache-control', 'no-store')
    return signIn.finish(body, ip)
  })
}
