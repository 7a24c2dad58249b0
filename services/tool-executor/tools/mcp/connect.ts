// Tools of MCP servers, connected: what tool-executor runs instead of the tools that the configuration only knows.
//
// 1. Arguments are checked before the server sees them, with patterns in linear time.
// 2. A call that the server continues as a task ends with PendingCall; tool-executor's stage asks for its outcome
//    later (polling.ts). One that the server asks people about ends with AskingCall (server-question.ts).
import { compileArguments } from '../../../../runtime/config/json-schema/coercion.ts'
import type { Fleet, Tool, ToolContext, ToolSpec } from '../../../../runtime/config/fleet.ts'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { linearPatterns } from '../../../../runtime/foreign-schema/patterns.ts'
import type { Json } from '../../../../schemas/json.ts'
import { AskingCall, PendingCall, type Given, type Pending } from '../../call.ts'
import type { RequestOptions, ServerTask } from './link.ts'
import { said } from './link-error.ts'
import { ServerPool, type PoolParts } from './pool.ts'
import { questionOf } from './questions.ts'
import { resourceOf, resultOf } from './results.ts'

export interface ConnectedServers {
  /** The tool, if it is one of a server. `given`: what people answered to an earlier call. */
  connect(tool: Tool, given?: Given): Tool
  /** Outcome of a call that the server continues. */
  poll(spec: ToolSpec, pending: Pending, context: ToolContext): Promise<unknown>
  /** Gives what people answered to a question in the middle of such a call. */
  answer(spec: ToolSpec, pending: Pending, given: Given, context: ToolContext): Promise<unknown>
  cancel(spec: ToolSpec, pending: Pending, context: ToolContext): Promise<void>
  close(): Promise<void>
}

export function connectServers(
  { mcpServers = [], tools }: Pick<Fleet, 'mcpServers' | 'tools'>,
  parts: PoolParts,
): ConnectedServers {
  const pools = new Map(mcpServers.map((server) => [server.name, new ServerPool(server, parts)]))
  const poolOf = ({ name, source }: ToolSpec): ServerPool => {
    const pool = source && pools.get(source.server)
    if (!pool) throw new FlotillaError('INTERNAL', `${name} is not a tool of an MCP server`)
    return pool
  }
  const own = new Map(
    tools.flatMap(({ spec }) =>
      spec.source ? [[spec.name, connected(spec, () => poolOf(spec))] as const] : [],
    ),
  )
  return {
    connect: (tool, given) => own.get(tool.spec.name)?.(given) ?? tool,
    poll: (spec, { id }, context) =>
      poolOf(spec).use({ tool: null, ...context }, async (link) =>
        outcomeOf(spec, await link.task(id, optionsOf(spec, context))),
      ),
    answer: async (spec, pending, { responses }, context) => {
      await poolOf(spec).use({ tool: null, ...context }, (link) =>
        link.answerTask(pending.id, responses, optionsOf(spec, context)),
      )
      // It has a moment to take the answer: asked at once, it may ask the same again.
      return new PendingCall({ ...pending, pollMs: Math.max(POLL_MS.least, pending.pollMs) })
    },
    cancel: (spec, { id }, context) =>
      poolOf(spec).use({ tool: null, ...context }, (link) => link.cancelTask(id, optionsOf(spec, context))),
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.close()))
    },
  }
}

const optionsOf = ({ timeoutMs }: ToolSpec, { signal, traceparent }: ToolContext): RequestOptions => ({
  signal,
  timeoutMs,
  traceparent,
})

function connected(spec: ToolSpec, poolOf: () => ServerPool): (given?: Given) => Tool {
  let check: ReturnType<typeof compileArguments> | null = null
  const tool = spec.source?.tool ?? null
  return (given) => ({
    spec,
    run: async (input, context) => {
      const { problems, meant } = (check ??= compileArguments(spec.input, { patterns: linearPatterns }))(
        input,
      )
      if (problems.length > 0)
        throw new FlotillaError('TOOL_ARGUMENTS_INVALID', `arguments of ${spec.name}: ${problems.join('; ')}`)
      const args = meant as Record<string, Json>
      const options = { ...optionsOf(spec, context), idempotencyKey: context.idempotencyKey }
      return poolOf().use({ tool, userId: context.userId, signal: context.signal }, async (link, listed) => {
        if (listed === null) return resourceOf(spec.name, await link.read(String(args['uri']), options))
        const asked = { ...options, given }
        const answer = await link.call(listed, args, asked).catch((error: unknown) => doubted(spec, error))
        if ('asks' in answer) return new AskingCall(questionOf(spec.source?.server ?? spec.name, answer.asks))
        return 'task' in answer ? outcomeOf(spec, answer.task) : resultOf(spec.name, answer.result)
      })
    },
  })
}

/** The connection broke off, or nothing came: whether the tool has done its work, nobody knows. */
function doubted({ idempotent, inDoubt }: ToolSpec, error: unknown): never {
  if (idempotent || !(error instanceof FlotillaError) || error.code !== 'TOOL_UNAVAILABLE') throw error
  // A person is asked of it (doubt.ts).
  const code = inDoubt === 'hold' ? 'CALL_OUTCOME_UNKNOWN' : error.code
  throw new FlotillaError(code, `${error.message}; the call may have taken effect all the same`, {
    cause: error,
  })
}

/** A server may name any interval: it is not asked more often than this, nor hours late. */
const POLL_MS = { least: 500, usual: 2_000, most: 60_000 }

/** Result of the tool, a PendingCall, or an AskingCall. Throws what the task failed with. */
function outcomeOf(spec: ToolSpec, task: ServerTask): unknown {
  const { name, source } = spec
  switch (task.status) {
    case 'completed':
      return resultOf(name, taskResult(name, task))
    case 'failed':
      throw new FlotillaError(
        'TOOL_FAILED',
        `${name} failed: ${said(task.error?.message ?? task.statusMessage ?? 'without a reason')}`,
      )
    case 'cancelled':
      throw new FlotillaError(
        'TOOL_FAILED',
        `${name} was cancelled by its server: ${said(task.statusMessage ?? 'without a reason')}`,
      )
    case 'input_required': {
      const { inputRequests } = task
      return new AskingCall(questionOf(source?.server ?? name, { inputRequests }), pendingOf(task))
    }
    case 'working':
      return new PendingCall(pendingOf(task))
  }
}

function pendingOf({ taskId: id, pollIntervalMs = POLL_MS.usual, statusMessage }: ServerTask): Pending {
  const pollMs = Math.min(POLL_MS.most, Math.max(POLL_MS.least, pollIntervalMs))
  return { id, pollMs, note: statusMessage ? said(statusMessage) : null }
}

function taskResult(name: string, { result }: ServerTask): Parameters<typeof resultOf>[1] {
  const content: unknown = result?.['content'] ?? []
  if (Array.isArray(content) && content.every((part) => typeof part?.type === 'string'))
    return { ...result, content } as Parameters<typeof resultOf>[1]
  throw new FlotillaError('TOOL_OUTPUT_INVALID', `${name} ended with a result that is none`)
}
