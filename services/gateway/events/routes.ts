// GET /v1/tasks/:id/events and GET /v1/events: what happens to one task, and to all, as server-sent events.
import { events as routes } from '../../../api/routes.ts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { LogClient } from '../../../client/log/client.ts'
import { gone } from '../../../client/log/task-events.ts'
import { assertTaskId } from '../../../client/result.ts'
import type { StreamedEvent } from '../../../client/types.ts'
import { unknownTask, type DirectTasks } from '../../../operator/direct/tasks/tasks.ts'
import type { HttpSettings } from '../../../runtime/config/environment.ts'
import { hasCode } from '../../../runtime/errors.ts'
import type { OpenStreams } from '../../../runtime/host/open-streams.ts'
import type { Owners, Whose } from '../access/owners.ts'
import { clientOf, mayRead, principalOf, type Principal } from '../access/principal.ts'
import { serve } from '../routes/serve.ts'
import { noHead } from '../streams.ts'
import { feedFilter } from './filter.ts'
import { sendEvents } from './sse.ts'

export interface EventParts {
  readonly client: LogClient
  readonly tasks: Pick<DirectTasks, 'origin'>
  readonly owners: Owners
  /** Counted together with the other streams. */
  readonly open: OpenStreams
  readonly http: HttpSettings
}

type TaskQuery = { readonly early?: boolean }
type Begun = { readonly events: AsyncIterableIterator<StreamedEvent>; readonly silentMs?: number }

export function eventRoutes(app: FastifyInstance, parts: EventParts): void {
  const { client, tasks, owners, open, http } = parts
  const { taskEvents } = client

  /** Null: there is nothing more. */
  const stream = async (
    request: FastifyRequest,
    reply: FastifyReply,
    begin: () => Promise<Begun | null>,
  ): Promise<FastifyReply> => {
    const onClose = open.take(clientOf(request))
    try {
      const begun = await begin()
      const { events, ...more } = begun ?? {}
      if (events && !reply.raw.destroyed)
        return sendEvents(reply, events, { heartbeatMs: http.heartbeatMs, onClose, ...more })
      await events?.return?.()
      onClose()
      // A browser that is answered 204 stops asking.
      return begun === null ? reply.code(204).send() : reply
    } catch (error) {
      onClose()
      throw error
    }
  }

  serve(
    app,
    routes.ofTask,
    (request, reply) =>
      stream(request, reply, async () => {
        const { id } = request.params
        assertTaskId(id)
        const principal = principalOf(request)
        const after = lastIdOf(request, request.query.after)
        const onTooSlow = () => reply.raw.destroy()
        const found = await tasks
          .origin(id)
          .catch((error: unknown) => unlessEarly(error, request.query, principal))
        if (found === null) {
          const check = async () => {
            const isReadable = mayRead(principal, null) || mayRead(principal, (await tasks.origin(id)).userId)
            if (!isReadable) throw unknownTask(id)
          }
          return { events: taskEvents.ofTask(id, { after, onTooSlow, check }), silentMs: http.silentMs }
        }
        if (!mayRead(principal, found.userId)) throw unknownTask(id)
        if (after !== undefined && (await taskEvents.isOver(id, after))) return null
        if (await taskEvents.isGone(id, found)) {
          if (after !== undefined) return null
          if ((await client.find(id)) === null) throw gone(id)
        }
        return { events: taskEvents.ofTask(id, { lifetime: found, after, onTooSlow }) }
      }),
    noHead,
  )

  serve(
    app,
    routes.ofAll,
    (request, reply) =>
      stream(request, reply, async () => {
        const wanted = feedFilter(request.query, principalOf(request), (taskId) => ofKnown(owners, taskId))
        const after = lastIdOf(request, request.query.after)
        return { events: taskEvents.ofAll({ after, wanted, onTooSlow: () => reply.raw.destroy() }) }
      }),
    noHead,
  )
}

/** A browser that connects again sends the header, beside the parameter that it began with. */
function lastIdOf(
  { headers }: Pick<FastifyRequest, 'headers'>,
  after: string | undefined,
): string | undefined {
  const given = headers['last-event-id']
  const last = typeof given === 'string' && given !== '' ? given : after
  return last === '' ? undefined : last
}

/** Null: a task that is not submitted yet is followed, and one of which nothing can be found out now. */
function unlessEarly(error: unknown, { early }: TaskQuery, principal: Principal): null {
  if (isUnknown(error) ? early === true : mayRead(principal, null)) return null
  throw error
}

const isUnknown = (error: unknown): boolean => hasCode(error, 'TASK_UNKNOWN')

/** Null if nobody submitted it, as far as anyone knows. */
function ofKnown(owners: Owners, taskId: string): Promise<Whose | null> {
  return owners.of(taskId).catch((error: unknown) => {
    if (isUnknown(error)) return null
    throw error
  })
}
