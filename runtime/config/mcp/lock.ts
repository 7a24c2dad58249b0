// flotilla.mcp-lock.json: what the tools of MCP servers are, as somebody has reviewed it. A fleet starts from it
// without asking the servers, and shows models nothing else.
//
// 1. A hash covers everything that a model reads or that decides how a call is made: name, description, schemas,
//    hints. A server whose tool has another one is refused at the call.
// 2. The file is written sorted, so that its differences in version control are those of the tools.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import type { Json } from '../../../schemas/json.ts'
import { FlotillaError, messageOf } from '../../errors.ts'
import { sortedJson } from '../../json/sorted.ts'
import type { JsonSchema } from '../fleet.ts'
import { mcpHints, type McpHint } from './servers.ts'

export const LOCK_FILE = 'flotilla.mcp-lock.json'

export type McpHints = { readonly [H in McpHint]?: boolean }

/** A tool as its server describes it. */
export interface DescribedTool {
  readonly description: string
  readonly input: JsonSchema
  readonly output: JsonSchema | null
  readonly hints: McpHints
}

export interface PinnedTool extends DescribedTool {
  /** pinHash of its name and description. */
  readonly hash: string
}

export interface PinnedServer {
  /** Name and version that it gives itself: for people. */
  readonly server: string
  /** Revision of MCP that was agreed on. */
  readonly protocol: string
  readonly resources: boolean
  /** By name on the server. */
  readonly tools: Readonly<Record<string, PinnedTool>>
}

export interface McpLock {
  readonly servers: Readonly<Record<string, PinnedServer>>
}

/** Hash of what a tool is, to compare with the pinned one. */
export function pinHash(name: string, { description, input, output, hints }: DescribedTool): string {
  const known = Object.fromEntries(
    mcpHints.flatMap((hint) => (hint in hints ? [[hint, hints[hint] ?? null]] : [])),
  )
  const text = sortedJson([name, description, input, output, known as Json])
  return `sha256-${createHash('sha256').update(text).digest('hex')}`
}

const schema = z.record(z.string(), z.json())
const lockSchema = z.strictObject({
  version: z.literal(1),
  servers: z.record(
    z.string(),
    z.strictObject({
      server: z.string(),
      protocol: z.string(),
      resources: z.boolean(),
      tools: z.record(
        z.string(),
        z.strictObject({
          description: z.string(),
          input: schema,
          output: schema.nullable(),
          hints: z.partialRecord(z.enum(mcpHints), z.boolean()),
          hash: z.string(),
        }),
      ),
    }),
  ),
})

const REMEDY = 'write it again with: flotilla mcp sync'

/** Null: there is no such file. Throws CONFIG_INVALID for one that can't be read, or was edited by hand. */
export function readMcpLock(path: string): McpLock | null {
  if (!existsSync(path)) return null
  const { servers } = parsed(path)
  for (const [server, { tools }] of Object.entries(servers))
    for (const [name, tool] of Object.entries(tools))
      if (pinHash(name, tool) !== tool.hash)
        throw new FlotillaError(
          'CONFIG_INVALID',
          `${path}: ${server}.${name} does not have its hash, so it was edited by hand or merged badly; ${REMEDY}`,
        )
  return { servers }
}

function parsed(path: string): McpLock {
  try {
    return lockSchema.parse(JSON.parse(readFileSync(path, 'utf8'))) as McpLock
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error)
    throw new FlotillaError('CONFIG_INVALID', `${path} can't be read: ${reason}; ${REMEDY}`, { cause: error })
  }
}

/** The file's text. */
export function mcpLockText({ servers }: McpLock): string {
  const sorted = JSON.parse(sortedJson({ servers } as unknown as Json)) as McpLock
  // Property order is that of positional arguments in Python, so schemas keep theirs.
  const ordered = Object.fromEntries(
    Object.entries(sorted.servers).map(([name, server]) => [
      name,
      {
        ...server,
        tools: Object.fromEntries(
          Object.keys(server.tools).map((tool) => {
            const { description, input, output, hints, hash } = (servers[name] as PinnedServer).tools[
              tool
            ] as PinnedTool
            return [tool, { description, hash, hints, input, output }]
          }),
        ),
      },
    ]),
  )
  return `${JSON.stringify({ version: 1, servers: ordered }, null, 2)}\n`
}
