// The fleet of bench/recovery.ts, written as a project writes its own.
import { defineFleet, defineTool } from 'flotilla'
import { z } from 'zod'

const unlimited = 1e12

export default defineFleet({
  tools: [
    defineTool({
      name: 'echo',
      description: 'Answers with the text that it is given.',
      input: z.object({ text: z.string() }),
      idempotent: true,
      run: ({ text }) => text,
    }),
  ],
  agents: { default: { mode: 'tools' } },
  limits: {
    budgets: { fleetTokens: unlimited, userTokens: unlimited, modelTokens: unlimited },
    rates: { userRequests: null, userTokens: null },
  },
})
