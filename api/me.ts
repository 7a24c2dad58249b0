// Who a client is to the gateway: for programs that show only what their key allows.
import { z } from 'zod'
import { route, type Route } from './route.ts'
import { allScopes, type Scope } from './scopes.ts'

export const me = {
  me: route({
    method: 'GET',
    path: '/v1/me',
    tag: 'keys',
    summary: 'Who you are here, and what you may do',
    description: 'Any valid key or token may ask. While the API is open, everyone has every scope.',
    query: z.strictObject({}),
    answers: {
      200: {
        description: 'The client of this request.',
        schema: z
          .object({
            access: z.enum(['open', 'closed']),
            name: z.string().meta({ description: 'Name of the key, or subject of the token.' }),
            userId: z
              .string()
              .nullable()
              .meta({ description: 'Submits and reads in the name of this user; null: of any.' }),
            scopes: z.array(z.enum(allScopes as [Scope, ...Scope[]])),
            agents: z
              .array(z.string())
              .nullable()
              .meta({ description: 'Agents whose tasks it may submit; null: every agent.' }),
            traceUrl: z.string().nullable().meta({
              description: 'Address of a trace, with {traceId} for its id; null if not configured.',
            }),
          })
          .meta({ id: 'Me' }),
      },
    },
  }),
} as const satisfies Record<string, Route>
