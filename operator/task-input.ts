// What the sender of a task gave, for another task like it.
import type { TaskInput } from '../client/types.ts'
import type { TaskSubmitted } from '../schemas/generated/events.ts'

/** Without its id, its origin, and its recording. */
export function taskInput(task: TaskSubmitted): TaskInput {
  const { taskId: _id, recording: _recording, forkedFrom: _from, forkedFromStep: _step, ...rest } = task
  const named = Object.entries(rest).filter(([, value]) => value !== null)
  return Object.fromEntries(named) as unknown as TaskInput
}
