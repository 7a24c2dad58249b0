// The result of a task that never reached the planner.
import type { Emit, Failure, StageEvent } from '../../runtime/stage.ts'
import { delegationEnded, noUsage, taskResult } from '../../runtime/task-result.ts'
import type { TaskAdmitted, TaskCompleted } from '../../schemas/generated/events.ts'
import type { Submitted } from './admission/delegated.ts'

/** Text kept in the result of a rejected task, which may be of any length. */
const MAX_TEXT_CHARS = 10_000

/** Only a task that was admitted has `askedBy`, only one that was not `asked`. */
type Described = Pick<Submitted, 'asked'> &
  Partial<Pick<TaskAdmitted, 'askedBy'>> &
  Pick<
    Submitted,
    | 'text'
    | 'userId'
    | 'agent'
    | 'profile'
    | 'mode'
    | 'sessionId'
    | 'parent'
    | 'forkedFrom'
    | 'forkedFromStep'
    | 'toolPolicy'
  >

/** `submittedAtMs`: needed if the event that ends the task is not its submission. */
export function endEvents(
  event: StageEvent,
  task: Described,
  status: TaskCompleted['status'],
  error: Failure,
  submittedAtMs: number = event.atMs,
): Emit[] {
  const { key: taskId, atMs } = event
  const text = task.text.slice(0, MAX_TEXT_CHARS)
  const data = taskResult(
    { ...task, text },
    {
      taskId,
      status,
      output: null,
      steps: [],
      usage: noUsage,
      executionTime: Math.max(0, atMs - submittedAtMs),
      model: null,
      modelReason: null,
      error,
      refusedCalls: null,
      childrenCost: null,
      traceId: event.traceId,
      submittedAtMs,
      completedAtMs: atMs,
    },
  )
  const detail = { status, code: error.code, message: error.message }
  return [
    { topic: 'tasks.completed', type: 'TaskCompleted', data },
    ...delegationEnded(task.askedBy ?? task.asked?.by ?? null, data),
    {
      topic: 'tasks.history',
      type: 'TaskProgressed',
      data: { taskId, stage: 'router', kind: 'completed', step: null, atMs, detail },
    },
  ]
}
