// Ids of tasks that name none.
import { randomUUIDv7 } from 'node:crypto'
import { homeOf } from '../../runtime/log/home.ts'

const MOST_TRIES_A_PARTITION = 50

/** A task of a session gets an id in the lane of its session: the tasks of one client then come in their order. */
export function newTaskId(sessionId: unknown, partitions: number): string {
  let taskId = randomUUIDv7()
  if (typeof sessionId !== 'string') return taskId
  const home = homeOf(sessionId, partitions)
  for (
    let left = MOST_TRIES_A_PARTITION * partitions;
    left > 0 && homeOf(taskId, partitions) !== home;
    left--
  )
    taskId = randomUUIDv7()
  return taskId
}
