import type { Codec, Decoded } from '../../runtime/codec/port.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import type { LogRecord } from '../../runtime/log/port.ts'

/** The event of a record; null if its bytes are none: somebody wrote them by mistake, and views go on without. */
export async function readable(codec: Codec, { value, topic }: LogRecord): Promise<Decoded | null> {
  try {
    return await codec.decode(value ?? new Uint8Array(), topic)
  } catch (error) {
    if (error instanceof FlotillaError && !error.retryable) return null
    throw error
  }
}
