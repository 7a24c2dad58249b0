// MCP servers whose tools a fleet uses: what is pinned of them, and how their calls went of late.
import { z } from 'zod'
import { mcpHints } from '../../runtime/config/mcp/servers.ts'
import { timeMs } from './values.ts'

const text = z.string().nullable()

const lastFailure = z
  .object({
    code: z.string().meta({ description: 'Code of the error table.' }),
    tool: z.string(),
    taskId: z.string().meta({ description: 'Its task, which has the whole message.' }),
    atMs: timeMs,
  })
  .meta({ id: 'McpFailure' })

const calls = z
  .object({
    made: z.number().meta({ description: 'Calls that ended, those from the cache too.' }),
    failed: z.number(),
    cached: z.number(),
    meanMs: z.number().nullable().meta({ description: 'Mean duration; null: there was no call.' }),
    lastAtMs: timeMs.nullable(),
    lastFailure: lastFailure.nullable(),
  })
  .meta({ id: 'McpCalls' })

const pinnedTool = z
  .object({
    name: text.meta({ description: 'As agents call it; null: the filter of the server leaves it out.' }),
    nameThere: text.meta({ description: 'On the server; null: it reads the resources of the server.' }),
    description: z.string(),
    hash: text.meta({ description: 'Of what is pinned; null: nothing of it is.' }),
    hints: z
      .partialRecord(z.enum(mcpHints), z.boolean())
      .meta({ description: "The server's own word; `trust` says which count." }),
    idempotent: z.boolean(),
    requiresApproval: z.boolean(),
    isRefused: z.boolean().meta({
      description:
        'Its last call was refused, because the server describes it differently from what is pinned.',
    }),
    agents: z.array(z.string()).meta({ description: 'Agents that may call it.' }),
    calls,
  })
  .meta({ id: 'McpTool' })

export const mcpServerView = z
  .object({
    name: z.string(),
    transport: z.enum(['program', 'http']),
    address: z.string().meta({
      description: 'Program, without its arguments; or scheme, host and port of the URL.',
    }),
    title: z.string().meta({ description: 'Name and version that it gives itself.' }),
    protocol: z.string().meta({ description: 'Revision of MCP that was agreed on when it was pinned.' }),
    isPerUser: z.boolean().meta({ description: 'Each user has credentials and a connection of their own.' }),
    trust: z.array(z.enum(mcpHints)).meta({ description: 'Hints of it that are believed.' }),
    state: z.enum(['works', 'failing', 'changed', 'open', 'unused']).meta({
      description:
        'open: a breaker holds its calls back. changed: calls of a tool are refused, because it is not the pinned one. failing: its last call failed by its fault. unused: it was not called.',
    }),
    breaker: z
      .object({ state: z.enum(['open', 'half_open']), sinceMs: timeMs, reason: text, instance: z.string() })
      .nullable()
      .meta({ description: 'The breaker that is not closed, of any process; null: all are closed.' }),
    tools: z.array(pinnedTool),
    calls,
    countedFromMs: timeMs.meta({
      description: 'Calls are counted from then on: one day, or the latest 20,000 calls of the fleet.',
    }),
  })
  .meta({ id: 'McpServer' })

export type McpServerView = z.output<typeof mcpServerView>
export type McpToolView = z.output<typeof pinnedTool>
export type McpCalls = z.output<typeof calls>
