// Calls of the running step that wait for a person, or for a task that does. Its Python is paused at them for as long as it takes.
import { withHeld, withoutHeld } from '../../runtime/task/held-calls.ts'
import type { Decision } from '../../runtime/stage.ts'
import type { CallHeld, CallReleased, DelegationHeld } from '../../schemas/generated/events.ts'
import { callIdOf } from './events.ts'
import type { ActiveRow, SandboxRows } from './rows.ts'

/** The timer after which the interpreter of a step that waits for a person is given back. */
export const EVICT = 'evict'
/** Somebody who is looking answers within it, and the session is not rebuilt. */
const EVICT_AFTER_MS = 30_000

type Decided = Decision<SandboxRows>

export function holdCall(
  { callId, heldAtMs }: Pick<CallHeld, 'callId' | 'heldAtMs'>,
  atMs: number,
  active: ActiveRow | undefined,
): Decided {
  if (!active || !isPending(active, callId)) return {}
  const held = withHeld(active.held, callId, heldAtMs)
  if (held === active.held) return {}
  return { rows: { active: { ...active, held } }, timers: { [EVICT]: atMs + EVICT_AFTER_MS } }
}

export function releaseCall(
  { callId, atMs }: Pick<CallReleased, 'callId' | 'atMs'>,
  active: ActiveRow | undefined,
): Decided {
  if (!active?.held?.ids.includes(callId)) return {}
  const { held, ...rest } = active
  const left = withoutHeld(held, callId, atMs)
  if (left.held) return { rows: { active: { ...rest, held: left.held } } }
  return {
    rows: { active: { ...rest, deadlineMs: active.deadlineMs + left.byMs } },
    timers: { [EVICT]: null },
  }
}

/** The task that a call became waits for people, or goes on. */
export const followDelegation = (
  { callId, heldAtMs, releasedAtMs }: DelegationHeld,
  atMs: number,
  active: ActiveRow | undefined,
): Decided =>
  releasedAtMs === null
    ? holdCall({ callId, heldAtMs }, atMs, active)
    : releaseCall({ callId, atMs: releasedAtMs }, active)

const isPending = ({ requestId, pending }: ActiveRow, callId: string): boolean =>
  pending.some((seq) => callIdOf(requestId, seq) === callId)
