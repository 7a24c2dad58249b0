// A fleet for tests of the console with three MCP servers: one that a test can change, one that is not there, and one
// whose pinned texts nobody should have written. Its Python agent keeps variables in sessions.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { completeMcpServers } from '../../runtime/config/mcp/servers.ts'
import { mcpLockText, pinHash, type PinnedServer, type PinnedTool } from '../../runtime/config/mcp/lock.ts'
import type { Script } from '../../runtime/scripted-model/script.ts'
import { readServers } from '../../services/tool-executor/tools/mcp/sync.ts'
import { HOSTILE, HUGE, startConsoleFleet } from './console-fleet.ts'
import type { TestFleet } from './fleet.ts'
import { startMcpServer, type TestServer } from './mcp-server.ts'

export interface McpConsoleFleet extends AsyncDisposable {
  readonly fleet: TestFleet
  readonly server: TestServer
}

/** Text of a task: the tool that it calls, by its name here. */
const script: Script = ({ task, turn, mode }) => {
  if (mode === 'code')
    return { text: '```python\nrows = [n * n for n in range(400)]\nfinal_answer(len(rows))\n```' }
  if (turn > 0) return { text: `Called ${task}` }
  return { toolCalls: [{ name: task, arguments: { name: 'ana' } }] }
}

const agents = {
  default: { mode: 'tools' as const, tools: ['crm_greet', 'away_greet'] },
  analyst: { mode: 'code' as const, tools: ['echo'] },
}

export async function startMcpConsoleFleet(): Promise<McpConsoleFleet> {
  const server = await startMcpServer()
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-console-mcp-'))
  const [name, nowhere] = ['crm', 'http://127.0.0.1:9/key-of-the-path/mcp']
  const allow = ['greet', 'report', 'wipe', 'broken', 'read_resource']
  const crm = { url: server.url, tools: { allow }, trust: true, limits: { checkMs: 0 } }
  const mcpServers = {
    // One of its tools was pinned before the filter left it out.
    [name]: { ...crm, tools: { allow, deny: ['broken'] } },
    away: { url: nowhere, limits: { connectMs: 2_000 }, resources: false },
    hostile: { command: 'npx', args: ['--key=of-the-arguments'] },
  }
  const read = await readServers(completeMcpServers({ [name]: crm }), null, {
    ...{ variables: {}, keyValue: null, userId: null },
    signal: new AbortController().signal,
  })
  const pinned = read.lock.servers[name] as PinnedServer
  const lock = join(directory, 'lock.json')
  const servers = { crm: pinned, away: withTools(pinned, ['greet']), hostile: hostileServer(pinned) }
  writeFileSync(lock, mcpLockText({ servers }))
  const fleet = await startConsoleFleet({
    env: { FLOTILLA_MCP_LOCK: lock },
    model: { script },
    definition: { mcpServers, agents, sessions: { keepVariables: true } },
  })
  const stop = async (): Promise<void> => {
    await fleet.stop()
    await server[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true, force: true })
  }
  return { fleet, server, [Symbol.asyncDispose]: stop }
}

const withTools = ({ tools, ...server }: PinnedServer, names: readonly string[]): PinnedServer => ({
  ...server,
  tools: Object.fromEntries(names.map((name) => [name, tools[name] as PinnedTool])),
})

/** More tools than a sheet shows at once. */
export const HOSTILE_TOOLS = 320

function hostileServer(like: PinnedServer): PinnedServer {
  const [model] = Object.values(like.tools)
  const tools = Array.from({ length: HOSTILE_TOOLS }, (_, at): [string, PinnedTool] => {
    const name = `${at}-${HOSTILE.slice(0, 40)}`
    const described = { ...(model as PinnedTool), description: at % 2 === 0 ? HOSTILE : HUGE.slice(0, 8_000) }
    return [name, { ...described, hash: pinHash(name, described) }]
  })
  return { ...like, server: HOSTILE, tools: Object.fromEntries(tools) }
}
