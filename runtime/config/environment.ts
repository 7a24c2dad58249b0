/** Environment variables that Flotilla reads, checked. Names are the ecosystem's; see docs/configuration.md. */
export interface Environment {
  /** Set: Kafka. Empty: the embedded log. */
  readonly kafkaBrokers: readonly string[]
  readonly schemaRegistryUrl: string | null
  readonly redisUrl: string | null
  readonly databaseUrl: string | null
  readonly otlpEndpoint: string | null
  readonly logLevel: string
  readonly port: number
  /** Loopback unless HOST says otherwise. */
  readonly host: string
  readonly prefix: string
  /** Directory of the embedded log and stores. */
  readonly dataDir: string
  readonly partitions: number
  readonly allowVolatileStore: boolean
  /** The whole environment, for provider keys and users' tools. */
  readonly raw: Readonly<Record<string, string | undefined>>
}
