// An agent that writes Python over the tools of an MCP server. The server says that refunds are destructive; it is
// trusted with that, so each refund waits for a person.
import { fileURLToPath } from 'node:url'
import { defineFleet } from '../../runtime/config/define.ts'

const server = fileURLToPath(new URL('./shop-server.mjs', import.meta.url))

export default defineFleet({
  mcpServers: {
    shop: { command: process.execPath, args: [server], env: ['REFUNDS'], trust: true, resources: false },
  },
  agents: { clerk: { mode: 'code', description: 'Refunds orders.', profile: 'clerk' } },
  models: {
    profiles: {
      clerk: {
        models: ['scripted/clerk'],
        temperature: 0,
        maxSteps: 3,
        timeoutMs: 300_000,
        executor: 'default',
      },
    },
  },
})
