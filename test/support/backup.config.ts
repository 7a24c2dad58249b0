// A fleet whose tasks outlive its loss: however long the machine takes to bring it back, their time is not over.
import { z } from 'zod'
import { defineFleet, defineTool } from '../../runtime/config/define.ts'

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
  ],
  agents: { default: { mode: 'tools' } },
  overrides: { timeoutMs: 3_600_000 },
})
