// Reads of a topic from its end, which is what views of operators are about. A view reads a bounded number of
// records, and goes on without what can't be decoded; what it omits is counted for the one who looks.
import type { Codec, Decoded } from '../../runtime/codec/port.ts'
import type { Log, LogRecord, PartitionRange } from '../../runtime/log/port.ts'
import { omissionsNow } from '../../runtime/omitted.ts'
import type { TopicName } from '../../schemas/topics.ts'
import { readable } from '../../runtime/codec/skip.ts'

export interface BackwardOptions {
  /** Records of one read. */
  readonly page: number
  /** Records in all, rounded up to a page. */
  readonly most: number
  /** The view is whole if it reads back to here: younger records beyond the bound count as omitted. */
  readonly sinceMs?: number
}

/** Records of a partition, the newest first. */
export async function* backwards(
  log: Log,
  { topic, partition, earliest, next }: PartitionRange,
  { page, most, sinceMs }: BackwardOptions,
): AsyncGenerator<LogRecord> {
  let end = next
  let oldestMs = Infinity
  while (end > earliest && next - end < most) {
    const from = Math.max(earliest, end - page)
    const limit = end
    const records = await log.read(topic, partition, from, limit - from)
    const own = records.filter(({ offset }) => offset >= from && offset < limit)
    oldestMs = own[0]?.timestampMs ?? oldestMs
    yield* own.toReversed()
    end = from
  }
  if (end > earliest && sinceMs !== undefined && oldestMs >= sinceMs)
    omissionsNow()?.unread({ topic, partition }, end - earliest)
}

export interface LatestOptions {
  /** Records of each partition. */
  readonly most: number
  /** As of `backwards`. */
  readonly sinceMs: number
}

/** Events at the end of each partition: in the order of their partition, and in it oldest first. */
export async function latestEvents(
  { log, codec }: { log: Log; codec: Codec },
  topic: TopicName,
  { most, sinceMs }: LatestOptions,
): Promise<Decoded[]> {
  const events: Decoded[] = []
  for (const range of await log.ranges([topic])) {
    const own: Decoded[] = []
    for await (const record of backwards(log, range, { page: most, most, sinceMs })) {
      const event = await readable(codec, record)
      if (event) own.push(event)
    }
    events.push(...own.reverse())
  }
  return events
}
