import type { EventMap, EventType } from '../../schemas/generated/events.ts'
import type { TopicName } from '../../schemas/topics.ts'

export type Decoded = { [T in EventType]: { type: T; data: EventMap[T] } }[EventType]

/** Ids in the registry, by subject and form of the schema (`flotilla.TaskAdmitted 1234567`). */
export type SchemaIds = Readonly<Record<string, number>>

/** Avro in Confluent's wire format (magic byte 0, 4-byte big-endian schema id, body). */
export interface Codec {
  /** Registers every schema with the registry. Call once before the first encode. */
  prepare(): Promise<void>
  /** Synchronous after `prepare`. Throws SCHEMA_MISMATCH naming the field. */
  encode<T extends EventType>(type: T, data: EventMap[T], topic: TopicName): Uint8Array
  /**
   * Any schema id that the registry knows, read as this process's version of the record. On tasks.submitted,
   * bytes that do not begin with 0 are read as JSON and checked against the same schema. Rejects (or throws)
   * UNDECODABLE_RECORD. Synchronous when the schema id is known already.
   */
  decode(value: Uint8Array, topic: TopicName): Decoded | Promise<Decoded>
  /** Those that `prepare` was given. */
  ids(): SchemaIds
  /**
   * Rejects with REGISTRY_CHANGED if the registry does not read a schema of this version by the id that is kept for it, unless
   * `prepare` was given that id; with REGISTRY_UNAVAILABLE if it can't be asked. Registers nothing.
   */
  requireIds(kept: SchemaIds): Promise<void>
  /** Rejects with the reason when the registry can't be used now, or has lost what `prepare` registered. */
  check(): Promise<void>
}
