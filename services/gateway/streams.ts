import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { tasks as routes } from '../../api/routes.ts'
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
import { serve, type RequestOf } from './routes/serve.ts'
import { clientOf, isRestricted, mayRead, principalOf, requireScope } from './access/principal.ts'
import { sendLines, type LineOptions } from './ndjson.ts'

/** A HEAD request gets no stream. */
export const noHead = { exposeHeadRoute: false }

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
    const onClose = open.take(clientOf(request))
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

  const updates = (request: RequestOf<typeof routes.updates>, reply: FastifyReply): Promise<FastifyReply> => {
    const { id } = request.params
    const begin: Begin = async () => {
      const after = positionsOf(request.query.after)
      reply.header(POSITIONS_HEADER, formatPositions(after ?? (await client.updatePositions(id))))
      return client.positionedUpdates(id, after)
    }
    return stream(request, reply, begin, { silentMs, lineOf: withPosition })
  }
  serve(app, routes.updates, updates, noHead)

  const results = (request: RequestOf<typeof routes.results>, reply: FastifyReply): Promise<FastifyReply> => {
    const { group, from: start } = request.query
    const after = positionsOf(request.query.after)
    const principal = principalOf(request)
    // It moves the group's positions, so no page of another site may request it by accident.
    if (group !== undefined) needsJson(request.headers)
    // A group's position is one for all its readers, whose results they are.
    if (group !== undefined && isRestricted(principal))
      requireScope(principal, 'tasks:read:all', 'a group of readers')
    if (group !== undefined)
      return stream(request, reply, async () => client.results({ group, from: start }), {})
    const begin: Begin = async () => {
      reply.header(POSITIONS_HEADER, formatPositions(after ?? (await client.resultPositions(start))))
      const results =
        start === 'latest' || after !== undefined
          ? client.liveResults(after)
          : client.positionedResults({ from: start })
      return isRestricted(principal)
        ? filtered(results, ({ item }) => mayRead(principal, item.userId))
        : results
    }
    return stream(request, reply, begin, { lineOf: withPosition })
  }
  serve(app, routes.results, results, noHead)
  return open
}

/** Ends at once when its reader leaves, also while it waits for the next item. */
function filtered<T>(
  items: AsyncIterableIterator<T>,
  isWanted: (item: T) => boolean,
): AsyncIterableIterator<T> {
  const next = async (): Promise<IteratorResult<T>> => {
    for (;;) {
      const step = await items.next()
      if (step.done === true || isWanted(step.value)) return step
    }
  }
  return {
    next,
    return: async () => (await items.return?.()) ?? { done: true, value: undefined },
    [Symbol.asyncIterator]() {
      return this
    },
  }
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
