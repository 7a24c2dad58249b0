// Calls of other agents from Python: what they may cost, and a step that hands its task over.
//
// 1. Python waits for all calls of a group, and one step of a task runs at a time: what is left of the money is known
//    when a group begins. It is shared out among those of them that ask an agent.
// 2. A handoff that succeeded ends the step: its answer is that of final_answer.
import { shareOf } from '../../runtime/config/delegates.ts'
import type { ToolSpec } from '../../runtime/config/fleet.ts'
import type { Delegation } from '../../schemas/generated/events.ts'
import type { Finished, PendingCall } from './executors/port.ts'
import type { Ending } from './events.ts'
import { callRows, type ActiveRow, type CallRow, type View } from './rows.ts'

export type Delegates = ReadonlyMap<string, NonNullable<ToolSpec['delegate']>>

/** A call without an answer; `ask`: a person is asked first. */
export interface OpenCall {
  readonly call: PendingCall
  readonly ask: boolean
}

/** What each of `count` calls of a group goes by. Null: an older planner gave nothing to go by. */
export function delegationOf(rows: View, active: ActiveRow, count: number): Delegation | null {
  // Rows of older versions lack it.
  const { delegation = null, n } = active
  if (delegation?.maxCost == null) return delegation
  const left = delegation.maxCost - (childrenCost(callRows(rows, n)) ?? 0)
  return { ...delegation, maxCost: shareOf(left, count) }
}

/** Calls of other agents first: tool-executor takes them one by one, and other calls may take long. */
export const agentsFirst = (calls: readonly OpenCall[], delegates: Delegates): OpenCall[] => [
  ...calls.filter(({ call }) => delegates.has(call.name)),
  ...calls.filter(({ call }) => !delegates.has(call.name)),
]

/** US dollars of the tasks that these calls became; null: none became any. */
export function childrenCost(calls: readonly CallRow[]): number | null {
  const costs = calls.flatMap(({ child }) => child?.cost ?? [])
  return costs.length === 0 ? null : costs.reduce((sum, cost) => sum + cost, 0)
}

/** The step's end, if one of its answered calls has handed the task over; else null. */
export function handedOver(rows: View, active: ActiveRow, delegates: Delegates, atMs: number): Ending | null {
  const taken = active.pending
    .map((seq) => rows[`call:${active.n}.${seq}`])
    .find((call) => call?.status === 'succeeded' && delegates.get(call.tool)?.handoff === true)
  if (!taken) return null
  const nothing = {
    value: null,
    prints: '',
    error: null,
    computeMs: 0,
    outputHash: '',
    lost: 'step',
  } as const
  const finished: Finished = {
    ...nothing,
    status: 'finished',
    isFinal: true,
    finalAnswer: taken.result?.value ?? null,
  }
  return { status: 'finished', error: null, finished, atMs }
}
