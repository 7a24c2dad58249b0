// Reads of a topic from its end, which is what views of operators are about. A view reads a bounded number of
// records, and goes on without what can't be decoded.
import type { Codec, Decoded } from '../../runtime/codec/port.ts'
import type { Log, LogRecord, PartitionRange } from '../../runtime/log/port.ts'
import type { TopicName } from '../../schemas/topics.ts'
import { readable } from './readable.ts'

export interface BackwardOptions {
  /** Records of one read. */
  readonly page: number
  /** Records in all, rounded up to a page. */
  readonly most: number
}

/** Records of a partition, the newest first. */
export async function* backwards(
  log: Log,
  { topic, partition, earliest, next }: PartitionRange,
  { page, most }: BackwardOptions,
): AsyncGenerator<LogRecord> {
  for (let end = next; end > earliest && next - end < most;) {
    const from = Math.max(earliest, end - page)
    const records = await log.read(topic, partition, from, end - from)
    yield* records.filter(({ offset }) => offset >= from && offset < end).toReversed()
    end = from
  }
}

/** Events at the end of each partition, `most` of each: in the order of their partition. */
export async function latestEvents(
  { log, codec }: { log: Log; codec: Codec },
  topic: TopicName,
  most: number,
): Promise<Decoded[]> {
  const events: Decoded[] = []
  for (const { partition, earliest, next } of await log.ranges([topic]))
    for (const record of await log.read(topic, partition, Math.max(earliest, next - most), most)) {
      const event = await readable(codec, record)
      if (event) events.push(event)
    }
  return events
}
