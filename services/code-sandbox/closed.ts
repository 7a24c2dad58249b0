// The end of a task: its session goes, and for a while nothing of it starts any more.
import type { Decision } from '../../runtime/stage.ts'
import type { TaskClosed } from '../../schemas/generated/events.ts'
import { discardCall } from './call.ts'
import type { SandboxRows, View } from './rows.ts'

/** The timer after which an end is no longer remembered. */
export const FORGET = 'forget'
/** How long after its deadline the end of a task is remembered: records may come late. */
const REMEMBER_MS = 600_000

export function closeTask(
  { taskId, status, deadlineMs }: TaskClosed,
  atMs: number,
  rows: View,
): Decision<SandboxRows> {
  const closed: Decision<SandboxRows> =
    status === 'succeeded'
      ? {}
      : {
          rows: { closed: { status } },
          timers: { [FORGET]: Math.max(atMs, deadlineMs ?? 0) + REMEMBER_MS },
        }
  return rows.session ? { ...closed, clear: true, call: discardCall(taskId) } : closed
}
