// What a broker refuses, with the figures of Kafka's defaults.
import type { LaneCommit, OutgoingRecord } from '../port.ts'

/** `message.max.bytes` */
export const MAX_MESSAGE_BYTES = 1_048_588
/** `offset.metadata.max.bytes` */
const MAX_METADATA_BYTES = 4_096

/** Bytes of a record that a broker counts, without what the batch adds. */
function sizeOf({ key, value, headers }: OutgoingRecord): number {
  const named = Object.entries(headers).reduce(
    (sum, [name, text]) => sum + Buffer.byteLength(name) + Buffer.byteLength(text),
    0,
  )
  return (key === null ? 0 : Buffer.byteLength(key)) + (value?.length ?? 0) + named
}

/** Throws where the record is larger than the broker takes. */
export function checkRecord(record: OutgoingRecord): void {
  const bytes = sizeOf(record)
  if (bytes <= MAX_MESSAGE_BYTES) return
  throw new Error(
    `MESSAGE_TOO_LARGE: a record for ${record.topic} has ${bytes} bytes of ${MAX_MESSAGE_BYTES}`,
  )
}

/** Throws where a broker refuses a record or a position of the commit, and so all of it. */
export function checkCommit({ records, positions }: LaneCommit): void {
  for (const record of records) checkRecord(record)
  for (const { topic, metadata } of positions)
    if (metadata.length > MAX_METADATA_BYTES)
      throw new Error(`OFFSET_METADATA_TOO_LARGE: ${metadata.length} bytes beside the position in ${topic}`)
}
