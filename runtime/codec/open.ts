// The codec that the environment asks for.
import type { Environment } from '../config/environment.ts'
import type { ServerSecurity } from '../config/environment/server-security.ts'
import { createCodec } from './codec.ts'
import { createEmbeddedRegistry } from './embedded-registry.ts'
import { once } from '../once.ts'
import type { Codec } from './port.ts'
import type { Registry } from './registry.ts'

/** Without SCHEMA_REGISTRY_URL, ids derive from the schemas; enough if only Flotilla writes Avro to Kafka. */
export function openCodec({
  schemaRegistryUrl,
  prefix,
  security,
}: Pick<Environment, 'schemaRegistryUrl' | 'prefix'> & Partial<Pick<Environment, 'security'>>): Codec {
  return createCodec({
    registry: openRegistry({ schemaRegistryUrl, ...(security ? { security } : {}) }),
    prefix,
  })
}

export function openRegistry({
  schemaRegistryUrl,
  security,
}: Pick<Environment, 'schemaRegistryUrl'> & Partial<Pick<Environment, 'security'>>): Registry {
  return schemaRegistryUrl
    ? confluentRegistry(schemaRegistryUrl, security?.registry)
    : createEmbeddedRegistry()
}

/** Its client is loaded at the first request. */
function confluentRegistry(url: string, security?: ServerSecurity): Registry {
  const opened = once(async () =>
    (await import('./confluent-registry.ts')).createConfluentRegistry(url, security),
  )
  return {
    register: async (subject, schema) => (await opened()).register(subject, schema),
    byId: async (id) => (await opened()).byId(id),
    check: async (registered) => (await opened()).check(registered),
  }
}
