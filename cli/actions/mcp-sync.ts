// Pins what MCP servers offer: for `flotilla mcp sync`, and for `flotilla start` in development.
import { writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import type { Environment } from '../../runtime/config/environment.ts'
import type { McpServer } from '../../runtime/config/mcp/servers.ts'
import { loadMcpServers } from '../../runtime/config/mcp/load.ts'
import { mcpLockText, readMcpLock, type McpLock } from '../../runtime/config/mcp/lock.ts'
import { FlotillaError, hasCode, messageOf } from '../../runtime/errors.ts'
import { openStores } from '../../runtime/store/open.ts'
import type { ReadServers } from '../../services/tool-executor/tools/mcp/sync.ts'
import { lockChanges, type PinChange } from '../../runtime/config/mcp/lock-diff.ts'
import { paint } from '../output/output.ts'

export interface Synced extends Omit<ReadServers, 'lock'> {
  /** Path of the lock file, from the working directory. */
  readonly file: string
  /** Names of the servers that were asked. */
  readonly servers: readonly string[]
  readonly changes: readonly PinChange[]
  readonly written: boolean
}

export interface SyncRequest {
  /** Absent or empty: all. */
  readonly names?: readonly string[]
  readonly userId?: string | undefined
  /** False: only compare. */
  readonly write: boolean
}

/** Null: the configuration has no MCP servers. */
export async function syncServers(environment: Environment, request: SyncRequest): Promise<Synced | null> {
  const { servers, lock: path } = await loadMcpServers(environment)
  if (servers.length === 0) return null
  const before = oldLock(path, request.write) ?? { servers: {} }
  const asked = request.names?.length ? servers.filter(({ name }) => request.names?.includes(name)) : servers
  const unknown = request.names?.find((name) => !servers.some((server) => server.name === name))
  if (unknown !== undefined) {
    const known = servers.map(({ name }) => name).join(', ')
    throw new FlotillaError('NOT_FOUND', `no MCP server named ${unknown}; there are: ${known}`)
  }
  const read = await readWithStore(asked, before, environment, request.userId ?? null)
  const others = Object.entries(before.servers).filter(
    ([name]) =>
      servers.some((server) => server.name === name) && !asked.some((server) => server.name === name),
  )
  const after: McpLock = { servers: { ...Object.fromEntries(others), ...read.lock.servers } }
  const changes = lockChanges(before, after)
  const written = request.write && changes.length > 0
  if (written) writeFileSync(path, mcpLockText(after))
  const { leftOut, unread } = read
  return {
    file: relative(process.cwd(), path),
    servers: asked.map(({ name }) => name),
    leftOut,
    unread,
    changes,
    written,
  }
}

/**
 * A refresh token may be good once: the one that replaces it goes where the fleet finds it, so its store is opened,
 * which a running embedded fleet has locked.
 */
async function readWithStore(
  servers: readonly McpServer[],
  before: McpLock,
  environment: Environment,
  userId: string | null,
): Promise<ReadServers> {
  const { readServers } = await import('../../services/tool-executor/tools/mcp/sync.ts')
  const needsStore = servers.some(({ auth }) => auth?.type === 'refresh_token')
  const stores = needsStore ? await openStores(environment) : null
  const parts = { variables: environment.raw, keyValue: stores?.keyValue ?? null, userId }
  try {
    return await readServers(servers, before, { ...parts, signal: new AbortController().signal })
  } finally {
    await stores?.close()
  }
}

/** A file that can't be read is written again, not compared. */
function oldLock(path: string, write: boolean): McpLock | null {
  try {
    return readMcpLock(path)
  } catch (error) {
    if (write) return null
    throw error
  }
}

const marks = {
  added: paint('green', '+'),
  removed: paint('red', '-'),
  changed: paint('yellow', '~'),
} as const

/** The remedies of other codes are for calls of a tool. */
const remedyOf = (error: Error): string =>
  hasCode(error, 'MCP_AUTH_FAILED')
    ? error.remedy
    : 'Start the server, or correct its url or command in flotilla.config.ts; then run flotilla mcp sync again.'

/** For people: what changed, what was left out and why, and which servers could not be read. */
export function syncedLines({ changes, leftOut, unread }: Synced): string[] {
  return [
    ...changes.flatMap(({ server, tool, change, parts }) => [
      `${marks[change]} ${tool === null ? server : `${server}.${tool}`}`,
      ...parts.map((part) => `    ${part}`),
    ]),
    ...leftOut.map(({ server, tool, why }) => paint('yellow', `! ${server}.${tool} is left out: ${why}`)),
    ...unread.flatMap(({ server, error }) => [
      paint('red', `! ${server} was not read: ${messageOf(error)}`),
      `    ${remedyOf(error)}`,
    ]),
  ]
}
