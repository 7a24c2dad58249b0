// A fleet for an MCP client on stdio: its only tool needs a person, and prints.
import { z } from 'zod'
import { defineFleet, defineTool } from '../../runtime/config/define.ts'

export default defineFleet({
  tools: [
    defineTool({
      name: 'echo',
      description: 'Answers with the text that it is given.',
      input: z.object({ text: z.string() }),
      idempotent: true,
      requiresApproval: true,
      run: ({ text }) => {
        console.log('a line that is no message of the protocol')
        return text
      },
    }),
  ],
  agents: { default: { mode: 'tools', description: 'Echoes.' } },
})
