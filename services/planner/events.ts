import type { Emit, Json } from '../../runtime/stage.ts'
import type { TaskProgressed } from '../../schemas/generated/events.ts'
import type { Situation } from './rows.ts'

/** One line of the task's history. */
export function progressEvent(from: Situation, kind: TaskProgressed['kind'], detail: Json): Emit {
  const { task, run, atMs } = from
  return {
    topic: 'tasks.history',
    type: 'TaskProgressed',
    data: { taskId: task.taskId, stage: 'planner', kind, step: run.step, atMs, detail },
  }
}
