// Tools of MCP servers for tests: pinned as `flotilla mcp sync` pins them, and connected as tool-executor does it.
import { readEnvironment } from '../../runtime/config/environment.ts'
import type { Fleet, Tool } from '../../runtime/config/fleet.ts'
import { completeMcpServers, type McpServerDefinition } from '../../runtime/config/mcp/servers.ts'
import type { McpLock } from '../../runtime/config/mcp/lock.ts'
import { mcpTools } from '../../runtime/config/mcp/tools.ts'
import { quietInstruments } from '../../runtime/telemetry/instruments.ts'
import type { Given } from '../../services/tool-executor/call.ts'
import { connectServers, type ConnectedServers } from '../../services/tool-executor/tools/mcp/connect.ts'
import type { SharedTokens } from '../../services/tool-executor/tools/mcp/renewal-lease.ts'
import { readServers, type ReadServers } from '../../services/tool-executor/tools/mcp/sync.ts'

export interface TestServers extends AsyncDisposable {
  readonly read: ReadServers
  readonly tools: readonly Tool[]
  readonly servers: ConnectedServers
  readonly fleet: Pick<Fleet, 'tools' | 'mcpServers'>
  /** Counts of metrics, as `name server.tool`. */
  readonly counted: string[]
  /** Result of a tool, by its name here. */
  run(tool: string, input?: Record<string, never> | object, options?: Partial<RunOptions>): Promise<unknown>
}

interface RunOptions {
  userId: string | null
  signal: AbortSignal
  /** What people answered to an earlier call. */
  given: Given
}

export interface ServersOptions {
  variables?: Record<string, string>
  lock?: McpLock
  userId?: string | null
  keyValue?: SharedTokens
}

export async function connectTestServers(
  given: Record<string, McpServerDefinition>,
  { variables = {}, lock, userId = null, keyValue }: ServersOptions = {},
): Promise<TestServers> {
  const servers = completeMcpServers(given)
  const { raw } = readEnvironment({ PATH: process.env['PATH'], ...variables })
  const parts = { variables: raw, keyValue: keyValue ?? null }
  const read: ReadServers = lock
    ? { lock, leftOut: [], unread: [] }
    : await readServers(servers, null, { ...parts, userId, signal: new AbortController().signal })
  const known = mcpTools(servers, read.lock)
  const counted: string[] = []
  const instruments = {
    ...quietInstruments,
    count: (name: string, _by?: number, labels: Record<string, unknown> = {}) =>
      void counted.push(`${name} ${Object.values(labels).join('.')}`),
  }
  const fleet = { tools: known.tools, mcpServers: known.servers }
  const connected = connectServers(fleet, { ...parts, instruments })
  const run: TestServers['run'] = (name, input = {}, { given, ...options } = {}) => {
    const tool = known.tools.find(({ spec }) => spec.name === name)
    if (!tool)
      throw new Error(`no tool ${name}; there are ${known.tools.map(({ spec }) => spec.name).join(', ')}`)
    return connected.connect(tool, given).run(input as never, {
      signal: AbortSignal.timeout(30_000),
      taskId: 'task',
      userId: null,
      agent: null,
      idempotencyKey: 'call-1',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      ...options,
    })
  }
  return {
    read,
    tools: known.tools,
    servers: connected,
    fleet,
    counted,
    run,
    [Symbol.asyncDispose]: () => connected.close(),
  }
}
