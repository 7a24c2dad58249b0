// Reads what MCP servers offer, and makes the lock file of it.
//
// 1. A server that can't be read keeps what is pinned of it, and is reported: nobody loses tools because a
//    server was down for a moment.
// 2. Tools that the filter leaves out are not pinned, and those that can't be pinned are reported with the reason.
import { isAllowedTool, type McpServer } from '../../../../runtime/config/mcp/servers.ts'
import {
  pinHash,
  type DescribedTool,
  type McpLock,
  type PinnedServer,
  type PinnedTool,
} from '../../../../runtime/config/mcp/lock.ts'
import { type FlotillaError, toFailure } from '../../../../runtime/errors.ts'
import { credentialsFor, type CredentialParts } from './credentials.ts'
import { openLink } from './link.ts'
import { describedTool, whyLeftOut } from './pins.ts'

export interface ReadServers {
  readonly lock: McpLock
  readonly leftOut: readonly { readonly server: string; readonly tool: string; readonly why: string }[]
  readonly unread: readonly { readonly server: string; readonly error: FlotillaError | Error }[]
}

export interface SyncOptions extends CredentialParts {
  /** User whose credentials are used where the configuration has them for users only. */
  readonly userId: string | null
  readonly signal: AbortSignal
}

/** `before`: what is pinned; null if nothing is. */
export async function readServers(
  servers: readonly McpServer[],
  before: McpLock | null,
  options: SyncOptions,
): Promise<ReadServers> {
  const read = await Promise.all(servers.map((server) => readServer(server, options)))
  const kept = servers.flatMap(({ name }, index) => {
    const found = read[index]
    if (found && 'pinned' in found) return [[name, found.pinned] as const]
    const known = before && Object.hasOwn(before.servers, name) ? before.servers[name] : undefined
    return known ? [[name, known] as const] : []
  })
  return {
    lock: { servers: Object.fromEntries(kept) },
    leftOut: read.flatMap((found) => ('leftOut' in found ? found.leftOut : [])),
    unread: read.flatMap((found) => ('error' in found ? [found] : [])),
  }
}

type Read =
  { readonly pinned: PinnedServer; readonly leftOut: ReadServers['leftOut'] } | ReadServers['unread'][number]

async function readServer(server: McpServer, options: SyncOptions): Promise<Read> {
  const { name } = server
  try {
    const credentials = await credentialsFor(server, options.userId, options)
    const link = await openLink(server, credentials, { signal: options.signal })
    try {
      const listed = await link.list(options.signal)
      const leftOut: { server: string; tool: string; why: string }[] = []
      const tools = listed
        .filter((tool) => isAllowedTool(server, tool.name))
        .flatMap((tool) => {
          const described = describedTool(tool)
          const why = whyLeftOut(tool, described)
          if (why !== null) leftOut.push({ server: name, tool: tool.name, why })
          return why === null ? [[tool.name, pinned(tool.name, described)] as const] : []
        })
      const found = { server: link.title, protocol: link.protocol, resources: link.hasResources }
      return { pinned: { ...found, tools: Object.fromEntries(tools) }, leftOut }
    } finally {
      await link.close()
    }
  } catch (error) {
    return { server: name, error: error instanceof Error ? error : new Error(toFailure(error).message) }
  }
}

const pinned = (name: string, tool: DescribedTool): PinnedTool => ({ ...tool, hash: pinHash(name, tool) })
