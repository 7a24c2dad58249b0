import type { FastifyReply } from 'fastify'
import { Readable } from 'node:stream'
import { FlotillaError } from '../../runtime/errors.ts'
import { errorBody } from '../../runtime/host/http/errors.ts'

export interface LineOptions {
  /** An empty line is sent after this long without another line. Milliseconds. */
  readonly heartbeatMs: number
  /** Ends the stream if no item comes for this long. Milliseconds; absent: it may stay silent. */
  readonly silentMs?: number
  /** What the line says of an item. Default: the item. */
  readonly lineOf?: (item: unknown) => unknown
  /** Runs once, when the stream ends. */
  readonly onClose?: () => void
}

const defaults: LineOptions = { heartbeatMs: 15_000 }

/**
 * Sends each item as a line of JSON as it comes, with empty lines as heartbeat, so that both sides notice
 * when the other has gone. The next item is asked for when the reader has taken the one before. If the reader
 * leaves, the iteration ends at once; a failed iteration ends with a line {"error": …}.
 */
export function sendLines(
  reply: FastifyReply,
  items: AsyncIterableIterator<unknown>,
  options: LineOptions = defaults,
): FastifyReply {
  const lines = new Lines(items, options)
  // Fastify destroys the stream when the response breaks off; a client may also leave before the stream was
  // ever read.
  reply.raw.once('close', () => lines.destroy())
  return reply.type('application/x-ndjson').send(lines)
}

class Lines extends Readable {
  readonly #items: AsyncIterableIterator<unknown>
  readonly #options: LineOptions
  readonly #heartbeat: NodeJS.Timeout
  readonly #silence: NodeJS.Timeout | null
  #isPulling = false
  #isOver = false

  constructor(items: AsyncIterableIterator<unknown>, options: LineOptions) {
    super({ highWaterMark: 1 })
    this.#items = items
    this.#options = options
    this.#heartbeat = setInterval(() => this.#beat(), options.heartbeatMs)
    const { silentMs } = options
    this.#silence = silentMs === undefined ? null : setTimeout(() => this.#end(silent(silentMs)), silentMs)
    // The response begins at once, however long the first item takes.
    this.push('\n')
  }

  override _read(): void {
    if (!this.#isPulling) void this.#pull()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#stop()
    this.#options.onClose?.()
    const left = this.#items.return?.() ?? Promise.resolve()
    left.then(
      () => done(error),
      (failed: Error) => done(error ?? failed),
    )
  }

  async #pull(): Promise<void> {
    this.#isPulling = true
    try {
      const { done, value } = await this.#items.next()
      if (done === true) this.#end()
      else this.#line(value)
    } catch (error) {
      this.#end(error)
    }
  }

  #line(value: unknown): void {
    if (this.#silence) clearTimeout(this.#silence)
    this.#heartbeat.refresh()
    this.#isPulling = false
    const { lineOf = (item: unknown) => item } = this.#options
    if (!this.#isOver) this.push(`${JSON.stringify(lineOf(value))}\n`)
  }

  /** Only if the reader keeps up: empty lines must not accumulate. */
  #beat(): void {
    if (this.readableLength === 0) this.push('\n')
  }

  #end(error?: unknown): void {
    if (this.#isOver) return
    this.#stop()
    if (error !== undefined) this.push(`${JSON.stringify({ error: errorBody(error as Error) })}\n`)
    this.push(null)
  }

  #stop(): void {
    this.#isOver = true
    clearInterval(this.#heartbeat)
    if (this.#silence) clearTimeout(this.#silence)
  }
}

function silent(afterMs: number): FlotillaError {
  return new FlotillaError('STREAM_SILENT', `no update of this task for ${afterMs} ms`)
}
