// Signing in at the fleet's OpenID provider: people to the console, and programs by what they learn of it here. Open:
// who signs in has no credentials yet.
import { z } from 'zod'
import { SIGNED_IN_PAGE } from './console.ts'
import { route, type Route } from './route.ts'

const MAX_CHARS = 8_192
const text = (description: string) => z.string().min(1).max(MAX_CHARS).meta({ description })

/** Metadata of the API as a protected resource; of the resource at a path below it, with that path behind. */
export const RESOURCE_PATH = '/.well-known/oauth-protected-resource'
export const MCP_PATH = '/mcp'

const resource = {
  method: 'GET',
  tag: 'keys',
  query: z.strictObject({}),
  answers: {
    200: {
      description: 'Protected resource metadata (RFC 9728).',
      schema: z
        .object({
          resource: z
            .string()
            .meta({ description: 'What tokens are for: the parameter of this name (RFC 8707).' }),
          authorization_servers: z.array(z.string()).meta({ description: 'The OpenID provider.' }),
          bearer_methods_supported: z.array(z.literal('header')),
          resource_name: z.string(),
          scopes_supported: z.array(z.string()).optional(),
        })
        .meta({ id: 'ProtectedResource' }),
    },
  },
  errors: ['NOT_FOUND'],
} as const

export const signIn = {
  resource: route({
    ...resource,
    path: RESOURCE_PATH,
    summary: 'Where a client of the API gets a token',
  }),
  mcpResource: route({
    ...resource,
    path: `${RESOURCE_PATH}${MCP_PATH}`,
    summary: 'Where a client of the MCP server gets a token',
  }),
  provider: route({
    method: 'GET',
    path: '/v1/sign-in',
    tag: 'keys',
    summary: 'Where people sign in to the console',
    query: z.strictObject({}),
    answers: {
      200: {
        description: 'The OpenID provider; null if none is configured.',
        schema: z
          .object({
            openid: z
              .object({
                issuer: z.string(),
                authorizeUrl: z.string().meta({
                  description: 'The page adds redirect_uri, state and code_challenge.',
                }),
              })
              .nullable(),
          })
          .meta({ id: 'SignInProvider' }),
      },
    },
    errors: ['ISSUER_UNAVAILABLE'],
  }),
  finish: route({
    method: 'POST',
    path: '/v1/sign-in',
    tag: 'keys',
    summary: 'Exchange what the OpenID provider answered for a token',
    description: 'Authorization code with PKCE. The answer is a token that the API accepts.',
    body: z.strictObject({
      query: text('The query that the provider sent the browser back with.'),
      state: text('As the page made it.'),
      verifier: text('Of the code challenge.'),
      redirectUri: text(`The address of ${SIGNED_IN_PAGE} as the page was opened.`),
    }),
    bodyExample: {
      query: 'code=c&state=s',
      state: 's',
      verifier: 'v',
      redirectUri: '//fleet/signed-in',
    },
    answers: {
      200: {
        description: 'The token.',
        schema: z
          .object({
            token: z.string(),
            expiresAtMs: z.number().nullable().meta({ description: 'Epoch milliseconds.' }),
          })
          .meta({ id: 'SignedIn' }),
      },
    },
    errors: ['UNAUTHENTICATED', 'NOT_FOUND', 'TOO_MANY_STREAMS', 'TOO_MANY_ATTEMPTS', 'ISSUER_UNAVAILABLE'],
  }),
} as const satisfies Record<string, Route>
