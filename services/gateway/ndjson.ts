import type { FastifyReply } from 'fastify'
import { sendLive, type LiveOptions } from './live-body.ts'

export interface LineOptions extends LiveOptions {
  /** What the line says of an item. Default: the item. */
  readonly lineOf?: (item: unknown) => unknown
}

const defaults: LineOptions = { heartbeatMs: 15_000 }

/**
 * Sends each item as a line of JSON as it comes, with empty lines as heartbeat, so that both sides notice when
 * the other has gone. A failed iteration ends with a line {"error": …}.
 */
export function sendLines(
  reply: FastifyReply,
  items: AsyncIterableIterator<unknown>,
  { lineOf = (item) => item, ...options }: LineOptions = defaults,
): FastifyReply {
  const framing = {
    contentType: 'application/x-ndjson',
    opening: '\n',
    heartbeat: '\n',
    item: (item: unknown) => `${JSON.stringify(lineOf(item))}\n`,
    error: (error: object) => `${JSON.stringify({ error })}\n`,
  }
  return sendLive(reply, items, framing, options)
}
