// The fleet that test processes run. TOOL_SERVER_URL: the counting tool server, where a test has one.
import { z } from 'zod'
import { defineFleet, defineTool } from '../../runtime/config/define.ts'
import { httpTool } from '../../services/tool-executor/tools/http-tool.ts'

const toolServer = process.env['TOOL_SERVER_URL'] ?? 'http://127.0.0.1:9'
const input = z.object({ task: z.string() })

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
    httpTool({ name: 'charge', description: 'Charges once.', input, url: `${toolServer}/charge` }),
    httpTool({
      name: 'lookup',
      description: 'Looks up.',
      input,
      url: `${toolServer}/lookup`,
      idempotent: true,
    }),
  ],
  agents: { default: { mode: 'tools' } },
})
