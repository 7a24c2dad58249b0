// Tasks that agents give to other agents. They are admitted like every other task, with three differences: no more time
// and money than the asking task gives, no place in the queue, and an end that answers the asking call.
//
// 1. Only a TaskDelegated makes one: a submission can't, whatever it says (`parent` is a label).
// 2. They run beside the task that waits for them, which has a slot. If they were queued, tasks that wait for each
//    other could fill the lanes.
// 3. Their submission is emitted like every other, for those who look for tasks. Read here, it is a duplicate.
import type { Emit, StageEvent } from '../../../runtime/stage.ts'
import type { AskedBy, TaskDelegated, TaskSubmitted } from '../../../schemas/generated/events.ts'
import { emptyTask } from '../../../schemas/task-fields.ts'

/** A submission, and the call that it answers, if an agent made it. */
export type Submitted = TaskSubmitted & {
  readonly asked?: { readonly by: AskedBy; readonly deadlineMs: number }
}

/** The submission that a delegated task comes to. */
function submissionOf(data: TaskDelegated): Submitted {
  const { taskId, askedBy, agent, text, userId, priority, maxCost, deadlineMs } = data
  const asked = { by: askedBy, deadlineMs }
  return { ...emptyTask, taskId, agent, text, userId, priority, maxCost, parent: askedBy.taskId, asked }
}

export type Submission = Extract<StageEvent, { type: 'TaskSubmitted' | 'TaskDelegated' }>

export const isSubmission = (event: StageEvent): event is Submission =>
  event.type === 'TaskSubmitted' || event.type === 'TaskDelegated'

/** A submission, or what a delegated task comes to. */
export function submittedBy(event: Submission): Submitted {
  if (event.type === 'TaskDelegated') return submissionOf(event.data)
  const given: Submitted = event.data
  if (given.asked === undefined) return given
  // Whatever was written there, nobody asked.
  const { asked: _, ...data } = given
  return data
}

/** The submission of a delegated task as others read it; nothing for a task that was submitted. */
export function submittedEvents(task: Submitted): Emit[] {
  if (task.asked === undefined) return []
  const { asked: _, ...data } = task
  return [{ topic: 'tasks.submitted', type: 'TaskSubmitted', data }]
}
