// Whose a task is: asked once for each task, and kept while it is of use.
//
// Only the log says so: two users may have chosen the same id, and the first record of it counts, for the router as
// for the ledger.
import {
  reusedId,
  unknownTask,
  type DirectTasks,
  type TaskOrigin,
} from '../../../operator/direct/tasks/tasks.ts'
import { isRestricted, mayRead, type Principal } from './principal.ts'
import { keepNewest } from '../../../runtime/keep-newest.ts'

/** Tasks that are kept, about 300 bytes each. */
const MAX_KEPT = 20_000

export type Whose = Pick<TaskOrigin, 'userId' | 'agent'>

export class Owners {
  readonly #tasks: Pick<DirectTasks, 'origin'>
  readonly #kept = new Map<string, Promise<Whose>>()

  constructor(tasks: Pick<DirectTasks, 'origin'>) {
    this.#tasks = tasks
  }

  /** For an id that this gateway made itself. */
  keep(taskId: string, whose: Whose): void {
    this.#keep(taskId, Promise.resolve(whose))
  }

  /** Rejects with TASK_UNKNOWN; with a retryable error if it can't be found out now. */
  of(taskId: string): Promise<Whose> {
    const kept = this.#kept.get(taskId)
    if (kept) return kept
    const found = this.#tasks.origin(taskId).catch((error: unknown) => {
      this.#kept.delete(taskId)
      throw error
    })
    this.#keep(taskId, found)
    return found
  }

  /** Rejects with TASK_UNKNOWN unless the client may read the task, as if there were none. */
  async assertReadable(principal: Principal, taskId: string): Promise<void> {
    if (isRestricted(principal) && !mayRead(principal, (await this.of(taskId)).userId))
      throw unknownTask(taskId)
  }

  /** For an id that its client chose, once it is submitted. Rejects with TASK_ID_REUSED if another user chose it before. */
  async assertOwnId(principal: Principal, taskId: string): Promise<void> {
    if (isRestricted(principal) && !mayRead(principal, (await this.of(taskId)).userId)) throw reusedId(taskId)
  }

  #keep(taskId: string, whose: Promise<Whose>): void {
    this.#kept.set(taskId, whose)
    keepNewest(this.#kept, MAX_KEPT)
  }
}
