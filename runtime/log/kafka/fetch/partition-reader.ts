// Bounded, group-less reads of one partition, read_committed: for restoring a lane's rows and for operators.
import type { FetchedPartition, RawMessage } from '../connection/client.ts'
import { fetchOnce, type FetchLimits } from './request.ts'
import { committedMessages } from './read-committed.ts'
import { errorType } from '../errors.ts'
import type { Link } from '../connection/link.ts'

export const MAX_PARTITION_BYTES = 1_048_576
export const MAX_FETCH_BYTES = 10_485_760
const READ_LIMITS: FetchLimits = {
  maxWaitMs: 20,
  minBytes: 1,
  maxBytes: MAX_FETCH_BYTES,
  partitionBytes: MAX_PARTITION_BYTES,
}

export interface ReadRange {
  readonly topic: string
  readonly partition: number
  readonly from: number
  /** Reading ends before this offset; null: at the end of the records written when it begins. */
  readonly until: number | null
  /** How long reading may stall. While it makes progress, however slowly, it goes on. */
  readonly withinMs: number
  /** How long reading may stall before it ends with what it has. Absent: it goes on for `withinMs`. */
  readonly patienceMs?: number
}

/**
 * Calls `take` with each committed record of the range, oldest first, until it returns false. Records that
 * retention removed are skipped. Rejects when it stalls for too long, unless patience ends first.
 */
export async function readRange(
  link: Link,
  range: ReadRange,
  take: (message: RawMessage) => boolean,
): Promise<void> {
  const { topic, partition } = range
  let { until } = range
  let movedAt = performance.now()
  await link.know([topic])
  for (let offset = range.from; until === null || offset < until;) {
    const now = performance.now()
    if (now - movedAt > (range.patienceMs ?? Infinity)) return
    if (now - movedAt > range.withinMs)
      throw new Error(`reading ${topic}[${partition}] stopped at ${offset}, before ${until}`)
    const withinMs = Math.max(1, movedAt + range.withinMs - now)
    const fetched = await link.attempt(() => fetchFrom(link, topic, partition, offset), { withinMs })
    if (fetched === 'out of range') {
      const ask = (): Promise<Bounds[]> => boundsOf(link, topic, [partition])
      const [bounds] = await link.attempt(ask, { withinMs })
      if (range.until === null && (bounds?.earliest ?? 0) <= offset) return
      if (bounds === undefined || bounds.earliest <= offset)
        throw new Error(`${topic}[${partition}] ends before ${offset}: the broker has lost records`)
      offset = bounds.earliest
      continue
    }
    until ??= Number(fetched.highWatermark)
    const { messages, nextOffset } = committedMessages(fetched, offset)
    for (const message of messages) if (Number(message.offset) >= until || !take(message)) return
    if (nextOffset > offset) movedAt = performance.now()
    offset = nextOffset
  }
}

async function fetchFrom(
  link: Link,
  topic: string,
  partition: number,
  offset: number,
): Promise<FetchedPartition | 'out of range'> {
  const broker = await link.cluster.findBroker({ nodeId: link.leaderOf(topic, partition) })
  try {
    return await fetchOnce(broker, { topic, partition, offset }, READ_LIMITS)
  } catch (error) {
    if (errorType(error) === 'OFFSET_OUT_OF_RANGE') return 'out of range'
    throw error
  }
}

export interface Bounds {
  readonly partition: number
  readonly earliest: number
  /** End of the records that read_committed readers see: the last stable offset. */
  readonly next: number
}

/** Offset of the first record that is not older; null if there is none. */
export async function offsetAtTime(
  link: Link,
  topic: string,
  partition: number,
  timestampMs: number,
): Promise<number | null> {
  await link.know([topic])
  const wanted = [{ topic, partitions: [{ partition }], fromTimestamp: timestampMs }]
  const [answer] = await link.cluster.fetchTopicsOffset(wanted)
  const offset = Number(answer?.partitions[0]?.offset ?? -1)
  return offset >= 0 ? offset : null
}

export async function boundsOf(link: Link, topic: string, partitions: readonly number[]): Promise<Bounds[]> {
  await link.know([topic])
  const [earliest, next] = await Promise.all([
    endsOf(link, topic, partitions, true),
    endsOf(link, topic, partitions, false),
  ])
  return partitions.map((partition) => ({
    partition,
    earliest: earliest.get(partition) ?? 0,
    next: next.get(partition) ?? 0,
  }))
}

/** The earliest offset of each partition, or the next one. The link must know the topic. */
export async function endsOf(
  link: Link,
  topic: string,
  partitions: readonly number[],
  fromBeginning: boolean,
): Promise<Map<number, number>> {
  // Each must have a leader: kafkajs would look for a broker -1.
  for (const partition of partitions) link.leaderOf(topic, partition)
  const wanted = partitions.map((partition) => ({ partition }))
  const answers = await link.cluster.fetchTopicsOffset([{ topic, partitions: wanted, fromBeginning }])
  return new Map(answers.flatMap((a) => a.partitions.map((p) => [p.partition, Number(p.offset)])))
}
