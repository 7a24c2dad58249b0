import type { Codec, Decoded } from '../../runtime/codec/port.ts'
import { unlessUndecodable } from '../../runtime/codec/skip.ts'
import type { LogRecord } from '../../runtime/log/port.ts'

/** The event of a record; null if its bytes are none: somebody wrote them by mistake, and views go on without. */
export function readable(codec: Codec, record: LogRecord): Promise<Decoded | null> {
  return unlessUndecodable(record, () => codec.decode(record.value ?? new Uint8Array(), record.topic))
}
