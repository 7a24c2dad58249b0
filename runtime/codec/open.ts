// The codec that the environment asks for.
import type { Environment } from '../config/environment.ts'
import { createCodec } from './codec.ts'
import { createConfluentRegistry } from './confluent-registry.ts'
import { createEmbeddedRegistry } from './embedded-registry.ts'
import type { Codec } from './port.ts'

/** Without SCHEMA_REGISTRY_URL, ids derive from the schemas; enough if only Flotilla writes Avro to Kafka. */
export function openCodec({
  schemaRegistryUrl,
  prefix,
}: Pick<Environment, 'schemaRegistryUrl' | 'prefix'>): Codec {
  const registry = schemaRegistryUrl ? createConfluentRegistry(schemaRegistryUrl) : createEmbeddedRegistry()
  return createCodec({ registry, prefix })
}
