import { hash } from 'node:crypto'
import { homeOf } from '../../log/home.ts'
import { jsonWithWritten } from '../../json/written.ts'

/** Position of a record. `topicId` distinguishes its topic from deleted namesakes (log/port.ts). */
export interface RecordPlace {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly offset: number
  /** Distinguishes a record from a lost one that had the same offset (log/port.ts). */
  readonly leaderEpoch: number
}

/**
 * Ids are the first 128 bits of a SHA-256, as 32 hex digits: the same for the same cause on every run, so
 * redelivery and replay name the same events and calls.
 */
const digest = (parts: string): string => hash('sha256', parts, 'hex').slice(0, 32)

/** Id of the `index`-th event that a handling emits. */
export function emittedEventId(causeId: string, stage: string, index: number): string {
  return digest(`event\0${causeId}\0${stage}\0${index}`)
}

/** Id of a record that came without one, or on an open topic. */
export function recordId({ topic, topicId, partition, offset, leaderEpoch }: RecordPlace): string {
  return digest(`record\0${topic}\0${topicId}\0${partition}\0${offset}\0${leaderEpoch}`)
}

const SUFFIXES = 0x10000

/**
 * Id of the task that a record without a usable one asks for. Its home is the partition of the record, so
 * that its lane answers it and remembers it: the same id, submitted by somebody who has seen it, finds that
 * row.
 */
export function derivedTaskId(place: RecordPlace, partitions: number): string {
  const stem = digest(`task\0${recordId(place)}`).slice(0, 28)
  for (let suffix = 0; suffix < SUFFIXES; suffix++) {
    const id = stem + suffix.toString(16).padStart(4, '0')
    if (homeOf(id, partitions) === place.partition) return id
  }
  throw new Error(`${place.topic} has no partition ${place.partition} among ${partitions}`)
}

/** Id of a timer's event. A handling sets a timer of one name at most once, so cause and name are unique. */
export function timerEventId(key: string, name: string, causeId: string): string {
  return digest(`timer\0${key}\0${name}\0${causeId}`)
}

/**
 * Id of the `index`-th call of a handling; sent along as idempotency key. The key is in it, so that two tasks
 * can't share a call, whatever ids their events have.
 */
export function callId(key: string, eventId: string, stage: string, index: number): string {
  return digest(`call\0${key}\0${eventId}\0${stage}\0${index}`)
}

/** Names a call that is not journalled. No one outside sees it, so it needs no hash. */
export const plainCallId = (eventId: string, stage: string): string => `${stage}/${eventId}`

export function requestHash(request: unknown): string {
  const isPlain = typeof request === 'object' && request !== null && !Array.isArray(request)
  const json = isPlain ? jsonWithWritten(request) : (JSON.stringify(request) ?? 'null')
  return hash('sha256', json, 'hex').slice(0, 32)
}
