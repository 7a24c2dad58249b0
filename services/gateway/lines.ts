import type { FastifyReply } from 'fastify'
import { Readable } from 'node:stream'

/** Sends each item as a line of JSON as it comes. The reader going away ends the iteration. */
export function sendLines(reply: FastifyReply, items: AsyncIterable<unknown>): FastifyReply {
  const lines = Readable.from(toLines(items), { objectMode: false, highWaterMark: 1 })
  return reply.type('application/x-ndjson').send(lines)
}

async function* toLines(items: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const item of items) yield `${JSON.stringify(item)}\n`
}
