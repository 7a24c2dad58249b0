// Server-sent events, as the HTML standard describes them.
import type { FastifyReply } from 'fastify'
import type { StreamedEvent } from '../../../client/types.ts'
import { sendLive, type Framing, type LiveOptions } from '../live-body.ts'

/** How long a browser waits before it connects again. */
const RETRY_MS = 1_000

const framing: Framing = {
  contentType: 'text/event-stream; charset=utf-8',
  opening: `retry: ${RETRY_MS}\n\n`,
  heartbeat: ': alive\n\n',
  item: (item) => {
    const { id, ...event } = item as StreamedEvent
    return frame(event, id)
  },
  error: (error) => frame({ type: 'stream.failed', ...error }, null),
}

/** JSON has no line breaks of its own, so it is one line of data. */
function frame(event: { readonly type: string }, id: string | null): string {
  return `${id === null ? '' : `id: ${id}\n`}event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

export function sendEvents(
  reply: FastifyReply,
  events: AsyncIterableIterator<StreamedEvent>,
  options: LiveOptions,
): FastifyReply {
  // nginx and others hold answers back without this.
  reply.header('cache-control', 'no-store').header('x-accel-buffering', 'no')
  return sendLive(reply, events, framing, options)
}
