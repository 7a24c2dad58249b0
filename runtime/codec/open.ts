// The codec that the environment asks for.
import type { Environment } from '../config/environment.ts'
import { createCodec } from './codec.ts'
import { createEmbeddedRegistry } from './embedded-registry.ts'
import { once } from '../once.ts'
import type { Codec } from './port.ts'
import type { Registry } from './registry.ts'

/** Without SCHEMA_REGISTRY_URL, ids derive from the schemas; enough if only Flotilla writes Avro to Kafka. */
export function openCodec({
  schemaRegistryUrl,
  prefix,
}: Pick<Environment, 'schemaRegistryUrl' | 'prefix'>): Codec {
  const registry = schemaRegistryUrl ? confluentRegistry(schemaRegistryUrl) : createEmbeddedRegistry()
  return createCodec({ registry, prefix })
}

/** Its client is loaded at the first request. */
function confluentRegistry(url: string): Registry {
  const opened = once(async () => (await import('./confluent-registry.ts')).createConfluentRegistry(url))
  return {
    register: async (subject, schema) => (await opened()).register(subject, schema),
    byId: async (id) => (await opened()).byId(id),
    check: async () => (await opened()).check(),
  }
}
