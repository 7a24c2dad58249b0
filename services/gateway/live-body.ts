// The body of an answer that goes on: items as they come, in the framing of their format.
//
// 1. The next item is asked for when the reader has taken the one before, so a slow reader holds up nobody and
//    nothing accumulates here.
// 2. A reader that takes nothing for two heartbeats is gone or too slow, and is dropped.
import type { FastifyReply } from 'fastify'
import { Readable } from 'node:stream'
import { FlotillaError } from '../../runtime/errors.ts'
import { errorBody, type ErrorBody } from '../../runtime/host/http/errors.ts'
import { exactTime } from '../../runtime/text/quantities.ts'

export interface LiveOptions {
  /** Sent after this long without anything else. Milliseconds. */
  readonly heartbeatMs: number
  /** Ends the stream if no item comes for this long. Milliseconds; absent: it may stay silent. */
  readonly silentMs?: number
  /** Runs once, when the stream ends. */
  readonly onClose?: () => void
}

export interface Framing {
  readonly contentType: string
  /** Sent at once, so that the response begins however long the first item takes. */
  readonly opening: string
  readonly heartbeat: string
  readonly item: (item: unknown) => string
  readonly error: (error: ErrorBody) => string
}

/** If the reader leaves, the iteration ends at once; a failed iteration ends with its error. */
export function sendLive(
  reply: FastifyReply,
  items: AsyncIterableIterator<unknown>,
  framing: Framing,
  options: LiveOptions,
): FastifyReply {
  const body = new LiveBody(items, framing, options, () => reply.raw.destroy())
  // Fastify destroys the stream when the response breaks off; a client may also leave before the stream was
  // ever read.
  reply.raw.once('close', () => body.destroy())
  return reply.type(framing.contentType).send(body)
}

class LiveBody extends Readable {
  readonly #items: AsyncIterableIterator<unknown>
  readonly #framing: Framing
  readonly #options: LiveOptions
  readonly #drop: () => void
  readonly #heartbeat: NodeJS.Timeout
  readonly #silence: NodeJS.Timeout | null
  #isPulling = false
  #isOver = false
  #stalled = 0

  constructor(
    items: AsyncIterableIterator<unknown>,
    framing: Framing,
    options: LiveOptions,
    drop: () => void,
  ) {
    super({ highWaterMark: 1 })
    this.#items = items
    this.#framing = framing
    this.#options = options
    this.#drop = drop
    this.#heartbeat = setInterval(() => this.#beat(), options.heartbeatMs)
    const { silentMs } = options
    this.#silence = silentMs === undefined ? null : setTimeout(() => this.#end(silent(silentMs)), silentMs)
    this.push(framing.opening)
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
      else this.#item(value)
    } catch (error) {
      this.#end(error)
    }
  }

  #item(value: unknown): void {
    if (this.#silence) clearTimeout(this.#silence)
    this.#heartbeat.refresh()
    this.#stalled = 0
    this.#isPulling = false
    if (!this.#isOver) this.push(this.#framing.item(value))
  }

  /** Only if the reader keeps up: heartbeats must not accumulate. */
  #beat(): void {
    if (this.readableLength === 0) {
      this.#stalled = 0
      this.push(this.#framing.heartbeat)
    } else if (++this.#stalled >= 2) this.#drop()
  }

  #end(error?: unknown): void {
    if (this.#isOver) return
    this.#stop()
    if (error !== undefined) this.push(this.#framing.error(errorBody(error as Error)))
    this.push(null)
  }

  #stop(): void {
    this.#isOver = true
    clearInterval(this.#heartbeat)
    if (this.#silence) clearTimeout(this.#silence)
  }
}

function silent(afterMs: number): FlotillaError {
  return new FlotillaError('STREAM_SILENT', `no update of this task for ${exactTime(afterMs)}`)
}
