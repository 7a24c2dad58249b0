import type { Command } from 'commander'
import { defineMcpServers } from './mcp-servers.ts'

export function defineMcp(command: Command): void {
  command.description('MCP servers whose tools the fleet uses: pin, compare, list')
  defineMcpServers(command)
}
