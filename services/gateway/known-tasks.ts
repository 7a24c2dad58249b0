// Whether a task exists, so that a mistyped id is an error and not silence.
//
// 1. A task that this gateway accepted, or found before, is known without asking.
// 2. Others are looked up (operator/direct/tasks/tasks.ts). Known is also what can't be decided now.
import type { FastifyInstance } from 'fastify'
import type { DirectTasks } from '../../operator/direct/tasks/tasks.ts'
import { isTaskId } from '../../schemas/identity.ts'
import { keepNewest } from '../../runtime/keep-newest.ts'

/** Ids that are kept, about 100 bytes each. */
const MAX_KEPT = 20_000

type Tasks = Pick<DirectTasks, 'assertKnown'>

export class KnownTasks {
  readonly #tasks: Tasks
  readonly #kept = new Set<string>()

  constructor(tasks: Tasks) {
    this.#tasks = tasks
  }

  keep(taskId: string): void {
    this.#kept.add(taskId)
    keepNewest(this.#kept, MAX_KEPT)
  }

  /** Rejects with TASK_UNKNOWN. What can't be an id is the route's to refuse. */
  async assert(taskId: string): Promise<void> {
    if (this.#kept.has(taskId) || !isTaskId(taskId)) return
    await this.#tasks.assertKnown(taskId)
    this.keep(taskId)
  }
}

/** The log may have an old result; a stream of events asks itself, because it needs to know when its task ran. */
const asking: ReadonlySet<string> = new Set(['/v1/tasks/:id/result', '/v1/tasks/:id/events'])

/**
 * Routes below a task answer TASK_UNKNOWN, except those that find out themselves, and requests with `early`, which
 * come before the task.
 */
export function refuseUnknown(app: FastifyInstance, known: KnownTasks): void {
  app.addHook('preHandler', async ({ routeOptions, params, query }) => {
    const { url = '' } = routeOptions
    if ((query as { early?: unknown }).early === true) return
    if (url.startsWith('/v1/tasks/:id/') && !asking.has(url))
      await known.assert((params as { id: string }).id)
  })
}
