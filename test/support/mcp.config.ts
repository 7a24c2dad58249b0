// A fleet whose only tools are those of an MCP server that a test runs.
import { defineFleet } from '../../runtime/config/define.ts'

export default defineFleet({
  mcpServers: {
    srv: { url: process.env['MCP_URL'] ?? '', tools: { allow: ['greet', 'report'] }, resources: false },
  },
  agents: { default: { mode: 'tools' } },
  overrides: { mode: true },
})
