// Sends server-sent events whose frames are made elsewhere, with comments as heartbeat.
import type { FastifyReply } from 'fastify'
import { Readable } from 'node:stream'

export interface FrameOptions {
  readonly heartbeatMs: number
  /** The last frame of a stream that failed. */
  readonly failed: (error: unknown) => string
  /** Runs once, when the stream ends or the client leaves: ends what the frames wait for. */
  readonly onClose: () => void
}

/** The next frame is asked for when the client has taken the one before. */
export function sendFrames(
  reply: FastifyReply,
  frames: AsyncGenerator<string>,
  options: FrameOptions,
): FastifyReply {
  const stream = new Frames(frames, options)
  reply.raw.once('close', () => stream.destroy())
  return reply
    .header('cache-control', 'no-cache')
    .header('x-accel-buffering', 'no')
    .type('text/event-stream; charset=utf-8')
    .send(stream)
}

class Frames extends Readable {
  readonly #frames: AsyncGenerator<string>
  readonly #options: FrameOptions
  readonly #heartbeat: NodeJS.Timeout
  #isPulling = false
  #isOver = false

  constructor(frames: AsyncGenerator<string>, options: FrameOptions) {
    super({ highWaterMark: 1 })
    this.#frames = frames
    this.#options = options
    this.#heartbeat = setInterval(() => this.#beat(), options.heartbeatMs)
  }

  override _read(): void {
    if (!this.#isPulling) void this.#pull()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#isOver = true
    clearInterval(this.#heartbeat)
    // First: a frame may be waiting for what this ends.
    this.#options.onClose()
    this.#frames.return(undefined).then(
      () => done(error),
      (failed: Error) => done(error ?? failed),
    )
  }

  async #pull(): Promise<void> {
    this.#isPulling = true
    try {
      const { done, value } = await this.#frames.next()
      this.#isPulling = false
      if (this.#isOver) return
      this.push(done === true ? null : value)
    } catch (error) {
      if (this.#isOver) return
      this.push(this.#options.failed(error))
      this.push(null)
    }
  }

  /** Only if the client keeps up. */
  #beat(): void {
    if (!this.#isOver && this.readableLength === 0) this.push(': heartbeat\n\n')
  }
}
