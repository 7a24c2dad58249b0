// Several components at once, with the environment variables by which Flotilla and its tests find them.
import { startDocker } from './docker.ts'
import { startJaeger } from './jaeger.ts'
import { startKafka } from './kafka.ts'
import { startPostgres } from './postgres.ts'
import { startRedis } from './redis.ts'
import { startRegistry } from './registry.ts'

export interface Running {
  readonly environment: Readonly<Record<string, string>>
  stop(): Promise<void>
}

const starters = {
  kafka: async () => {
    const kafka = await startKafka()
    return { environment: { KAFKA_BROKERS: kafka.bootstrap }, stop: kafka.stop }
  },
  registry: async () => {
    const registry = await startRegistry()
    return { environment: { SCHEMA_REGISTRY_URL: registry.url }, stop: registry.stop }
  },
  redis: async () => {
    const redis = await startRedis()
    return { environment: { REDIS_URL: redis.url }, stop: redis.stop }
  },
  postgres: async () => {
    const postgres = await startPostgres()
    return { environment: { DATABASE_URL: postgres.url }, stop: postgres.stop }
  },
  jaeger: async () => {
    const { otlpUrl, queryUrl, stop } = await startJaeger()
    return { environment: { OTEL_EXPORTER_OTLP_ENDPOINT: otlpUrl, JAEGER_QUERY_URL: queryUrl }, stop }
  },
  docker: async () => {
    const { host, stop } = await startDocker()
    return { environment: { DOCKER_HOST: host }, stop }
  },
} satisfies Record<string, () => Promise<Running>>

export type ComponentName = keyof typeof starters
export const componentNames = Object.keys(starters) as ComponentName[]

/** All of them, or none: when one does not start, those that did are stopped and its error is thrown. */
export async function startStack(
  names: readonly ComponentName[],
  onReady: (name: ComponentName, startMs: number) => void = () => undefined,
): Promise<Running> {
  const outcomes = await Promise.allSettled(names.map((name) => timed(name, onReady)))
  const running = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  const stop = async (): Promise<void> => void (await Promise.allSettled(running.map((one) => one.stop())))
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failed !== undefined) {
    await stop()
    throw failed.reason
  }
  return { environment: Object.assign({}, ...running.map((one) => one.environment)), stop }
}

async function timed(
  name: ComponentName,
  onReady: (name: ComponentName, startMs: number) => void,
): Promise<Running> {
  const begun = performance.now()
  const running = await starters[name]()
  onReady(name, Math.round(performance.now() - begun))
  return running
}
