import type { DirectTasks } from '../../../operator/direct/tasks.ts'

/** Owners that are kept, about 150 bytes each. */
const MAX_KEPT = 20_000

/**
 * Whose a task is. Only the log says so: two users may have chosen the same id, and the first record of it counts,
 * for the router as for the ledger.
 */
export class Owners {
  readonly #tasks: Pick<DirectTasks, 'ownerOf'>
  readonly #kept = new Map<string, string | null>()

  constructor(tasks: Pick<DirectTasks, 'ownerOf'>) {
    this.#tasks = tasks
  }

  /** For an id that this gateway made itself. */
  keep(taskId: string, userId: string | null): void {
    this.#kept.set(taskId, userId)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > MAX_KEPT && oldest !== undefined) this.#kept.delete(oldest)
  }

  /** Rejects with TASK_UNKNOWN; with a retryable error if it can't be found out now. */
  async of(taskId: string): Promise<string | null> {
    const kept = this.#kept.get(taskId)
    if (kept !== undefined) return kept
    const owner = await this.#tasks.ownerOf(taskId)
    this.keep(taskId, owner)
    return owner
  }
}
