// A streamed answer of a provider: server-sent events up to [DONE]. The package would read them too, at twice the processor time
// of a whole call.
import { createParser } from 'eventsource-parser'
import { MAX_REPLY_CHARS } from './model-client-reply.ts'

const MAX_BYTES = 16 * MAX_REPLY_CHARS

export interface EventSink {
  /** JSON of an event. */
  take(value: unknown): void
  /** What an error becomes that the provider sends in between. */
  failed(error: object): Error
}

/** Throws what `failed` gives, and a SyntaxError for what is no JSON. What follows [DONE] is the transport's. */
export async function readEvents(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  sink: EventSink,
): Promise<void> {
  let done = false
  const parser = createParser({
    onEvent: ({ event, data }) => {
      if (done || (done = data === '[DONE]')) return
      const value: unknown = JSON.parse(data)
      const error = errorIn(value) ?? (event === 'error' ? { message: data } : null)
      if (error) throw sink.failed(error)
      sink.take(value)
    },
  })
  const decoder = new TextDecoder()
  let bytes = 0
  for await (const part of body) {
    bytes += part.length
    if (bytes > MAX_BYTES) throw new SyntaxError('the answer does not end')
    parser.feed(decoder.decode(part, { stream: true }))
    if (done) return
  }
}

function errorIn(value: unknown): object | null {
  const error = typeof value === 'object' && value !== null && 'error' in value ? value.error : null
  return error ? (typeof error === 'object' ? error : { message: String(error) }) : null
}
