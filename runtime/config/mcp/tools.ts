// Tools of MCP servers as the fleet knows them: made from the lock file and the configuration, without a server.
import type { Json } from '../../../schemas/json.ts'
import { FlotillaError } from '../../errors.ts'
import { completeTerms, type ApprovalDefinition } from '../approvals.ts'
import type { ArgumentsChecked } from '../json-schema/coercion.ts'
import type { JsonSchema, Tool, ToolSpec } from '../fleet.ts'
import { isAllowedTool, type McpHint, type McpServer, type McpToolSettings } from './servers.ts'
import { LOCK_FILE, type McpHints, type McpLock, type PinnedServer, type PinnedTool } from './lock.ts'
import { mcpToolNames } from './names.ts'
import { nameList } from '../mistake-list.ts'

/** Name of the tool that reads resources, on each server that has some. */
const READ_RESOURCE = 'read_resource'

const resourceInput: JsonSchema = {
  type: 'object',
  properties: { uri: { type: 'string', description: 'URI of the resource' } },
  required: ['uri'],
  additionalProperties: false,
}

export interface PinnedMcpServer extends McpServer {
  readonly pinned: PinnedServer
}

/** `mistakes` name what the configuration asks for and the lock file does not have. */
export function mcpTools(
  servers: readonly McpServer[],
  lock: McpLock | null,
): { servers: PinnedMcpServer[]; tools: Tool[]; mistakes: string[] } {
  const mistakes: string[] = []
  const found = servers.flatMap((server): PinnedMcpServer[] => {
    const pinned = lock && Object.hasOwn(lock.servers, server.name) ? lock.servers[server.name] : undefined
    if (pinned === undefined) {
      const what = lock === null ? `there is no ${LOCK_FILE}` : `${LOCK_FILE} does not have it`
      mistakes.push(`mcpServers.${server.name}: ${what}; pin its tools with: flotilla mcp sync`)
      return []
    }
    mistakes.push(...unknownNames(server, pinned))
    return [{ ...server, pinned }]
  })
  return { servers: found, tools: found.flatMap(toolsOf), mistakes }
}

function unknownNames({ name, tools }: McpServer, pinned: PinnedServer): string[] {
  const known = Object.keys(pinned.tools)
  const named = [
    ...(tools?.allow ?? []).filter((tool) => !tool.endsWith('*')),
    ...Object.keys(tools?.settings ?? {}),
  ]
  return [...new Set(named)]
    .filter((tool) => !known.includes(tool) && !(tool === READ_RESOURCE && pinned.resources))
    .map(
      (tool) =>
        `mcpServers.${name}.tools: ${LOCK_FILE} has no tool ${tool} of it; it has: ${nameList(known)}. ` +
        'If the server has it, pin it with: flotilla mcp sync',
    )
}

/** tool-executor connects them; any other process only knows them. */
const toolsOf = (server: PinnedMcpServer): Tool[] =>
  specsOf(server).map((spec) => {
    const { requiresApproval } = settingsOf(server, spec.source?.tool ?? READ_RESOURCE)
    const rule = typeof requiresApproval === 'object' ? requiresApproval.when : undefined
    return { spec, run: unconnected(spec), ...(rule && { needsApproval: ruleOf(spec, rule) }) }
  })

type Rule = NonNullable<ApprovalDefinition<{ [argument: string]: Json }>['when']>

/** Arguments as the tool takes them; those that do not fit need a person, and are refused before. */
function ruleOf({ input }: ToolSpec, rule: Rule): NonNullable<Tool['needsApproval']> {
  let compiled: Promise<(value: Json) => ArgumentsChecked> | null = null
  return async (given) => {
    const { problems, value } = (await (compiled ??= compile(input)))(given)
    return problems.length > 0 || rule(value as { [argument: string]: Json })
  }
}

/** Its libraries are loaded only where a rule is asked. */
async function compile(input: JsonSchema): Promise<(value: Json) => ArgumentsChecked> {
  const [{ compileArguments }, { linearPatterns }] = await Promise.all([
    import('../json-schema/coercion.ts'),
    import('../../foreign-schema/patterns.ts'),
  ])
  return compileArguments(input, { patterns: linearPatterns })
}

/** Specs of a server's tools that its filter lets through. */
function specsOf(server: PinnedMcpServer): ToolSpec[] {
  const { pinned } = server
  const prefix = server.tools?.prefix ?? `${server.name}_`
  const own = Object.keys(pinned.tools)
  const isReader =
    pinned.resources &&
    server.resources !== false &&
    !own.includes(READ_RESOURCE) &&
    isAllowedTool(server, READ_RESOURCE)
  const names = mcpToolNames(prefix, isReader ? [...own, READ_RESOURCE] : own)
  const shownName = (name: string): string => names.get(name) ?? name
  const specs = Object.entries(pinned.tools)
    .filter(([name]) => isAllowedTool(server, name))
    .map(([name, tool]) => specOf(server, name, shownName(name), tool))
  if (!isReader) return specs
  const description = `Reads a resource of ${server.name} by its URI.`
  const reading = { description, input: resourceInput, output: null, hints: { readOnlyHint: true }, hash: '' }
  const spec = specOf(server, READ_RESOURCE, shownName(READ_RESOURCE), reading)
  return [...specs, { ...spec, idempotent: true, retries: 2, source: { server: server.name, tool: null } }]
}

function specOf(server: McpServer, name: string, shown: string, tool: PinnedTool): ToolSpec {
  const settings = settingsOf(server, name)
  const hints = believed(server, tool.hints)
  const isReadOnly = hints.readOnlyHint === true
  const idempotent = settings.idempotent ?? (isReadOnly || hints.idempotentHint === true)
  const reads = readsOf(settings, server, hints)
  const sends = settings.sends ?? hints.openWorldHint !== false
  return {
    name: shown,
    description: tool.description.replaceAll(/\s+/g, ' ').trim(),
    input: tool.input,
    output: tool.output,
    timeoutMs: settings.timeoutMs ?? server.limits.timeoutMs,
    cacheTtlMs: settings.cacheTtlMs ?? 0,
    idempotent,
    ...approvalOf(settings, hints.destructiveHint === true && !isReadOnly),
    ...(settings.inDoubt === 'hold' && !idempotent && { inDoubt: 'hold' }),
    retries: idempotent ? 2 : 0,
    ...(settings.cacheScope === 'shared' && { cacheScope: 'shared' }),
    ...(reads.length > 0 && { reads }),
    ...(sends && { sends: true }),
    maxOutputBytes: server.limits.maxBytes,
    source: { server: server.name, tool: name },
  }
}

/** `isDestructive`: so it says of itself, and is believed. */
function approvalOf(
  { requiresApproval: given }: McpToolSettings,
  isDestructive: boolean,
): Pick<ToolSpec, 'requiresApproval' | 'approval'> {
  if (typeof given !== 'object') return { requiresApproval: given ?? isDestructive }
  const rule = given.when ? ('when' as const) : ('always' as const)
  return { requiresApproval: true, approval: { ...completeTerms(given), rule } }
}

function settingsOf({ tools }: McpServer, name: string): McpToolSettings {
  const { settings = {} } = tools ?? {}
  return Object.hasOwn(settings, name) ? (settings[name] ?? {}) : {}
}

/** Hints that count: of a server that is not trusted, none. */
function believed({ trust = false }: McpServer, hints: McpHints): McpHints {
  const isTrusted = (hint: string) => (typeof trust === 'boolean' ? trust : trust.includes(hint as McpHint))
  return Object.fromEntries(Object.entries(hints).filter(([hint]) => isTrusted(hint)))
}

/** Text of a server that is not trusted, or that says that its tool reaches the world, is somebody else's. */
function readsOf(
  { reads }: McpToolSettings,
  { trust }: McpServer,
  hints: McpHints,
): ('private' | 'untrusted')[] {
  if (reads === 'nothing') return []
  if (reads !== undefined) return [reads].flat()
  return trust === true && hints.openWorldHint !== true ? [] : ['untrusted']
}

const unconnected = (spec: ToolSpec) => () =>
  Promise.reject(
    new FlotillaError('INTERNAL', `${spec.name} is run by tool-executor, which connects to its server`),
  )
