// The records that a run left on the log, decoded.
import { eventIdOf } from '../../runtime/host/lane/event-records.ts'
import { homeOf } from '../../runtime/log/home.ts'
import type { LogRecord } from '../../runtime/log/port.ts'
import type { Decoded } from '../../runtime/codec/port.ts'
import type { World } from '../../runtime/testing/simulator/world.ts'
import type { EventMap, EventType } from '../../schemas/generated/events.ts'
import type { GoneRecords } from './gone-records.ts'
import { headers, topics, type TopicName } from '../../schemas/topics.ts'

export interface Written<T extends EventType = EventType> {
  readonly topic: TopicName
  readonly partition: number
  readonly offset: number
  /** Its own, or the one derived from its position. */
  readonly eventId: string
  /** Null also if anyone may have written it. */
  readonly causeId: string | null
  readonly atMs: number
  /** Undecoded. */
  readonly value: Uint8Array
  readonly type: T
  readonly data: EventMap[T]
}

export interface Evidence {
  /** What can be decoded of all but best-effort topics, in the order of topic, partition and offset. */
  readonly written: readonly Written[]
  /** Event ids of every record, decodable or not. */
  readonly ids: ReadonlySet<string>
  of<T extends EventType>(type: T): readonly Written<T>[]
}

/** Outside transactions, it promises nothing: an event may be there again after a crash. */
const BEST_EFFORT: TopicName = 'tasks.streaming'

/** `gone`: records that the log had lost. */
export async function readEvidence({ broker, codec }: World, gone?: GoneRecords): Promise<Evidence> {
  const log = broker.connect()
  const present: LogRecord[] = []
  for (const { name, partitions } of topics.filter(({ name: topic }) => topic !== BEST_EFFORT))
    for (
      let partition = 0;
      partition < (partitions === 'shared' ? broker.partitions : partitions);
      partition++
    )
      present.push(...(await log.read(name, partition, 0, 1_000_000)))
  const topicIds = await log.topicIds(topics.map(({ name }) => name))
  const origin = { partitions: broker.partitions, topicIds }
  const written: Written[] = []
  const ids = new Set<string>()
  const kept = present.map((record) => ({ record, eventId: eventIdOf(record, origin) }))
  for (const { record, eventId } of [...(gone?.without(present) ?? []), ...kept]) {
    ids.add(eventId)
    const decoded = await decode(record, (value) => codec.decode(value, record.topic))
    if (decoded) written.push(asWritten(record, decoded, eventId))
  }
  const byType = grouped(written, ({ type }) => type)
  return { written, ids, of: (type) => (byType.get(type) ?? []) as never }
}

async function decode(
  { value }: LogRecord,
  read: (value: Uint8Array) => Decoded | Promise<Decoded>,
): Promise<Decoded | null> {
  try {
    return value === null ? null : await read(value)
  } catch {
    return null
  }
}

function asWritten(record: LogRecord, { type, data }: Decoded, eventId: string): Written {
  const { topic, partition, offset, headers: header, timestampMs, value } = record
  return {
    topic,
    partition,
    offset,
    eventId,
    causeId: isOpen(topic) ? null : (header[headers.causationId] ?? null),
    atMs: timestampMs,
    value,
    type,
    data,
  } as Written
}

/** Topics that anyone may write. */
export const openTopics: readonly TopicName[] = topics
  .filter(({ writers }) => writers.includes('anyone'))
  .map(({ name }) => name)

const isOpen = (topic: TopicName): boolean => openTopics.includes(topic)

/** Tasks that were ended from outside, with calls possibly under way. */
export function stoppedTasks(evidence: Evidence): ReadonlySet<string> {
  const ends = evidence.of('TaskCompleted').filter(({ data }) => /^(cancelled|timed_out)$/.test(data.status))
  return new Set(ends.map(({ data }) => data.taskId))
}

/** By a key, in order. */
export function grouped<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  return groups
}

export const isAtHome = (key: string, { partition }: Written, { broker }: World): boolean =>
  homeOf(key, broker.partitions) === partition
