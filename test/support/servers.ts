// The real servers that the runner started, as environment variables for a fleet.
import { uniquePrefix } from '../kafka/brokers.ts'

const names = ['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL', 'REDIS_URL', 'DATABASE_URL'] as const

/** A fleet on the runner's servers, kept apart from every other by its prefix. Tracing only where asked. */
export function fleetEnvironment(
  name: string,
  changes: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const env: Record<string, string> = { FLOTILLA_PREFIX: uniquePrefix(name), FLOTILLA_PARTITIONS: '4' }
  for (const variable of names) {
    const value = process.env[variable]
    if (!value) throw new Error(`${variable} is not set: run npm run test:kafka`)
    env[variable] = value
  }
  return { ...env, ...changes }
}
