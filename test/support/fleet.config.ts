// The fleet that test processes run. TOOL_SERVER_URL: the counting tool server, where a test has one.
import { z } from 'zod'
import { defineFleet, defineTool } from '../../runtime/config/define.ts'
import { httpTool } from '../../services/tool-executor/tools/index.ts'

const toolServer = process.env['TOOL_SERVER_URL'] ?? 'http://127.0.0.1:9'
const input = z.object({ task: z.string(), turn: z.int().default(1), item: z.int().default(0) })
const counted = (name: string, more: { idempotent?: boolean; timeoutMs?: number } = {}) =>
  httpTool({ name, description: `Counts: ${name}.`, input, url: `${toolServer}/${name}`, ...more })

export default defineFleet({
  tools: [
    defineTool({
      name: 'echo',
      description: 'Answers with the text that it is given.',
      input: z.object({ text: z.string() }),
      output: z.string(),
      idempotent: true,
      run: ({ text }) => text,
    }),
    counted('charge'),
    counted('lookup', { idempotent: true }),
    counted('broken', { idempotent: true }),
    counted('linger', { idempotent: true, timeoutMs: 120_000 }),
  ],
  agents: { default: { mode: 'tools' } },
  overrides: { mode: true, model: true, profile: true },
  // Guarded as every fleet is, and never stopped: thousands of tasks of one user in minutes are what these tests are about.
  limits: {
    budgets: { fleetTokens: 1e12, userTokens: 1e12, modelTokens: 1e12 },
    rates: { userRequests: null, userTokens: null },
  },
})
