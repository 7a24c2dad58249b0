// MCP servers of a fleet: what is pinned, and how their calls went. No server is asked: doctor does that.
import type { McpCalls, McpServerView, McpToolView } from '../../api/schemas/mcp-servers.ts'
import { toolNamesOf, toolSpecs } from '../../runtime/config/delegates.ts'
import type { Fleet, ToolSpec } from '../../runtime/config/fleet.ts'
import { mcpHints, type McpServer } from '../../runtime/config/mcp/servers.ts'
import type { PinnedMcpServer } from '../../runtime/config/mcp/tools.ts'
import { recentToolCalls, type ToolCalls } from '../../runtime/ledger/tool-calls.ts'
import type { Sql } from '../../runtime/store/sql.ts'
import type { BreakerOperator, BreakerView } from './breakers.ts'

export interface McpServerOperator {
  /** In the order of the configuration. */
  list(): Promise<McpServerView[]>
}

interface McpParts {
  readonly fleet: Fleet
  readonly sql: Sql
  readonly breakers: BreakerOperator
}

const COUNTED_MS = 86_400_000
const CHANGED = 'MCP_TOOL_CHANGED'
/** Failures by the server's fault; others are the model's, or of what the call is about. */
const faults: ReadonlySet<string> = new Set([
  'TOOL_UNAVAILABLE',
  'TOOL_TIMEOUT',
  'TOOL_OUTPUT_INVALID',
  'TOOL_OUTPUT_TOO_LARGE',
  'MCP_AUTH_FAILED',
  CHANGED,
  'CALL_OUTCOME_UNKNOWN',
])

export function directMcpServers({ fleet, sql, breakers }: McpParts): McpServerOperator {
  return {
    list: async () => {
      const { mcpServers: servers = [] } = fleet
      if (servers.length === 0) return []
      const specs = toolSpecs(fleet).filter(({ source }) => source !== undefined)
      const [{ calls, fromMs }, states] = await Promise.all([
        recentToolCalls(
          sql,
          specs.map(({ name }) => name),
          Date.now() - COUNTED_MS,
        ),
        breakers.list(),
      ])
      return servers.map((server) => {
        const own = specs.filter(({ source }) => source?.server === server.name)
        return { ...serverView(server, own, { fleet, calls, states }), countedFromMs: fromMs }
      })
    },
  }
}

interface Known {
  readonly fleet: Fleet
  readonly calls: readonly ToolCalls[]
  readonly states: readonly BreakerView[]
}

function serverView(
  server: PinnedMcpServer,
  specs: readonly ToolSpec[],
  { fleet, calls, states }: Known,
): Omit<McpServerView, 'countedFromMs'> {
  const { name, pinned, perUser } = server
  const names = new Set(specs.map((spec) => spec.name))
  const own = calls.filter(({ tool }) => names.has(tool))
  const breaker = openBreaker(name, states)
  const tools = toolViews(server, specs, { fleet, calls: own })
  return {
    name,
    ...placeOf(server),
    title: pinned.server,
    protocol: pinned.protocol,
    isPerUser: perUser !== undefined,
    trust: trusted(server),
    state: stateOf(own, tools, breaker),
    breaker,
    tools,
    calls: callsOf(own),
  }
}

/** Arguments, paths and queries may hold a secret. */
function placeOf({ command, url }: McpServer): Pick<McpServerView, 'transport' | 'address'> {
  return url === undefined
    ? { transport: 'program', address: command ?? '' }
    : { transport: 'http', address: new URL(url).origin }
}

const trusted = ({ trust = false }: McpServer): McpServerView['trust'] =>
  typeof trust === 'boolean' ? (trust ? [...mcpHints] : []) : [...trust]

function openBreaker(server: string, states: readonly BreakerView[]): McpServerView['breaker'] {
  const found = states.find(
    ({ breaker, state, stale }) => breaker === `mcp:${server}` && state !== 'closed' && !stale,
  )
  if (found === undefined || found.state === 'closed') return null
  const { state, sinceMs, reason, instance } = found
  return { state, sinceMs, reason, instance }
}

/** Those that agents may call, then those that the filter leaves out. */
function toolViews(
  { pinned }: PinnedMcpServer,
  specs: readonly ToolSpec[],
  { fleet, calls }: Pick<Known, 'fleet' | 'calls'>,
): McpToolView[] {
  const known = new Set(specs.map(({ source }) => source?.tool))
  const used = specs.map((spec): McpToolView => {
    const nameThere = spec.source?.tool ?? null
    const tool = nameThere === null ? undefined : pinned.tools[nameThere]
    const own = calls.filter((each) => each.tool === spec.name)
    return {
      name: spec.name,
      nameThere,
      description: spec.description,
      hash: tool?.hash ?? null,
      hints: tool?.hints ?? {},
      idempotent: spec.idempotent,
      requiresApproval: spec.requiresApproval,
      isRefused: lastOf(own)?.code === CHANGED,
      agents: Object.keys(fleet.agents).filter((agent) => toolNamesOf(fleet, agent).includes(spec.name)),
      calls: callsOf(own),
    }
  })
  const leftOut = Object.entries(pinned.tools)
    .filter(([name]) => !known.has(name))
    .map(([nameThere, { description, hash, hints }]): McpToolView => {
      const never = { idempotent: false, requiresApproval: false, isRefused: false, agents: [] }
      return { name: null, nameThere, description, hash, hints, ...never, calls: callsOf([]) }
    })
  return [...used, ...leftOut]
}

const lastOf = (calls: readonly ToolCalls[]): ToolCalls | undefined =>
  calls.toSorted((a, b) => b.lastAtMs - a.lastAtMs)[0]

function stateOf(
  calls: readonly ToolCalls[],
  tools: readonly McpToolView[],
  breaker: McpServerView['breaker'],
): McpServerView['state'] {
  if (breaker !== null) return 'open'
  if (tools.some(({ isRefused }) => isRefused)) return 'changed'
  const last = lastOf(calls)
  if (last === undefined) return 'unused'
  return last.code !== null && faults.has(last.code) ? 'failing' : 'works'
}

function callsOf(calls: readonly ToolCalls[]): McpCalls {
  const sum = (figure: (each: ToolCalls) => number): number =>
    calls.reduce((total, each) => total + figure(each), 0)
  const failures = calls.filter(({ code }) => code !== null)
  const failure = lastOf(failures)
  const made = sum((each) => each.made)
  return {
    made,
    failed: failures.reduce((total, each) => total + each.made, 0),
    cached: sum((each) => each.cached),
    meanMs: made === 0 ? null : sum((each) => each.durationMs) / made,
    lastAtMs: lastOf(calls)?.lastAtMs ?? null,
    lastFailure: failure === undefined ? null : failureOf(failure),
  }
}

const failureOf = ({ code, tool, taskId, lastAtMs }: ToolCalls): McpCalls['lastFailure'] => ({
  code: code ?? '',
  tool,
  taskId,
  atMs: lastAtMs,
})
