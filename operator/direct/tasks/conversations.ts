// The submission of a turn of a session, with the conversation that its session gave it: without that, what was asked
// can't be asked again.
import type { TaskSubmitted } from '../../../schemas/generated/events.ts'
import { recordsOf, type RecordParts } from './records.ts'

/** As it was submitted, for any other task, and for one that was not admitted. */
export async function withConversation(
  parts: RecordParts,
  task: TaskSubmitted,
  taskId: string,
  submittedAtMs: number,
): Promise<TaskSubmitted> {
  if (task.sessionId === null || task.history !== null) return task
  const records = await recordsOf(parts, taskId, ['tasks.admitted'], submittedAtMs)
  for (const { event } of records)
    if (event.type === 'TaskAdmitted') return { ...task, history: event.data.history }
  return task
}
