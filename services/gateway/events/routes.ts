// GET /v1/tasks/:id/events and GET /v1/events: what happens to one task, and to all, as server-sent events.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { LogClient } from '../../../client/log/client.ts'
import { gone } from '../../../client/log/task-events.ts'
import { assertTaskId } from '../../../client/result.ts'
import type { StreamedEvent } from '../../../client/types.ts'
import type { TaskOrigin } from '../../../operator/direct/tasks.ts'
import type { HttpSettings } from '../../../runtime/config/environment.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import type { OpenStreams } from '../../../runtime/host/open-streams.ts'
import { shown } from '../../../schemas/identity.ts'
import { mayRead, principalOf, type Principal } from '../access/principal.ts'
import { noHead } from '../streams.ts'
import { feedFilter, type FeedParameters } from './filter.ts'
import { Origins } from './origins.ts'
import { sendEvents } from './sse.ts'

export interface EventParts {
  readonly client: LogClient
  /** Rejects with TASK_UNKNOWN. */
  readonly origin: (taskId: string) => Promise<TaskOrigin>
  /** Counted together with the other streams. */
  readonly open: OpenStreams
  readonly http: HttpSettings
}

type TaskQuery = { after?: string; early?: string }
type Begun = { readonly events: AsyncIterableIterator<StreamedEvent>; readonly silentMs?: number }

export function eventRoutes(app: FastifyInstance, { client, origin, open, http }: EventParts): void {
  const origins = new Origins(origin)
  const { taskEvents } = client

  /** Null: there is nothing more. */
  const stream = async (
    request: FastifyRequest,
    reply: FastifyReply,
    begin: () => Promise<Begun | null>,
  ): Promise<FastifyReply> => {
    const onClose = open.take(request.ip)
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

  app.get<{ Params: { id: string }; Querystring: TaskQuery }>(
    '/v1/tasks/:id/events',
    noHead,
    (request, reply) =>
      stream(request, reply, async () => {
        const { id } = request.params
        assertTaskId(id)
        const principal = principalOf(request)
        const after = lastIdOf(request, request.query.after)
        const onTooSlow = () => reply.raw.destroy()
        const found = await origin(id).catch((error: unknown) => unlessEarly(error, request.query, principal))
        if (found === null) {
          const check = async () => {
            const isReadable = mayRead(principal, null) || mayRead(principal, (await origin(id)).userId)
            if (!isReadable) throw unknown(id)
          }
          return { events: taskEvents.ofTask(id, { after, onTooSlow, check }), silentMs: http.silentMs }
        }
        if (!mayRead(principal, found.userId)) throw unknown(id)
        if (after !== undefined && (await taskEvents.isOver(id, after))) return null
        if (await taskEvents.isGone(id, found)) {
          if (after !== undefined) return null
          if ((await client.find(id)) === null) throw gone(id)
        }
        return { events: taskEvents.ofTask(id, { lifetime: found, after, onTooSlow }) }
      }),
  )

  app.get<{ Querystring: FeedParameters & { after?: string } }>('/v1/events', noHead, (request, reply) =>
    stream(request, reply, async () => {
      const wanted = feedFilter(request.query, principalOf(request), (taskId) => origins.of(taskId))
      const after = lastIdOf(request, request.query.after)
      return { events: taskEvents.ofAll({ after, wanted, onTooSlow: () => reply.raw.destroy() }) }
    }),
  )
}

/** A browser that connects again sends the header, beside the parameter that it began with. */
function lastIdOf({ headers }: FastifyRequest, after: string | undefined): string | undefined {
  const given = headers['last-event-id']
  const last = typeof given === 'string' && given !== '' ? given : after
  return last === '' ? undefined : last
}

/** Null: a task that is not submitted yet is followed, and one of which nothing can be found out now. */
function unlessEarly(error: unknown, { early }: TaskQuery, principal: Principal): null {
  const isUnknown = error instanceof FlotillaError && error.code === 'TASK_UNKNOWN'
  if (isUnknown ? early === 'true' : mayRead(principal, null)) return null
  throw error
}

/** As if there were none: who may not read a task does not learn that there is one. */
const unknown = (taskId: string): FlotillaError =>
  new FlotillaError('TASK_UNKNOWN', `there is no task ${shown(taskId)}`)
