// Registry port: gives schemas their ids. Two adapters: embedded-registry.ts, and confluent-registry.ts for a
// real one.

/** Any Avro schema, as parsed JSON: those of others need not look like ours. */
export type AvroSchema = string | { readonly [key: string]: unknown } | readonly unknown[]

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
  /** Rejects with the reason when the registry can't be used now. */
  check(): Promise<void>
}
