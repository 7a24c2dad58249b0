import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { LogClient } from '../../client/log/client.ts'
import type { HttpSettings } from '../../runtime/config/environment.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { needsJson } from '../../runtime/host/http/guard.ts'
import { OpenStreams } from '../../runtime/host/open-streams.ts'
import { sendLines } from './ndjson.ts'

/** A HEAD request gets no stream. */
const noHead = { exposeHeadRoute: false }

type Query = { group?: string; from?: string }

/** Updates of one task, and results of all, as newline-delimited JSON. */
export function streamRoutes(app: FastifyInstance, client: LogClient, settings: HttpSettings): void {
  const { heartbeatMs, silentMs, maxStreams, maxStreamsPerClient } = settings
  const open = new OpenStreams({ total: maxStreams, perClient: maxStreamsPerClient })
  const stream = (
    request: FastifyRequest,
    reply: FastifyReply,
    begin: () => AsyncIterableIterator<unknown>,
    more: { silentMs?: number } = {},
  ): FastifyReply => {
    const onClose = open.take(request.ip)
    try {
      return sendLines(reply, begin(), { heartbeatMs, onClose, ...more })
    } catch (error) {
      onClose()
      throw error
    }
  }

  app.get<{ Params: { id: string } }>('/v1/tasks/:id/updates', noHead, (request, reply) =>
    stream(request, reply, () => client.watch(request.params.id), { silentMs }),
  )

  app.get<{ Querystring: Query }>('/v1/results', noHead, (request, reply) => {
    const { group, from } = request.query
    const start = startOf(from)
    // It moves the group's positions, so no page of another site may request it by accident.
    if (group !== undefined) needsJson(request.headers)
    return stream(request, reply, () => {
      if (group !== undefined) return client.results({ group, from: start })
      return start === 'latest' ? client.liveResults() : client.results({ from: start })
    })
  })
}

function startOf(from: string | undefined): 'earliest' | 'latest' {
  if (from === undefined || from === 'latest') return 'latest'
  if (from === 'earliest') return from
  throw new FlotillaError('REQUEST_INVALID', 'from must be earliest or latest')
}
