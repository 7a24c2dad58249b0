// A fleet for a task of hundreds of steps, whose conversation is made shorter early.
import { z } from 'zod'
import { defineFleet, defineTool } from '../../runtime/config/define.ts'

export default defineFleet({
  tools: [
    defineTool({
      name: 'lookup',
      description: 'Looks a record up.',
      input: z.object({ record: z.number() }),
      output: z.string(),
      run: ({ record }) => `record ${record}: ${'what it says, '.repeat(20)}`,
    }),
  ],
  agents: { default: { mode: 'tools' } },
  overrides: { maxSteps: 10_000 },
  compaction: { atTokens: 4_000, keepRecent: 4 },
  models: {
    default: 'test/m-1',
    providers: { test: { baseUrl: process.env['TEST_MODEL_URL'] ?? '' } },
    prices: [{ model: 'test/m-1', input: 1, output: 1 }],
  },
})
