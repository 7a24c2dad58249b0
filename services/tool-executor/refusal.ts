// Reasons to refuse a call.
import type { ToolSpec } from '../../runtime/config/fleet.ts'
import { failure } from '../../runtime/errors.ts'
import type { Failure, ToolRequested } from '../../schemas/generated/events.ts'
import type { ToolRows } from './rows.ts'

/** Tools listed to a model that named an unknown one. */
const LISTED_TOOLS = 50

export interface Asked {
  request: ToolRequested
  /** When the request was recorded, and the current time; epoch milliseconds. */
  askedMs: number
  nowMs: number
}

export interface Refusal {
  status: 'failed' | 'cancelled'
  error: Failure
}

/** Null: the call may begin. */
export function refusal(
  { request, askedMs, nowMs }: Asked,
  rows: Readonly<Partial<ToolRows>>,
  specs: ReadonlyMap<string, ToolSpec>,
): Refusal | null {
  const { tool, callId } = request
  if (rows.closed) return refuseCancelled(tool, `its task is over (${rows.closed.status})`)
  const allUntilMs = rows.cancelled?.allUntilMs ?? null
  const meant = rows.cancelled?.callIds.includes(callId) || (allUntilMs !== null && askedMs <= allUntilMs)
  if (meant) return refuseCancelled(tool, 'the work was cancelled')
  if (request.deadlineMs <= nowMs) return refuseCancelled(tool, "its task's deadline had passed")
  return specs.has(tool) ? null : { status: 'failed', error: unknownTool(tool, [...specs.keys()]) }
}

const refuseCancelled = (tool: string, why: string): Refusal => ({
  status: 'cancelled',
  error: failure('CALL_ABORTED', `${tool} was not called: ${why}`),
})

function unknownTool(tool: string, names: string[]): Failure {
  const listed = names.slice(0, LISTED_TOOLS).join(', ') || 'none'
  return failure('TOOL_UNKNOWN', `there is no tool named ${tool}; the tools are: ${listed}`)
}
