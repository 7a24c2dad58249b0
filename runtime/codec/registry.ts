// Registry port: gives schemas their ids. Two adapters: embedded-registry.ts, and confluent-registry.ts for a
// real one.

import { FlotillaError } from '../errors.ts'

/** Any Avro schema, as parsed JSON: those of others need not look like ours. */
export type AvroSchema = string | { readonly [key: string]: unknown } | readonly unknown[]

export interface Registered {
  readonly subject: string
  readonly schema: AvroSchema
  readonly id: number
}

export interface Registry {
  /**
   * Idempotent. Rejects with SCHEMA_INCOMPATIBLE if earlier versions forbid this one, REGISTRY_UNAVAILABLE if
   * the registry does not answer.
   */
  register(subject: string, schema: AvroSchema): Promise<number>
  /**
   * The schema of an id, synchronously if it is known already. Throws or rejects with UNDECODABLE_RECORD if
   * there is none, REGISTRY_UNAVAILABLE if the registry does not answer.
   */
  byId(id: number): AvroSchema | Promise<AvroSchema>
  /**
   * Rejects with the reason when the registry can't be used now, and with REGISTRY_CHANGED when it no longer has this schema
   * under this id.
   */
  check(registered?: Registered): Promise<void>
}

/** Records were written under an id that the registry has lost, or gives to another schema by now. */
export const registryChanged = (
  { subject, id }: Pick<Registered, 'subject' | 'id'>,
  found: string,
): FlotillaError =>
  new FlotillaError(
    'REGISTRY_CHANGED',
    `records of the fleet have ${subject} as schema ${id}, and the schema registry ${found}: it has lost its schemas, or is another one`,
  )
