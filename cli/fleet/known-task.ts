// Whether a task exists, where no gateway says so: a client on Kafka only writes to the log.
import { usingOperator } from '../../operator/connect.ts'
import { assertSameText, type TaskDetail } from '../../operator/direct/tasks/tasks.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { hasCode } from '../../runtime/errors.ts'

/** Rejects with TASK_UNKNOWN. What can't be found out, without the database for example, counts as known. */
export async function assertTask(taskId: string): Promise<void> {
  if (isOnLog()) await taskOf(taskId)
}

/** The same, also for a fleet behind a gateway: for commands that got nothing from it. */
export async function assertNotUnknown(taskId: string): Promise<void> {
  await taskOf(taskId)
}

export type Ending = Pick<TaskDetail, 'status' | 'errorCode'>

/** How the task ended; null if it is open, or if that can't be found out. Rejects with TASK_UNKNOWN. */
export async function endingOf(taskId: string): Promise<Ending | null> {
  const task = await taskOf(taskId)
  return task === null || task.completedAtMs === null ? null : task
}

/** Rejects with TASK_ID_REUSED if the id was used for another text. */
export async function assertUnused(taskId: string | undefined, text: string): Promise<void> {
  if (taskId === undefined || !isOnLog()) return
  const task = await taskOf(taskId).catch(() => null)
  if (task?.textHash != null) assertSameText(taskId, text, task.textHash)
}

function isOnLog(): boolean {
  const { kafkaBrokers, databaseUrl, raw } = readEnvironment(process.env)
  return kafkaBrokers.length > 0 && databaseUrl !== null && !raw['FLOTILLA_URL']
}

async function taskOf(taskId: string): Promise<TaskDetail | null> {
  try {
    return await usingOperator(({ tasks }) => tasks.get(taskId))
  } catch (error) {
    if (hasCode(error, 'TASK_UNKNOWN')) throw error
    return null
  }
}
