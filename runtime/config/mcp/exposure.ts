// How clients of the MCP server see an agent: docs/mcp.md.
import { z } from 'zod'
import { messageOf } from '../../errors.ts'
import type { JsonSchema } from '../fleet.ts'
import { compileJsonSchema } from '../json-schema/compile.ts'

export interface McpExposure {
  /**
   * JSON Schema of its tool's arguments, an object; its task's text is then the arguments as JSON. Default: `text`,
   * and the overrides that its tasks may use.
   */
  input?: JsonSchema
  /**
   * `offered`: a client that supports Tasks gets a task, others wait for the answer. `never`: everyone waits.
   * `always`: a client without Tasks is refused. Default `offered`.
   */
  tasks?: 'offered' | 'never' | 'always'
}

const input = z.record(z.string(), z.json()).superRefine((schema, context) => {
  if (schema['type'] !== 'object')
    context.addIssue({ code: 'custom', message: 'must be of an object: {"type": "object", …}' })
  if (JSON.stringify(schema).includes('"x-mcp-header"'))
    context.addIssue({ code: 'custom', message: 'x-mcp-header is not supported: leave it out' })
  try {
    compileJsonSchema(schema as JsonSchema)
  } catch (error) {
    context.addIssue({ code: 'custom', message: messageOf(error) })
  }
})

export const mcpExposureSchema = z
  .union(
    [
      z.literal(false),
      z.strictObject({ input: input.optional(), tasks: z.enum(['offered', 'never', 'always']).optional() }),
    ],
    { error: 'must be false, or { input, tasks }' },
  )
  .optional()
