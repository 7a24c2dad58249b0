// Where schemas get their ids. Two adapters: embedded-registry.ts, and confluent-registry.ts for a real one.

/** Any Avro schema, as parsed JSON: what others registered need not look like ours. */
export type AvroSchema = string | { readonly [key: string]: unknown } | readonly unknown[]

export interface Registry {
  /**
   * Idempotent. Rejects with SCHEMA_INCOMPATIBLE when versions registered before forbid this one, REGISTRY_UNAVAILABLE when nobody answers.
   */
  register(subject: string, schema: AvroSchema): Promise<number>
  /**
   * The schema of an id, at once where it is known already. Throws or rejects with UNDECODABLE_RECORD when there is none,
   * REGISTRY_UNAVAILABLE when nobody answers.
   */
  byId(id: number): AvroSchema | Promise<AvroSchema>
  /** Rejects with the reason when the registry can't be used now. */
  check(): Promise<void>
}
