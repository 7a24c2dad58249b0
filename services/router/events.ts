// The result of a task that never reached the planner.
import type { Emit, Failure, Json, StageEvent } from '../../runtime/stage.ts'
import { delegationEnded, noUsage, taskResult, type Asked } from '../../runtime/task/result.ts'
import type { TaskAdmitted, TaskCompleted } from '../../schemas/generated/events.ts'
import type { Submitted } from './admission/delegated.ts'

/** Text kept in the result of a rejected task, which may be of any length. */
const MAX_TEXT_CHARS = 10_000

/** Only a task that was admitted has `askedBy`, only one that was not `asked`. */
type Described = Asked & Pick<Submitted, 'asked'> & Partial<Pick<TaskAdmitted, 'askedBy'>>

/** `submittedAtMs`: needed if the event that ends the task is not its submission. */
export function endEvents(
  event: StageEvent,
  task: Described,
  status: TaskCompleted['status'],
  error: Failure | null,
  submittedAtMs: number = event.atMs,
  answer: { output: Json; modelReason: string | null } = { output: null, modelReason: null },
): Emit[] {
  const { key: taskId, atMs } = event
  const text = task.text.slice(0, MAX_TEXT_CHARS)
  const data = taskResult(
    { ...task, text },
    {
      taskId,
      status,
      output: answer.output,
      steps: [],
      usage: noUsage,
      executionTime: Math.max(0, atMs - submittedAtMs),
      model: null,
      modelReason: answer.modelReason,
      error,
      refusedCalls: null,
      childrenCost: null,
      traceId: event.traceId,
      submittedAtMs,
      completedAtMs: atMs,
    },
  )
  const detail = { status, code: error?.code ?? null, message: error?.message ?? null }
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
