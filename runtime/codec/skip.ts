import { FlotillaError } from '../errors.ts'
import type { LogRecord } from '../log/port.ts'
import { omissionsNow } from '../omitted.ts'
import type { Codec, Decoded } from './port.ts'

/**
 * Null for a record that can't be decoded: on a topic that people read, it is garbage that somebody wrote there.
 * It is counted for the view that goes on without it. Other errors are thrown.
 */
export async function unlessUndecodable<T>(
  record: Pick<LogRecord, 'topic' | 'partition' | 'offset'>,
  decode: () => T | Promise<T>,
): Promise<T | null> {
  try {
    return await decode()
  } catch (error) {
    if (!(error instanceof FlotillaError) || error.code !== 'UNDECODABLE_RECORD') throw error
    omissionsNow()?.undecodable(record)
    return null
  }
}

/** The event of a record; null if its bytes are none. */
export const readable = (codec: Codec, record: LogRecord): Promise<Decoded | null> =>
  unlessUndecodable(record, () => codec.decode(record.value ?? new Uint8Array(), record.topic))
