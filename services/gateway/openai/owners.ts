// Whether a client may have a task: a user has their own.
import type { FastifyRequest } from 'fastify'
import type { DirectTasks } from '../../../operator/direct/tasks.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { shown } from '../../../schemas/identity.ts'
import { mayRead, principalOf } from '../access/principal.ts'

export class Owners {
  readonly #tasks: Pick<DirectTasks, 'get'>

  constructor(tasks: Pick<DirectTasks, 'get'>) {
    this.#tasks = tasks
  }

  /**
   * Rejects with TASK_UNKNOWN, as for a task that does not exist, unless the client may read it. `result`: says
   * whose it is without a look into the ledger.
   */
  async assertMine(
    request: FastifyRequest,
    taskId: string,
    result: { readonly userId: string | null } | null = null,
  ): Promise<void> {
    const principal = principalOf(request)
    if (principal.userId === null || principal.scopes.has('tasks:read:all')) return
    const { userId } = result ?? (await this.#tasks.get(taskId))
    if (!mayRead(principal, userId))
      throw new FlotillaError('TASK_UNKNOWN', `there is no task ${shown(taskId)}`)
  }
}
