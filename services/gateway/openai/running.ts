// A request that holds its task: submits it, waits for it, and cancels it when the client leaves.
//
// 1. A slot is taken before the task is submitted, so that no task runs whose answer nobody could wait for.
// 2. If the client leaves before the answer, the task is cancelled, unless the request asks otherwise, or another one waits
//    for the same task (request-counts.ts).
import { randomUUIDv7 } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { LogClient } from '../../../client/log/client.ts'
import type { Positioned } from '../../../client/positions.ts'
import type { TaskInput, TaskResult, TaskUpdate } from '../../../client/types.ts'
import type { HttpSettings } from '../../../runtime/config/environment.ts'
import { OpenStreams } from '../../../runtime/host/open-streams.ts'
import type { Log } from '../../../runtime/telemetry/instruments.ts'
import type { RequestCounts } from '../request-counts.ts'
import type { Owners } from '../access/owners.ts'
import { principalOf } from '../access/principal.ts'
import { idempotencyKeyOf } from '../idempotency-key.ts'
import type { KnownTasks } from '../known-tasks.ts'
import type { SubmittedIds } from '../submitted-ids.ts'
import { clientOf } from '../access/principal.ts'
import { refuse } from './errors.ts'

/** Says what becomes of the task if the client leaves: `cancel` (default) or `continue`. */
const ON_DISCONNECT = 'flotilla-on-disconnect'
const TASK_ID = 'flotilla-task-id'

const PROBE_MS = 30_000

export interface RunningParts {
  readonly client: LogClient
  readonly known: KnownTasks
  readonly ids: SubmittedIds
  readonly owners: Owners
  readonly requestCounts: RequestCounts
  readonly settings: HttpSettings
  readonly logger: Log
}

type AgentTask = Omit<TaskInput, 'taskId'> & { readonly agent: string }
type Updates = AsyncIterableIterator<Positioned<TaskUpdate>>

/** A submitted task, held by its request. */
export interface Held {
  readonly taskId: string
  /** What happens to it, from its submission on; ends with its result, or when the client leaves. */
  readonly updates: Updates
  /** An answer begins to be sent: from now on a client that takes nothing is cut off. */
  answering(): void
  /** The answer is there: the task is no longer the client's to cancel. */
  finish(): void
}

interface Holding {
  readonly taskId: string
  readonly keeps: boolean
  readonly release: () => void
  /** Called once it is over; false: others wait for the task, too. */
  readonly left: () => boolean
}

export class Running {
  readonly parts: RunningParts
  readonly #open: OpenStreams

  constructor(parts: RunningParts) {
    this.parts = parts
    const { maxStreams, maxStreamsPerClient } = parts.settings
    this.#open = new OpenStreams({ total: maxStreams, perClient: maxStreamsPerClient })
  }

  /** Submits without holding: the task of a background response. */
  async submit(
    request: FastifyRequest,
    reply: FastifyReply,
    task: AgentTask,
    taskId = idOf(request),
  ): Promise<string> {
    const { client, known, ids, owners } = this.parts
    const publish = () => client.submit({ ...task, taskId })
    if (idempotencyKeyOf(request) === null) {
      await publish()
      owners.keep(taskId, { userId: task.userId ?? null, agent: task.agent })
    } else {
      await ids.submit({ taskId, text: task.text }, publish)
      // Whether it was repeated can't always be decided; the log has the submission that counts.
      await owners.assertOwnId(principalOf(request), taskId)
    }
    known.keep(taskId)
    reply.header(TASK_ID, taskId)
    return taskId
  }

  /** Submits and holds. `keep`: a client that leaves does not cancel the task. */
  async hold(request: FastifyRequest, reply: FastifyReply, task: AgentTask, keep = false): Promise<Held> {
    const keeps = keep || keepsRunning(request)
    const release = this.#open.take(clientOf(request))
    try {
      const taskId = idOf(request)
      const after = await this.parts.client.updatePositions(taskId)
      await this.submit(request, reply, task, taskId)
      return this.#held(request, reply, this.parts.client.positionedUpdates(taskId, after), {
        taskId,
        keeps,
        release,
        left: this.parts.requestCounts.join(taskId),
      })
    } catch (error) {
      release()
      throw error
    }
  }

  /** Follows a task that runs already. */
  follow(request: FastifyRequest, reply: FastifyReply, taskId: string): Held {
    const release = this.#open.take(clientOf(request))
    try {
      return this.#held(request, reply, this.parts.client.positionedUpdates(taskId), {
        taskId,
        keeps: true,
        release,
        left: () => false,
      })
    } catch (error) {
      release()
      throw error
    }
  }

  #held(
    { raw: { socket } }: FastifyRequest,
    reply: FastifyReply,
    updates: Updates & { return(): Promise<unknown> },
    { taskId, keeps, release, left }: Holding,
  ): Held {
    const { client, logger } = this.parts
    // A task may take longer than a silent connection may stay; a client that is gone is noticed by probes.
    const stillMs = socket.timeout ?? 0
    const answering = (): void => void socket.setTimeout(stillMs)
    socket.setTimeout(0)
    socket.setKeepAlive(true, PROBE_MS)
    let isOver = false
    const close = (isAnswered: boolean): void => {
      if (isOver) return
      isOver = true
      release()
      void updates.return().catch(() => {})
      const isLast = left()
      if (isAnswered || keeps || !isLast) return
      client.cancel(taskId, 'the client disconnected').catch((error: unknown) => {
        logger.warn({ err: error, taskId }, 'failed to cancel the task of a client that left; it continues')
      })
    }
    const onClose = (): void => close(false)
    if (reply.raw.destroyed) onClose()
    else reply.raw.once('close', onClose)
    return { taskId, updates, answering, finish: () => (answering(), close(true)) }
  }
}

const idOf = (request: FastifyRequest): string => idempotencyKeyOf(request) ?? randomUUIDv7()

function keepsRunning({ headers }: FastifyRequest): boolean {
  const wish = headers[ON_DISCONNECT] ?? 'cancel'
  if (wish !== 'cancel' && wish !== 'continue')
    throw refuse(null, `the header ${ON_DISCONNECT} must be cancel or continue`)
  return wish === 'continue'
}

/** The next update that is in the log; null if the client has left. */
export async function nextUpdate(updates: Updates): Promise<Exclude<TaskUpdate, { kind: 'text' }> | null> {
  for (;;) {
    const next = await updates.next()
    if (next.done === true) return null
    const { item } = next.value
    if (item.kind !== 'text') return item
  }
}

/** Null if the client has left. */
export async function resultOf({ updates }: Held): Promise<TaskResult | null> {
  for (;;) {
    const update = await nextUpdate(updates)
    if (update === null) return null
    if (update.kind === 'result') return update.result
  }
}
