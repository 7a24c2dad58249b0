// Names of tasks that agents delegate: their ids are hashes, their texts have marks.
import { mark } from '../../../runtime/scripted-model/exchange.ts'
import type { TaskDelegated } from '../../../schemas/generated/events.ts'
import { rowsOf, type TopicRecord } from '../evidence.ts'

export interface Delegations {
  /** By id of the delegated task; the first record of each. */
  readonly tasks: ReadonlyMap<string, TaskDelegated>
  /** The mark of any task: of one that was submitted, its id. */
  markOf(taskId: string): string
}

export async function delegationsIn(topics: string): Promise<Delegations> {
  const tasks = new Map<string, TaskDelegated>()
  for await (const { type, data } of rowsOf<TopicRecord>(topics))
    if (type === 'TaskDelegated' && !tasks.has(data.taskId)) tasks.set(data.taskId, data)
  return { tasks, markOf: (taskId) => mark(tasks.get(taskId)?.text ?? '', 'task') ?? taskId }
}
