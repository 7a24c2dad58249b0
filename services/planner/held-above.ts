// Records for the task that asked for this one: while calls of this task wait for people, the call that asked waits too.
import type { HeldCalls } from '../../runtime/task/held-calls.ts'
import type { Emit } from '../../runtime/stage.ts'
import type { Situation } from './rows.ts'

/** For the first call that waits; nothing if nobody asked for the task. */
export const heldAbove = (from: Situation, held: HeldCalls): Emit[] => heldEvents(from, held, null)

/** Once none waits any more, because they were decided or the task ends; nothing if none did. */
export const releasedAbove = (from: Situation, atMs: number): Emit[] =>
  from.run.held ? heldEvents(from, from.run.held, atMs) : []

function heldEvents({ task }: Situation, { sinceMs }: HeldCalls, releasedAtMs: number | null): Emit[] {
  // Rows of tasks that an older version began lack it.
  if (!task.askedBy) return []
  const { taskId, callId } = task.askedBy
  const data = { taskId, callId, child: task.taskId, heldAtMs: sinceMs, releasedAtMs }
  return [{ topic: 'tools.completed', type: 'DelegationHeld', key: taskId, data }]
}
