// Whose a task is, and when it ran: asked once for each task, and kept while it is of use.
import type { TaskOrigin } from '../../../operator/direct/tasks.ts'
import { FlotillaError } from '../../../runtime/errors.ts'

/** Tasks that are kept, about 300 bytes each. */
const MAX_KEPT = 20_000

export class Origins {
  readonly #find: (taskId: string) => Promise<TaskOrigin>
  readonly #kept = new Map<string, Promise<TaskOrigin | null>>()

  /** `find` rejects with TASK_UNKNOWN. */
  constructor(find: (taskId: string) => Promise<TaskOrigin>) {
    this.#find = find
  }

  /** Rejects with TASK_UNKNOWN. A task that runs is asked for each time: it may have ended. */
  find(taskId: string): Promise<TaskOrigin> {
    return this.#find(taskId)
  }

  /** Null if nobody submitted it, as far as anyone knows. Its end may be missing. */
  of(taskId: string): Promise<TaskOrigin | null> {
    const kept = this.#kept.get(taskId)
    if (kept) return kept
    const found = this.#find(taskId).catch((error: unknown) => {
      this.#kept.delete(taskId)
      if (error instanceof FlotillaError && error.code === 'TASK_UNKNOWN') return null
      throw error
    })
    this.#kept.set(taskId, found)
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT) break
      this.#kept.delete(oldest)
    }
    return found
  }
}
