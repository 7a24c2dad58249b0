// Agents as tools, as a client may call them: the MCP server lists them, and `flotilla mcp` asks for them.
import { z } from 'zod'
import { route, type Route } from './route.ts'
import { json } from './schemas/values.ts'

const schema = z.record(z.string(), json)

const agentTool = z
  .object({
    name: z
      .string()
      .meta({ description: 'Name of the tool: that of the agent, in letters that MCP allows.' }),
    agent: z.string().meta({ description: 'Name of the agent.' }),
    description: z.string(),
    inputSchema: schema.meta({ description: 'JSON Schema of the arguments, an object.' }),
    outputSchema: schema.nullable().meta({ description: 'JSON Schema of the output; null: text.' }),
    takes: z
      .enum(['text', 'fields'])
      .meta({ description: 'The task’s text: the argument `text`, or all arguments as JSON.' }),
    tasks: z.enum(['offered', 'never', 'always']).meta({
      description: 'Whether clients of MCP that support Tasks get one, and others are refused.',
    }),
  })
  .meta({ id: 'AgentTool' })

export type AgentTool = z.infer<typeof agentTool>

export const agents = {
  list: route({
    method: 'GET',
    path: '/v1/agents',
    tag: 'mcp',
    summary: 'The agents that you may use, as tools',
    query: z.strictObject({}),
    answers: { 200: { description: 'Those that MCP clients see.', schema: z.array(agentTool) } },
  }),
} as const satisfies Record<string, Route>
