// Reads bodies in bounded memory, however many there are and in however small pieces they come: one buffer
// for each, because a list of pieces of one byte takes two hundred times their size.
import { isUtf8 } from 'node:buffer'
import type { Readable } from 'node:stream'
import { FlotillaError } from '../../errors.ts'

export interface BodyLimits {
  /** Limit of one body. */
  readonly bytes: number
  /** Limit of all large bodies that are being read. */
  readonly heldBytes: number
}

/** A body up to this size is not counted: connections bound their number, and large ones never block one. */
const SMALL_BYTES = 16_384
const AGAIN_MS = 5_000

export class Bodies {
  readonly #limits: BodyLimits
  /** Beyond SMALL_BYTES of each. */
  #heldBytes = 0

  constructor(limits: BodyLimits) {
    this.#limits = limits
  }

  /**
   * Rejects with 413 beyond the limit of one body, 400 if it breaks off or is no UTF-8, WORKER_BUSY beyond the limit of
   * all.
   */
  async read(payload: Readable): Promise<string> {
    let buffer: Buffer = Buffer.alloc(0)
    let length = 0
    const take = (piece: Buffer): void => {
      const needed = length + piece.length
      if (needed > this.#limits.bytes) throw withStatus(413, new Error('the body is too long'))
      this.#hold(large(needed) - large(length))
      if (needed > buffer.length) buffer = grown(buffer, Math.min(this.#limits.bytes, 2 * needed))
      piece.copy(buffer, length)
      length = needed
    }
    try {
      await eachPiece(payload, take)
      const bytes = buffer.subarray(0, length)
      // Decoded all the same, each wrong byte would become another character.
      if (!isUtf8(bytes)) throw new FlotillaError('REQUEST_INVALID', 'the body is not UTF-8')
      return bytes.toString('utf8')
    } catch (error) {
      throw withStatus(400, error as Error)
    } finally {
      this.#heldBytes -= large(length)
    }
  }

  #hold(bytes: number): void {
    if (bytes > 0 && this.#heldBytes + bytes > this.#limits.heldBytes) throw busy()
    this.#heldBytes += bytes
  }
}

function grown(buffer: Buffer, size: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(size)
  buffer.copy(larger)
  return larger
}

/** If `take` throws, the stream and its connection stay open, so that the client gets the error. */
function eachPiece(payload: Readable, take: (piece: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    if (payload.destroyed) return reject(brokeOff())
    const end = (error?: Error): void => {
      payload.off('data', onData).off('end', end).off('error', end).off('close', onClose)
      if (error) reject(error)
      else resolve()
    }
    const onData = (piece: Buffer): void => {
      try {
        take(piece)
      } catch (error) {
        payload.pause()
        end(error as Error)
      }
    }
    const onClose = (): void => end(brokeOff())
    payload.on('data', onData).on('end', end).on('error', end).on('close', onClose)
  })
}

const brokeOff = (): Error => new Error('the request broke off')
const large = (bytes: number): number => Math.max(0, bytes - SMALL_BYTES)

/** Adds the status unless the error has one. */
function withStatus(statusCode: number, error: Error & { statusCode?: number }): Error {
  if (error instanceof FlotillaError || error.statusCode !== undefined) return error
  return Object.assign(error, { statusCode })
}

function busy(): FlotillaError {
  const message = 'the bodies of other requests use all the memory that bodies may use'
  return new FlotillaError('WORKER_BUSY', message, { retryAfterMs: AGAIN_MS })
}
