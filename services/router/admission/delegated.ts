// Tasks that agents give to other agents. They are admitted as any other task is, with three differences: no more time
// and money than the asking task gives, no place in the queue, and an end that answers the asking call.
//
// 1. Only a TaskDelegated makes one: a submission can't, whatever it says (`parent` is a label).
// 2. They run beside the task that waits for them, which has a slot. If they were queued, tasks that wait for each
//    other could fill the lanes.
// 3. Their submission is emitted as any other, for those who look for tasks. Read here, it is a duplicate.
import type { Emit, StageEvent } from '../../../runtime/stage.ts'
import type { AskedBy, TaskDelegated, TaskSubmitted } from '../../../schemas/generated/events.ts'
import { emptyTask } from '../../../schemas/task-fields.ts'

/** A submission, and the call that it answers, if an agent made it. */
export type Submitted = TaskSubmitted & {
  readonly asked?: { readonly by: AskedBy; readonly deadlineMs: number }
}

/** The submission that a delegated task comes to. */
export function submissionOf(data: TaskDelegated): Submitted {
  const { taskId, askedBy, agent, text, userId, priority, maxCost, deadlineMs } = data
  const asked = { by: askedBy, deadlineMs }
  return { ...emptyTask, taskId, agent, text, userId, priority, maxCost, parent: askedBy.taskId, asked }
}

/** A submission, or what comes to one; null for every other event. */
export function submittedBy(event: StageEvent): Submitted | null {
  if (event.type === 'TaskSubmitted') return event.data
  return event.type === 'TaskDelegated' ? submissionOf(event.data) : null
}

/** The submission of a delegated task as others read it; nothing for a task that was submitted. */
export function submittedEvents({ asked, ...data }: Submitted): Emit[] {
  return asked === undefined ? [] : [{ topic: 'tasks.submitted', type: 'TaskSubmitted', data }]
}
