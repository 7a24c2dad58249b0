// A requested call as the host makes it.
import type { ToolSpec } from '../../runtime/config/fleet.ts'
import type { Call } from '../../runtime/stage.ts'
import type { ToolRequested } from '../../schemas/generated/events.ts'
import type { Given, ToolCall } from './call.ts'

type MadeCall = Call & { request: ToolCall }

/** The fields of a tool that its call needs. */
export type Callable = Pick<ToolSpec, 'timeoutMs' | 'idempotent' | 'source'>

export function callOf(request: ToolRequested, spec: Callable, nowMs: number, given?: Given): MadeCall {
  // Rows of older versions lack the agent.
  const { taskId, tool, arguments: args, cacheTtlMs, userId, deadlineMs, agent = null } = request
  const asked = { taskId, tool, arguments: args, cacheTtlMs, userId, deadlineMs, agent }
  const call: ToolCall = { ...asked, ...(given && { given }) }
  return {
    kind: 'tool',
    target: tool,
    // The server is what is down, with all of its tools.
    ...(spec.source && { breaker: `mcp:${spec.source.server}` }),
    request: call,
    timeoutMs: Math.min(spec.timeoutMs, deadlineMs - nowMs),
    untilMs: deadlineMs,
    idempotent: spec.idempotent,
  }
}
