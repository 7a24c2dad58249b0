// Names on the broker, all with the fleet's prefix, and records as stored there.
import { topics as contract } from '../../../schemas/topics.ts'
import { bufferOf } from '../../bytes.ts'
import { FlotillaError } from '../../errors.ts'
import { groupName, type GroupKind } from '../groups.ts'
import type { LogRecord, LogTopic, OutgoingRecord, StateRow } from '../port.ts'
import type { ProducedMessage, RawMessage } from './connection/client.ts'
import { partitionKey, type PartitionRecords } from './produce/producer-session.ts'

/** Row committed first by every opening of a lane: its offset is the epoch. Never shown as a row. */
export const OPENED_KEY = '$opened'

export interface Names {
  topic(topic: LogTopic): string
  stateTopic(stage: string): string
  /** Whether it is the state topic of any stage. */
  isState(topic: string): boolean
  group(kind: GroupKind, name: string): string
  transactionalId(stage: string, lane: number): string
}

export function namesUnder(prefix: string): Names {
  return {
    topic: (topic) => `${prefix}.${topic}`,
    stateTopic: (stage) => `${prefix}.${stage}.state`,
    isState: (topic) => topic.startsWith(`${prefix}.`) && topic.endsWith('.state'),
    group: (kind, name) => `${prefix}.${groupName(kind, name)}`,
    transactionalId: (stage, lane) => `${prefix}.${stage}.${lane}`,
  }
}

export const allTopics: readonly LogTopic[] = contract.map(({ name }) => name)

const openTopics: ReadonlySet<LogTopic> = new Set(
  contract.filter(({ writers }) => writers.includes('anyone')).map(({ name }) => name),
)
const BY_BROKER = 1

/**
 * A producer's own time is not trusted (port.ts, `timestampMs`); that of our stages is, and only they write
 * the other topics.
 */
function timeOf(topic: LogTopic, { timestamp, batchContext }: RawMessage): number {
  const isOurs = !openTopics.has(topic) || batchContext?.timestampType === BY_BROKER
  return isOurs ? Number(timestamp) : Date.now()
}

export function toLogRecord(topic: LogTopic, partition: number, message: RawMessage): LogRecord {
  return {
    topic,
    partition,
    offset: Number(message.offset),
    key: message.key === null ? null : message.key.toString('utf8'),
    value: message.value,
    headers: message.headers,
    timestampMs: timeOf(topic, message),
    leaderEpoch: message.batchContext?.partitionLeaderEpoch ?? 0,
  }
}

function toMessage({ key, value, headers }: OutgoingRecord): ProducedMessage {
  return { key, value: value && bufferOf(value), headers }
}

export function rowMessage({ key, value }: StateRow): ProducedMessage {
  return { key, value: value && bufferOf(value), headers: {} }
}

/** Throws when a record names a partition that task topics don't have: the broker would be asked in vain. */
export function mustExist(records: readonly OutgoingRecord[], partitions: number): void {
  for (const { topic, partition } of records) {
    if (Number.isInteger(partition) && partition >= 0 && partition < partitions) continue
    throw new FlotillaError('INTERNAL', `${topic} has partitions 0 to ${partitions - 1}, not ${partition}`)
  }
}

/** Records by partition, in their order. */
export function byPartition(records: readonly OutgoingRecord[], names: Names): PartitionRecords[] {
  const groups = Map.groupBy(records, ({ topic, partition }) => partitionKey(topic, partition))
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    if (first === undefined) return []
    return [{ topic: names.topic(first.topic), partition: first.partition, messages: group.map(toMessage) }]
  })
}
