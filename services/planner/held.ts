// Calls of the running step that wait for a person, in tools mode and in Python; and calls of other agents whose tasks
// have such calls, at any depth.
//
// 1. While one waits, the task has no deadline; released, it has as much time as it had left.
// 2. A record about a call that the step does not wait for changes nothing.
// 3. The task that asked for this one is held and released with it, by a record of its own: one when the first call
//    begins to wait, one when none waits any more, or in the transaction that ends the task.
import { merge } from '../../runtime/decisions.ts'
import { heldMs, waitedMs, withHeld, withoutHeld } from '../../runtime/task/held-calls.ts'
import type { Emit } from '../../runtime/stage.ts'
import type { CallHeld, CallReleased, DelegationHeld } from '../../schemas/generated/events.ts'
import { fail } from './result/task-end.ts'
import { change, type Changes, type Run, type Situation } from './rows.ts'
import { heldAbove, releasedAbove } from './held-above.ts'
import { outstandingIds, requestId } from './step-replies.ts'

const DEADLINE = 'deadline'

export function holdCall(from: Situation, { callId, heldAtMs, why }: CallHeld): Changes {
  return beginWait(from, callId, heldAtMs, ({ inDoubt = [] }) =>
    why === 'doubt' ? { inDoubt: [...inDoubt, callId] } : {},
  )
}

export function releaseCall(from: Situation, { callId, atMs, failsTask }: CallReleased): Changes {
  if (failsTask && from.run.held?.ids.includes(callId)) return fail(from, failsTask)
  return endWait(from, callId, atMs)
}

/** The task that a call became waits for people, or goes on. */
export function followDelegation(
  from: Situation,
  { callId, heldAtMs, releasedAtMs }: DelegationHeld,
): Changes {
  if (releasedAtMs !== null) return endWait(from, callId, releasedAtMs)
  return beginWait(from, callId, heldAtMs, ({ delegatesHeld = [] }) => ({
    delegatesHeld: [...delegatesHeld, callId],
  }))
}

function beginWait(
  from: Situation,
  callId: string,
  heldAtMs: number,
  more: (run: Run) => Partial<Run>,
): Changes {
  const { run } = from
  const isKnown = run.held?.ids.includes(callId) ?? false
  if (isKnown || !isAwaited(from, callId)) return {}
  const held = withHeld(run.held, callId, heldAtMs)
  return {
    rows: { run: { ...run, held, ...more(run) } },
    timers: { [DEADLINE]: null },
    emit: run.held ? [] : heldAbove(from, held),
  }
}

function endWait(from: Situation, callId: string, atMs: number): Changes {
  const { run } = from
  if (!run.held?.ids.includes(callId)) return {}
  const left = withoutHeld(run.held, callId, atMs)
  const delegatesHeld = run.delegatesHeld?.filter((id) => id !== callId)
  if (left.held)
    return { rows: { run: { ...run, held: left.held, ...(delegatesHeld && { delegatesHeld }) } } }
  return restarted(from, atMs).changes
}

/** The situation in which no call waits. */
export function restarted(from: Situation, atMs: number): { to: Situation; changes: Changes } {
  if (!from.run.held) return { to: from, changes: {} }
  const { held, inDoubt: _, delegatesHeld: __, ...run } = from.run
  const task = { ...from.task, deadlineMs: from.task.deadlineMs + waitedMs(held, atMs) }
  const { to, rows } = change(from, { task, run: { ...run, heldMs: heldMs(from.run, atMs) } })
  const emit: Emit[] = releasedAbove(from, atMs)
  return { to, changes: merge({ rows, emit }, { timers: { [DEADLINE]: task.deadlineMs } }) }
}

function isAwaited(from: Situation, callId: string): boolean {
  if (from.run.phase === 'code') return callId.startsWith(`${requestId(from)}.`)
  return outstandingIds(from).includes(callId)
}
