// Signing in to the console at the fleet's OpenID provider, and where programs learn of it.
import type { FastifyInstance } from 'fastify'
import { signIn as routes } from '../../../api/routes.ts'
import { MCP_PATH } from '../../../api/sign-in.ts'
import type { GatewayDefinition } from '../../../runtime/config/gateway.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { resourceMetadata } from '../access/resource.ts'
import type { SignIn } from '../access/sign-in.ts'
import { serve } from './serve.ts'

export function signInRoutes(
  app: FastifyInstance,
  signIn: SignIn | null,
  gateway: GatewayDefinition = {},
): void {
  const issuer = gateway.jwt?.issuer ?? ''
  for (const [route, path] of [
    [routes.resource, ''],
    [routes.mcpResource, MCP_PATH],
  ] as const)
    serve(app, route, (request, reply) => {
      const metadata = resourceMetadata(gateway, request, path)
      if (metadata === null)
        throw new FlotillaError('NOT_FOUND', 'no tokens are accepted here: gateway.jwt is not configured')
      return reply.header('cache-control', 'no-store').send(metadata)
    })

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
