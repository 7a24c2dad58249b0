// What answers a request of MCP, by the protocol's package.
import { createMcpHandler, type AuthInfo, type CreateMcpHandlerOptions } from '@modelcontextprotocol/server'
import type { McpFleet } from './fleet.ts'
import { createMcpServer } from './server.ts'

export interface Answering {
  answer(request: Request, fleet: McpFleet, body: { readonly parsedBody?: unknown }): Promise<Response>
  close(): Promise<void>
}

export function createHandler(options: CreateMcpHandlerOptions): Answering {
  const handler = createMcpHandler(({ era, authInfo }) => createMcpServer(fleetIn(authInfo), era), options)
  return {
    answer: (request, fleet, body) => handler.fetch(request, { authInfo: authOf(fleet), ...body }),
    close: () => handler.close(),
  }
}

/** What the factory of servers gets of a request. */
const authOf = (fleet: McpFleet): AuthInfo => ({ token: '', clientId: '', scopes: [], extra: { fleet } })
const fleetIn = (auth: AuthInfo | undefined): McpFleet => auth?.extra?.['fleet'] as McpFleet
