import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { LogClient } from '../../client/log/client.ts'
import type { HttpSettings } from '../../runtime/config/environment.ts'
import {
  formatPositions,
  parsePositions,
  POSITIONS_HEADER,
  type Positioned,
  type Positions,
} from '../../client/positions.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { needsJson } from '../../runtime/host/http/guard.ts'
import { OpenStreams } from '../../runtime/host/open-streams.ts'
import { sendLines, type LineOptions } from './ndjson.ts'

/** A HEAD request gets no stream. */
export const noHead = { exposeHeadRoute: false }

type Query = { group?: string; from?: string; after?: string }
type Begin = () => Promise<AsyncIterableIterator<unknown>>

/**
 * Updates of one task, and results of all, as newline-delimited JSON. A reader whose connection broke goes on
 * with `after`: the header has the position at the beginning, each line that of its item. Returns the count of
 * open streams, for others.
 */
export function streamRoutes(app: FastifyInstance, client: LogClient, settings: HttpSettings): OpenStreams {
  const { heartbeatMs, silentMs, maxStreams, maxStreamsPerClient } = settings
  const open = new OpenStreams({ total: maxStreams, perClient: maxStreamsPerClient })
  const stream = async (
    request: FastifyRequest,
    reply: FastifyReply,
    begin: Begin,
    more: Pick<LineOptions, 'silentMs' | 'lineOf'>,
  ): Promise<FastifyReply> => {
    const onClose = open.take(request.ip)
    try {
      const items = await begin()
      if (!reply.raw.destroyed) return sendLines(reply, items, { heartbeatMs, onClose, ...more })
      await items.return?.()
    } catch (error) {
      onClose()
      throw error
    }
    onClose()
    return reply
  }

  app.get<{ Params: { id: string }; Querystring: Query }>(
    '/v1/tasks/:id/updates',
    noHead,
    (request, reply) => {
      const { id } = request.params
      const begin: Begin = async () => {
        const after = positionsOf(request.query.after)
        reply.header(POSITIONS_HEADER, formatPositions(after ?? (await client.updatePositions(id))))
        return client.positionedUpdates(id, after)
      }
      return stream(request, reply, begin, { silentMs, lineOf: withPosition })
    },
  )

  app.get<{ Querystring: Query }>('/v1/results', noHead, (request, reply) => {
    const { group, from } = request.query
    const start = startOf(from)
    const after = positionsOf(request.query.after)
    // It moves the group's positions, so no page of another site may request it by accident.
    if (group !== undefined) needsJson(request.headers)
    if (group !== undefined)
      return stream(request, reply, async () => client.results({ group, from: start }), {})
    const begin: Begin = async () => {
      reply.header(POSITIONS_HEADER, formatPositions(after ?? (await client.resultPositions(start))))
      if (start === 'latest' || after !== undefined) return client.liveResults(after)
      return client.positionedResults({ from: start })
    }
    return stream(request, reply, begin, { lineOf: withPosition })
  })
  return open
}

function withPosition(given: unknown): unknown {
  const { item, position } = given as Positioned<object>
  return position === null ? item : { ...item, position: `${position.partition}:${position.offset}` }
}

function positionsOf(after: string | undefined): Positions | undefined {
  const positions = after === undefined ? undefined : parsePositions(after)
  if (positions === null)
    throw new FlotillaError(
      'REQUEST_INVALID',
      'after must be positions such as 0:12,1:7, as a stream gave them',
    )
  return positions
}

function startOf(from: string | undefined): 'earliest' | 'latest' {
  if (from === undefined || from === 'latest') return 'latest'
  if (from === 'earliest') return from
  throw new FlotillaError('REQUEST_INVALID', 'from must be earliest or latest')
}
