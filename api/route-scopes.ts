// Which scope each route of a process that serves the HTTP API needs: `METHOD /path`, as Fastify spells it.
// HEAD counts as GET. `open`: no key at all; `any`: a valid key or token, whatever its scopes. A route that is not here is refused once the API is closed.
import { consoleAssets, consolePages } from './console.ts'
import type { Scope } from './scopes.ts'

export type RouteScope = Scope | 'open' | 'any'

export const routeScopes: Readonly<Record<string, RouteScope>> = {
  // Probes of orchestrators and load balancers carry no key, and what they show is no secret.
  'GET /health': 'open',
  'GET /ready': 'open',
  'GET /metrics': 'ops:read',
  // The description is the same for every fleet.
  'GET /openapi.json': 'open',
  'GET /docs': 'open',

  // The console's files are the same for every fleet; what it shows, it asks the API for.
  ...Object.fromEntries([...consolePages, consoleAssets].map((path) => [`GET ${path}`, 'open' as const])),

  'GET /v1/me': 'any',
  // Somebody who signs in has no credentials yet.
  'GET /v1/sign-in': 'open',
  'POST /v1/sign-in': 'open',
  'GET /.well-known/oauth-protected-resource': 'open',
  'GET /.well-known/oauth-protected-resource/mcp': 'open',

  'POST /v1/tasks': 'tasks:submit',
  'GET /v1/tasks': 'tasks:read',
  'GET /v1/tasks/:id': 'tasks:read',
  'GET /v1/tasks/:id/tree': 'tasks:read',
  'GET /v1/tasks/:id/submission': 'tasks:read',
  'GET /v1/tasks/:id/result': 'tasks:read',
  'GET /v1/tasks/:id/updates': 'tasks:read',
  'GET /v1/tasks/:id/events': 'tasks:read',
  'GET /v1/events': 'tasks:read',
  'GET /v1/results': 'tasks:read',
  'GET /v1/results/page': 'tasks:read',
  'POST /v1/tasks/:id/fork': 'tasks:submit',
  'GET /v1/tasks/:id/replay': 'tasks:read',
  'GET /v1/tasks/:id/recording': 'tasks:read',
  'GET /v1/tasks/:id/case': 'tasks:read',
  'GET /v1/tasks/:id/compare/:other': 'tasks:read',
  'POST /v1/tasks/:id/cancel': 'tasks:cancel',
  'POST /v1/tasks/cancel': 'tasks:cancel',
  'POST /v1/tasks/:id/feedback': 'tasks:cancel',
  'POST /v1/tasks/:id/quality': 'tasks:cancel',
  'POST /v1/tasks/:id/approvals/:callId': 'approvals:decide',

  'GET /v1/approvals': 'approvals:decide',
  'GET /v1/sessions': 'tasks:read',
  'GET /v1/sessions/:id': 'tasks:read',
  'DELETE /v1/sessions/:id': 'tasks:cancel',

  // OpenAI's protocol. Models are agents, by name: what a client may submit to.
  'GET /v1/models': 'tasks:submit',
  'GET /v1/models/:id': 'tasks:submit',
  'GET /v1/models/flotilla/:id': 'tasks:submit',
  'POST /v1/chat/completions': 'tasks:submit',
  'POST /v1/responses': 'tasks:submit',
  'GET /v1/responses/:id': 'tasks:read',
  'POST /v1/responses/:id/cancel': 'tasks:cancel',
  'POST /v1/conversations': 'tasks:submit',
  'GET /v1/conversations/:id': 'tasks:read',
  'POST /v1/conversations/:id': 'tasks:submit',
  'DELETE /v1/conversations/:id': 'tasks:cancel',
  'GET /v1/conversations/:id/items': 'tasks:read',
  'GET /v1/conversations/:id/items/:item': 'tasks:read',

  // MCP: each method asks for its own scope (services/gateway/mcp).
  'GET /v1/agents': 'tasks:submit',
  'POST /mcp': 'any',
  'GET /mcp': 'any',
  'DELETE /mcp': 'any',

  // Usage is of every user.
  'GET /v1/usage': 'tasks:read:all',
  'GET /v1/usage/export': 'tasks:read:all',

  // Answers of every case are in a run.
  'GET /v1/evaluations': 'tasks:read:all',
  'GET /v1/evaluations/:id': 'tasks:read:all',
  'GET /v1/evaluations/:id/export': 'tasks:read:all',
  'GET /v1/evaluations/:id/compare/:before': 'tasks:read:all',
  'DELETE /v1/evaluations/:id': 'evaluations:write',
  'POST /v1/evaluations': 'evaluations:write',
  'POST /v1/evaluations/:id/cases': 'evaluations:write',

  'GET /v1/fleet/agents': 'ops:read',
  'GET /v1/fleet/mcp-servers': 'ops:read',
  'GET /v1/fleet/tools': 'ops:read',
  'GET /v1/fleet/models': 'ops:read',
  'GET /v1/fleet/config': 'ops:read',
  'GET /v1/fleet/lanes': 'ops:read',
  'GET /v1/fleet/pauses': 'ops:read',
  'POST /v1/fleet/pauses': 'ops:write',
  'GET /v1/doctor': 'ops:read',
  'GET /v1/topics': 'ops:read',
  'GET /v1/breakers': 'ops:read',
  'GET /v1/limits': 'ops:read',
  'POST /v1/limits/rebuild': 'ops:write',
  'GET /v1/alerts': 'ops:read',
  'POST /v1/alerts/:rule/silence': 'ops:write',
  'POST /v1/alerts/:rule/test': 'ops:write',
  'GET /v1/dead-letters': 'ops:read',
  'GET /v1/dead-letters/:id': 'ops:read',
  'POST /v1/dead-letters/replay': 'ops:write',
  'POST /v1/dead-letters/purge': 'ops:write',
  'POST /v1/dead-letters/:id/replay': 'ops:write',

  'GET /v1/keys': 'keys:write',
  'POST /v1/keys': 'keys:write',
  'DELETE /v1/keys/:id': 'keys:write',
}

/** Undefined: no such line. */
export const routeScope = (method: string, path: string): RouteScope | undefined => {
  const line = `${method === 'HEAD' ? 'GET' : method} ${path}`
  return Object.hasOwn(routeScopes, line) ? routeScopes[line] : undefined
}
