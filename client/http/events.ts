// Server-sent events of a gateway, one connection after another.
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import type { TaskEvent } from '../../api/task-events.ts'
import { errorTable, FlotillaError, type ErrorCode } from '../../runtime/errors.ts'
import type { StreamedEvent } from '../types.ts'
import { chunksOf, openLines, type Connection } from './lines.ts'

/** `connect` gives the events of the next connection, behind those before it. */
export function eventsFrom(path: string, query: URLSearchParams, after: string | undefined) {
  let last = after
  let isOver = false
  async function* connect({ gateway, connected, ...options }: Connection): AsyncGenerator<StreamedEvent> {
    const search = new URLSearchParams(query)
    if (last !== undefined) search.set('after', last)
    const accept = 'text/event-stream'
    const response = await openLines(gateway, `${path}?${search}`, { ...options, accept })
    connected()
    isOver = response.statusCode === 204
    const found: EventSourceMessage[] = []
    const parser = createParser({ onEvent: (message) => found.push(message) })
    for await (const chunk of chunksOf(response.setEncoding('utf8'), gateway, options.quietMs)) {
      parser.feed(chunk)
      for (const message of found.splice(0)) {
        const event = eventOf(message)
        // The reader has it once it asks for the next one; if it leaves instead, nobody goes on here.
        yield event
        last = event.id ?? last
      }
    }
  }
  return { connect, isOver: () => isOver }
}

/** Throws the error that the stream ended with. */
function eventOf({ id, data }: EventSourceMessage): StreamedEvent {
  const event = JSON.parse(data) as TaskEvent
  if (event.type !== 'stream.failed') return { ...event, id: id ?? null } as StreamedEvent
  const { code, message, retryAfterMs } = event
  const known = Object.hasOwn(errorTable, code) ? (code as ErrorCode) : 'INTERNAL'
  throw new FlotillaError(known, message, retryAfterMs === undefined ? {} : { retryAfterMs })
}
