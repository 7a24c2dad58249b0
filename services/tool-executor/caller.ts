// Runs one tool for the host: cache, time, size, and failures of users' code.
//
// 1. The outcome is always an answer or a FlotillaError of the table.
// 2. When the signal aborts, the answer is due at once; a tool that ignores it is abandoned.
// 3. The deadline is compared with the real clock here: the request may have waited on the log for longer
//    than its task has time. A stage can't see that: its time is the record's.
import { systemClock, type Clock } from '../../runtime/clock.ts'
import type { Fleet, Tool, ToolContext, ToolSpec } from '../../runtime/config/fleet.ts'
import { compileJsonSchema, type SchemaCheck } from '../../runtime/config/json-schema/compile.ts'
import { FlotillaError, messageOf } from '../../runtime/errors.ts'
import { patternsOf } from '../../runtime/foreign-schema/patterns.ts'
import { hasPrototypeName } from '../../runtime/json/names.ts'
import type { Log } from '../../runtime/telemetry/instruments.ts'
import { decodeKey } from '../../runtime/keys.ts'
import type { CallContext, Emit } from '../../runtime/stage.ts'
import type { KeyValue } from '../../runtime/store/port.ts'
import { ToolCache, cacheKey } from './cache.ts'
import { AskingCall, PendingCall, type ToolAnswer, type ToolCall } from './call.ts'
import { jsonOutput } from './output.ts'
import type { ConnectedServers } from './tools/mcp/connect.ts'

export interface ToolCallerParts {
  readonly fleet: Pick<Fleet, 'tools'>
  readonly keyValue: Pick<KeyValue, 'get' | 'set'>
  readonly log: Pick<Log, 'warn'>
  /** Servers whose tools are in the fleet. Absent: none are connected. */
  readonly servers?: () => Promise<ConnectedServers>
  /** Default: the system's. */
  readonly clock?: Clock
}

interface Installed {
  readonly tool: Tool
  readonly checkOutput: SchemaCheck | null
}

/** Who watches a task sees that a tool runs once it takes longer: most calls are over by then, and cost no record. */
const SHOW_STARTED_MS = 300

export type ToolCaller = (request: ToolCall, context: CallContext) => Promise<ToolAnswer>

export function createToolCaller(parts: ToolCallerParts): ToolCaller {
  const { fleet, keyValue, log, clock = systemClock } = parts
  const cache = new ToolCache(keyValue, log, clock)
  const installed = new Map(fleet.tools.map((tool) => [tool.spec.name, install(tool)]))
  return async (request, context) => {
    const found = installed.get(request.tool)
    if (!found) throw new FlotillaError('TOOL_UNKNOWN', `there is no tool named ${request.tool}`)
    const { spec } = found.tool
    if (request.continued?.ask === 'cancel') {
      await (await serversOf(parts)).cancel(spec, request.continued.pending, contextOf(request, context))
      return { output: null, cached: false }
    }
    if (request.deadlineMs <= clock.now()) {
      throw new FlotillaError(
        'CALL_ABORTED',
        `${request.tool} was not called: its task's deadline had passed`,
      )
    }
    if (hasPrototypeName(request.arguments)) throw prototypeNamed(request.tool)
    const ttlMs = cacheTtl(spec, request.cacheTtlMs)
    // What people answered is no part of the key.
    const key = ttlMs > 0 && !request.given ? keyOf(spec, request) : null
    const hit = key === null || request.continued ? null : await cache.get(key)
    if (hit) return { output: hit.output, cached: true }
    const cancel = clock.schedule(SHOW_STARTED_MS, () =>
      context.stream(startedEvent(request, context, clock)),
    )
    const work = await workOf(found.tool, request, parts)
    const ran = await run(found, work, contextOf(request, context)).finally(cancel)
    if (ran instanceof PendingCall) return { output: null, cached: false, pending: ran.pending }
    if (ran instanceof AskingCall) {
      const { question: asks, pending } = ran
      return { output: null, cached: false, asks, ...(pending && { pending }) }
    }
    const { text, output } = ran
    if (key !== null) await cache.set(key, text, ttlMs)
    return { output, cached: false }
  }
}

/** A tool is foreign code, which may copy it. */
const prototypeNamed = (tool: string) =>
  new FlotillaError(
    'TOOL_ARGUMENTS_INVALID',
    `arguments of ${tool} have a property "__proto__", which no tool takes`,
  )

function startedEvent({ taskId, tool }: ToolCall, { key }: CallContext, clock: Clock): Emit {
  const detail = { callId: decodeKey(key).part ?? null, tool }
  const atMs = clock.now() - SHOW_STARTED_MS
  const data = { taskId, stage: 'tool-executor', kind: 'tool_started' as const, step: null, atMs, detail }
  return { topic: 'tasks.streaming', type: 'TaskProgressed', key: taskId, data }
}

const keyOf = ({ name, cacheScope }: ToolSpec, { arguments: args, userId }: ToolCall): string =>
  cacheScope === 'shared' ? cacheKey(name, args) : cacheKey(name, args, { userId })

function install(tool: Tool): Installed {
  const { output } = tool.spec
  if (output === null) return { tool, checkOutput: null }
  // Compiled at the first output: few tools of many are used. That it can be compiled is known from its definition.
  let check: SchemaCheck | null = null
  return {
    tool,
    checkOutput: (value) =>
      (check ??= compileJsonSchema(output, { isValidSchema: true, ...patternsOf(tool.spec) }))(value),
  }
}

/**
 * An override applies to idempotent tools, never to one with effects: a cached answer would skip the effect.
 */
function cacheTtl(spec: ToolSpec, override: number | null): number {
  return override !== null && (spec.idempotent || spec.cacheTtlMs > 0) ? override : spec.cacheTtlMs
}

const serversOf = ({ servers }: ToolCallerParts): Promise<ConnectedServers> => {
  if (servers) return servers()
  throw new FlotillaError('INTERNAL', 'no MCP servers are connected in this process')
}

type Work = (context: ToolContext) => Promise<unknown>

/** Runs the tool, or asks how a call of it stands that its server goes on with. */
async function workOf(
  tool: Tool,
  { arguments: args, continued, given }: ToolCall,
  parts: ToolCallerParts,
): Promise<Work> {
  if (tool.spec.source === undefined) return (context) => tool.run(args, context)
  const servers = await serversOf(parts)
  if (continued?.ask === 'answer' && given)
    return (context) => servers.answer(tool.spec, continued.pending, given, context)
  if (continued) return (context) => servers.poll(tool.spec, continued.pending, context)
  const connected = servers.connect(tool, given)
  return (context) => connected.run(args, context)
}

async function run({ tool, checkOutput }: Installed, work: Work, context: ToolContext) {
  const { name, maxOutputBytes } = tool.spec
  const value = await untilAborted(context.signal, () => work(context), name)
  if (value instanceof PendingCall || value instanceof AskingCall) return value
  const result = jsonOutput(name, value, maxOutputBytes)
  const problems = checkOutput?.(result.output).problems ?? []
  if (problems.length === 0) return result
  throw new FlotillaError(
    'TOOL_OUTPUT_INVALID',
    `the result of ${name} does not fit its schema: ${problems.join('; ')}`,
  )
}

const contextOf = (request: ToolCall, context: CallContext): ToolContext => ({
  signal: context.signal,
  taskId: request.taskId,
  userId: request.userId,
  // Calls that an older version started have none.
  agent: request.agent ?? null,
  idempotencyKey: context.callId,
  traceparent: context.traceparent,
})

async function untilAborted(
  signal: AbortSignal,
  work: () => Promise<unknown>,
  name: string,
): Promise<unknown> {
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(abortReason(signal, name))
  if (signal.aborted) throw abortReason(signal, name)
  // Not removed: the signal is of this call alone.
  signal.addEventListener('abort', abort, { once: true })
  return Promise.race([runSafely(work, name), aborted.promise])
}

async function runSafely(work: () => Promise<unknown>, name: string): Promise<unknown> {
  try {
    return await work()
  } catch (error) {
    throw toToolError(error, name)
  }
}

/** The host's reason for the abort, as an error of the table. */
function abortReason(signal: AbortSignal, name: string): FlotillaError {
  if (signal.reason instanceof FlotillaError) return signal.reason
  return new FlotillaError('CALL_ABORTED', `${name} was stopped`)
}

function toToolError(error: unknown, name: string): FlotillaError {
  if (error instanceof FlotillaError) return error
  const message = messageOf(error)
  return new FlotillaError('TOOL_FAILED', `${name} failed: ${message}`, { cause: error })
}
