// Calls of the running step that wait for a person, in tools mode and in Python.
//
// 1. While one waits, the task has no deadline; released, it has as much time as it had left.
// 2. A record about a call that the step does not wait for changes nothing.
import { withHeld, withoutHeld } from '../../runtime/held-calls.ts'
import type { CallHeld, CallReleased } from '../../schemas/generated/events.ts'
import { fail } from './task-end.ts'
import { change, merge, type Changes, type Situation } from './rows.ts'
import { outstandingIds, requestId } from './step-replies.ts'

const DEADLINE = 'deadline'

export function holdCall(from: Situation, { callId, heldAtMs, why }: CallHeld): Changes {
  const { run } = from
  const isKnown = run.held?.ids.includes(callId) ?? false
  if (isKnown || !isAwaited(from, callId)) return {}
  const held = withHeld(run.held, callId, heldAtMs)
  const doubtful = why === 'doubt' ? { inDoubt: [...(run.inDoubt ?? []), callId] } : {}
  return { rows: { run: { ...run, held, ...doubtful } }, timers: { [DEADLINE]: null } }
}

export function releaseCall(from: Situation, { callId, atMs, failsTask }: CallReleased): Changes {
  const { run } = from
  if (!run.held?.ids.includes(callId)) return {}
  const left = withoutHeld(run.held, callId, atMs)
  if (failsTask) return fail(from, failsTask)
  if (left.held) return { rows: { run: { ...run, held: left.held } } }
  return restarted(from, atMs).changes
}

/** The situation in which no call waits. */
export function restarted(from: Situation, atMs: number): { to: Situation; changes: Changes } {
  const { held, inDoubt: _, ...run } = from.run
  if (!held) return { to: from, changes: {} }
  const byMs = Math.max(0, atMs - held.sinceMs)
  const task = { ...from.task, deadlineMs: from.task.deadlineMs + byMs }
  const { to, rows } = change(from, { task, run: { ...run, heldMs: (run.heldMs ?? 0) + byMs } })
  return { to, changes: merge({ rows }, { timers: { [DEADLINE]: task.deadlineMs } }) }
}

function isAwaited(from: Situation, callId: string): boolean {
  if (from.run.phase === 'code') return callId.startsWith(`${requestId(from)}.`)
  return outstandingIds(from).includes(callId)
}
