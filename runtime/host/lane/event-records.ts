// Between records on the log and events that a stage sees.
import { headers as names } from '../../../schemas/topics.ts'
import type { Decoded } from '../../codec/port.ts'
import type { Log, LogRecord, LogTopic, OutgoingRecord } from '../../log/port.ts'
import type { Emit, RecordEvent, Stage } from '../../stage.ts'
import { homeOf } from '../../log/home.ts'
import { bounded } from '../../log/limits.ts'
import { fixedKeyOf, isOpen } from './foreign.ts'
import { derivedTaskId, emittedEventId, recordId, type RecordPlace } from './ids.ts'

/** Distinguishes a lane's records from all others. */
export interface Origin {
  readonly partitions: number
  readonly topicIds: ReadonlyMap<LogTopic, string>
}

function placeOf(
  { topic, partition, offset, leaderEpoch = 0 }: LogRecord,
  { topicIds }: Origin,
): RecordPlace {
  return { topic, topicId: topicIds.get(topic) ?? '', partition, offset, leaderEpoch }
}

/** The id of a record's event: its own if only stages write the topic; else derived from its position. */
export function eventIdOf(record: LogRecord, origin: Origin): string {
  const own = isOpen(record.topic) ? undefined : record.headers[names.eventId]
  return own ?? recordId(placeOf(record, origin))
}

/** The id of a task whose submission names none, or none that can be. */
export const taskIdOf = (record: LogRecord, origin: Origin): string =>
  derivedTaskId(placeOf(record, origin), origin.partitions)

/** The record as a new event, with its key as it came. A submission without a task id gets a derived one. */
export function toEvent(record: LogRecord, decoded: Decoded, origin: Origin): RecordEvent {
  const id = eventIdOf(record, origin)
  let data: Decoded['data'] = decoded.data
  if (decoded.type === 'TaskSubmitted' && !decoded.data.taskId)
    data = { ...decoded.data, taskId: taskIdOf(record, origin) }
  const key =
    'taskId' in data && typeof data.taskId === 'string'
      ? data.taskId
      : (fixedKeyOf(record.topic) ?? record.key ?? id)
  const { partition: lane, timestampMs: atMs } = record
  return { type: decoded.type, data, id, key, lane, atMs, traceId: null, traceparent: null } as RecordEvent
}

/** The stage that emits, and its log. */
export interface Sender {
  readonly stage: Pick<Stage, 'name' | 'version'>
  readonly log: Pick<Log, 'partitions'>
}

/** What an event is emitted for. */
export interface Cause {
  readonly key: string
  readonly event: { readonly id: string }
  readonly span: { readonly traceparent: string | null }
}

/** Key of the record of this event: the emitter's choice, else the task, else the handling's key. */
function recordKey(emit: Emit, handlingKey: string): string {
  if (emit.key !== undefined) return emit.key
  const data: object = emit.data
  return 'taskId' in data && typeof data.taskId === 'string' ? data.taskId : handlingKey
}

/** `value` is the encoded event, `index` its number within the handling. Throws RECORD_TOO_LARGE. */
export function toRecord(
  { stage, log }: Sender,
  emit: Emit,
  value: Uint8Array,
  { key: causeKey, event, span }: Cause,
  index: number,
  resumedEpoch: number | null = null,
): OutgoingRecord {
  const key = recordKey(emit, causeKey)
  // Assigned, because V8 defines a computed name in a literal by a call into its runtime.
  const headers: Record<string, string> = {}
  headers[names.eventId] = emittedEventId(event.id, stage.name, index)
  headers[names.causationId] = event.id
  headers[names.schema] = emit.type
  headers[names.stageVersion] = String(stage.version)
  if (emit.requester !== undefined) headers[names.requester] = emit.requester
  const traceparent = emit.traceparent ?? span.traceparent
  if (traceparent !== null) headers[names.traceparent] = traceparent
  if (resumedEpoch !== null) headers[names.resumedEpoch] = String(resumedEpoch)
  const record = { topic: emit.topic, partition: homeOf(key, log.partitions), key, value, headers }
  return bounded(record, emit.type)
}
