// Slots of MCP servers: how many calls one process makes of a server at once, shared fairly among users.
import type { Fleet } from '../../runtime/config/fleet.ts'
import type { SlotsOf } from '../../runtime/host/slots.ts'
import type { ToolCall } from './call.ts'

export function serverSlots({ tools, mcpServers = [] }: Pick<Fleet, 'tools' | 'mcpServers'>): SlotsOf {
  const limits = new Map(mcpServers.map(({ name, limits }) => [name, limits.concurrent]))
  const servers = new Map(
    tools.flatMap(({ spec: { name, source } }) => (source ? [[name, source.server]] : [])),
  )
  return ({ kind, request }) => {
    if (kind !== 'tool') return null
    const { tool, userId } = request as ToolCall
    const server = servers.get(tool)
    const limit = server === undefined ? undefined : limits.get(server)
    return limit === undefined ? null : { name: `mcp:${server}`, limit, holder: userId ?? '' }
  }
}
