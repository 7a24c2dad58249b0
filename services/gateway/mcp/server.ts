// The MCP server: methods of the protocol on a fleet. One instance serves one request over HTTP, or one connection
// on stdio.
import { createRequire } from 'node:module'
import {
  CLIENT_CAPABILITIES_META_KEY,
  isInputRequiredResult,
  MissingRequiredClientCapabilityError,
  Server,
  type CallToolResult,
  type ClientCapabilities,
  type JSONRPCRequest,
  type McpRequestContext,
  type Result,
  type ServerContext,
  type Tool,
} from '@modelcontextprotocol/server'
import { z } from 'zod'
import type { AgentTool } from '../../../api/agents.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { shown } from '../../../schemas/identity.ts'
import { requiredScope } from './access.ts'
import { callAgent, type Call } from './call.ts'
import type { McpFleet } from './fleet.ts'
import { readState } from './request-state.ts'
import { meta, protocolError } from './results.ts'
import { cancelTask, getTask, TASKS, updateTask } from './tasks.ts'

const { version } = createRequire(import.meta.url)('flotilla/package.json') as { version: string }

/** Agents change only with a restart. */
const LIST_TTL_MS = 60_000

export type Era = McpRequestContext['era']

const instructions =
  'Each tool is an agent of a fleet: it works on a task in several steps, which may take minutes. ' +
  'Give it everything that it needs to know; it does not see this conversation.'

type Envelope = { readonly [CLIENT_CAPABILITIES_META_KEY]?: ClientCapabilities }
type Handler = (request: JSONRPCRequest, context: ServerContext) => Promise<Result>

/**
 * The SDK adds an empty `content` to a result without one, which the handle of a task must not have. It asks a client of
 * 2025-11-25 what a call wants to know, within the call; if that fails, the call has ended, and nobody gets the answer of
 * its task any more.
 */
class TaskServer extends Server {
  /** Gets the state of a call that its client was asked about in vain. Default: it comes back by itself. */
  unanswered: (state: string) => Promise<void> = async () => {}
  /** Calls that are being answered. */
  running: Set<Promise<unknown>> | undefined

  protected override _wrapHandler(method: string, handler: Handler): Handler {
    if (method !== 'tools/call') return super._wrapHandler(method, handler)
    const call: Handler = async (request, context) => {
      let created: Result | null = null
      let asked: string | null = null
      const checked = super._wrapHandler(method, async (...given) => {
        asked = null
        const result = await handler(...given)
        if (isInputRequiredResult(result)) asked = result.requestState ?? null
        if (result['resultType'] !== 'task') return result
        created = result
        return { content: [] }
      })
      try {
        const result = await checked(request, context)
        return created ?? result
      } finally {
        if (asked !== null) await this.unanswered(asked)
      }
    }
    return (request, context) => kept(call(request, context), this.running)
  }
}

/** `running`: gets the requests that are being answered, for a process that is about to end. */
export function createMcpServer(fleet: McpFleet, era: Era, running?: Set<Promise<unknown>>): Server {
  const isModern = era === 'modern'
  const server = new TaskServer(
    { name: 'flotilla', title: 'Flotilla', version },
    {
      capabilities: { tools: {}, ...(isModern ? { extensions: { [TASKS]: {} } } : {}) },
      instructions,
      cacheHints: { 'tools/list': { ttlMs: LIST_TTL_MS, cacheScope: 'private' } },
    },
  )
  server.running = running
  if (!isModern)
    server.unanswered = async (state) => {
      const task = readState(state)?.task
      if (task !== undefined) await fleet.cancel(task, 'the MCP client did not answer').catch(() => {})
    }
  const capabilities = (context: ServerContext): ClientCapabilities =>
    isModern
      ? (((context.mcpReq.envelope ?? {}) as Envelope)[CLIENT_CAPABILITIES_META_KEY] ?? {})
      : (server.getClientCapabilities() ?? {})

  server.setRequestHandler('tools/list', () =>
    answered(async () => {
      requiredScope(fleet, 'tasks:submit')
      return { tools: (await fleet.tools()).map((tool) => toolOf(tool, isModern)) }
    }),
  )
  server.setRequestHandler('tools/call', ({ params }, context) => {
    const call = async () => {
      requiredScope(fleet, 'tasks:submit')
      const { name, arguments: given = {} } = params
      const asked = { ...callOf(context, capabilities(context)), name, arguments: given, isModern }
      // The handle of a task has no type in the SDK.
      return (await callAgent(fleet, asked, needTasks)) as CallToolResult
    }
    return answered(call)
  })
  if (isModern) taskMethods(server, fleet, capabilities)
  return server
}

const taskId = z.string()
const result = z.looseObject({})

function taskMethods(
  server: Server,
  fleet: McpFleet,
  capabilities: (context: ServerContext) => ClientCapabilities,
): void {
  const declared = (context: ServerContext): ClientCapabilities => {
    const given = capabilities(context)
    return canTask(given) ? given : needTasks()
  }
  server.setRequestHandler('tasks/get', { params: z.looseObject({ taskId }), result }, (params, context) =>
    answered(() => getTask(fleet, { taskId: params.taskId, canAsk: canAsk(declared(context)) })),
  )
  const update = z.looseObject({ taskId, inputResponses: z.record(z.string(), z.unknown()).optional() })
  server.setRequestHandler('tasks/update', { params: update, result }, (params, context) =>
    answered(() => {
      declared(context)
      // The SDK takes the answers out of the parameters.
      const responses = context.mcpReq.inputResponses ?? params.inputResponses ?? {}
      return updateTask(fleet, params.taskId, responses)
    }),
  )
  server.setRequestHandler('tasks/cancel', { params: z.looseObject({ taskId }), result }, (params, context) =>
    answered(() => {
      declared(context)
      return cancelTask(fleet, params.taskId)
    }),
  )
}

async function answered<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw protocolError(error)
  }
}

function kept<T>(promise: Promise<T>, running: Set<Promise<unknown>> | undefined): Promise<T> {
  running?.add(promise)
  const forget = (): void => void running?.delete(promise)
  promise.then(forget, forget)
  return promise
}

const canTask = ({ extensions }: ClientCapabilities): boolean => extensions?.[TASKS] !== undefined

/** An empty `elicitation` means forms. */
function canAsk({ elicitation }: ClientCapabilities): boolean {
  return elicitation !== undefined && (elicitation.form !== undefined || elicitation.url === undefined)
}

function needTasks(): never {
  throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { extensions: { [TASKS]: {} } } })
}

function toolOf({ name, agent, description, inputSchema, outputSchema }: AgentTool, isModern: boolean): Tool {
  // Before 2026-07-28 the output of a tool is an object.
  const output =
    outputSchema !== null && (isModern || outputSchema['type'] === 'object') ? { outputSchema } : {}
  return { name, title: agent, description, inputSchema, ...output } as Tool
}

function callOf(
  { mcpReq }: ServerContext,
  capabilities: ClientCapabilities,
): Omit<Call, 'name' | 'arguments' | 'isModern'> {
  const given = (mcpReq._meta ?? {}) as Record<string, unknown>
  const { progressToken } = given
  let count = 0
  const progress = async (message: string): Promise<void> => {
    const params = { progressToken: progressToken as string | number, progress: ++count, message }
    await mcpReq.notify({ method: 'notifications/progress', params })
  }
  return {
    signal: mcpReq.signal,
    progress: progressToken === undefined ? null : progress,
    canTask: canTask(capabilities),
    canAsk: canAsk(capabilities),
    requestState: mcpReq.requestState<string>(),
    inputResponses: mcpReq.inputResponses ?? {},
    taskId: textIn(given, meta.idempotencyKey),
    userId: textIn(given, meta.userId),
  }
}

/** One that is no text is refused: left out, the call would be made twice, or be charged to nobody. */
function textIn(fields: Record<string, unknown>, name: string): string | undefined {
  const value = fields[name] ?? undefined
  if (value === undefined || typeof value === 'string') return value
  throw new FlotillaError(
    'REQUEST_INVALID',
    `_meta["${name}"] must be a text, not ${shown(JSON.stringify(value))}`,
  )
}
