// Tool calls that a task's policy answers or refuses: no tool is asked for them.
import type { ToolSpec } from '../../runtime/config/fleet.ts'
import { failure } from '../../runtime/errors.ts'
import { notRecorded, outcomeFor } from '../../runtime/task/recording.ts'
import type { PendingCall } from './executors/port.ts'
import { resultOf } from './results.ts'
import type { ActiveRow, CallRow, SandboxRows, View } from './rows.ts'

export interface Asking {
  readonly call: PendingCall
  readonly idempotent: ReadonlySet<ToolSpec['name']>
  readonly isDelegated: boolean
  readonly at: { readonly n: number; readonly seq: number; readonly nowMs: number; readonly chars: number }
}

export interface AnsweredCall {
  readonly row: Pick<CallRow, 'result' | 'status' | 'recorded'>
  /** Marks the outcome. */
  readonly used: Partial<SandboxRows>
}

/** Null: the tool is called; ask: if a person approves. Rows of older versions name no policy. */
export function answerByPolicy(
  rows: View,
  { toolPolicy, isRepeated }: ActiveRow,
  { call, idempotent, isDelegated, at }: Asking,
): AnsweredCall | 'ask' | null {
  if (toolPolicy === null || toolPolicy === undefined || toolPolicy === 'live') return null
  const asked = { tool: call.name, arguments: call.arguments }
  const isUsed = (index: number) => rows[`used:${index}`] !== undefined
  const isIdempotent = idempotent.has(call.name)
  const found =
    toolPolicy === 'refuse' ? null : outcomeFor(asked, rows.outcomes ?? [], { isUsed, isIdempotent })
  if (found === null && toolPolicy === 'ask' && !isDelegated) return 'ask'
  if (found === null) {
    const error = failure('TOOL_NOT_RECORDED', `${call.name} was not called: ${notRecorded[toolPolicy]}`)
    const result = resultOf({ status: 'refused', output: null, error }, at)
    return { row: { result, status: 'refused' }, used: {} }
  }
  const { status, output = null, error = null, atMs } = found.outcome
  const nowMs = isRepeated ? (atMs ?? at.nowMs) : at.nowMs
  const result = resultOf({ status, output, error }, { ...at, nowMs })
  const used: Partial<SandboxRows> = {}
  used[`used:${found.index}`] = true
  return { row: { result, status, recorded: true }, used }
}
