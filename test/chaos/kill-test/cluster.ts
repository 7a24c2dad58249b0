// The servers of a kill test: three brokers that hold everything three times, a Redis that syncs every write, PostgreSQL, a registry.
import { startKafka, type KafkaCluster } from '../../infra/kafka.ts'
import { startPostgres } from '../../infra/postgres.ts'
import { startRedis, type Redis } from '../../infra/redis.ts'
import { startRegistry } from '../../infra/registry.ts'
import { kcat } from '../../support/kcat.ts'

export interface Servers {
  readonly kafka: KafkaCluster
  readonly redis: Redis
  /** For the processes of a fleet. */
  readonly env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

const BROKERS = 3

const properties = {
  'min.insync.replicas': '2',
  // Fewer internal partitions, as two cores serve all three brokers.
  'offsets.topic.num.partitions': '3',
  'transaction.state.log.num.partitions': '3',
  'num.network.threads': '2',
  'num.io.threads': '3',
}

export async function startServers(): Promise<Servers> {
  const started = await Promise.allSettled([
    startKafka({ brokers: BROKERS, heapMb: 384, properties }),
    startRedis(),
    startPostgres(),
    startRegistry(),
  ])
  const stop = async () => {
    await Promise.allSettled(started.map((one) => (one.status === 'fulfilled' ? one.value.stop() : null)))
  }
  const failed = started.find((one) => one.status === 'rejected')
  if (failed) {
    await stop()
    throw failed.reason
  }
  const [kafka, redis, postgres, registry] = started.map(
    (one) => (one as PromiseFulfilledResult<unknown>).value,
  ) as [KafkaCluster, Redis, { url: string }, { url: string }]
  const env = {
    KAFKA_BROKERS: kafka.bootstrap,
    REDIS_URL: redis.url,
    DATABASE_URL: postgres.url,
    SCHEMA_REGISTRY_URL: registry.url,
  }
  return { kafka, redis, env, stop }
}

interface Metadata {
  readonly brokers: readonly unknown[]
  readonly topics: readonly { readonly partitions: readonly { readonly isrs: readonly unknown[] }[] }[]
}

/** Every partition of every topic has all its replicas in sync, as a client of nobody here sees it. */
export async function isInSync(bootstrap: string): Promise<boolean> {
  const { brokers, topics } = JSON.parse(await kcat(['-L', '-J', '-b', bootstrap])) as Metadata
  const partitions = topics.flatMap((topic) => topic.partitions)
  return brokers.length === BROKERS && partitions.every(({ isrs }) => isrs.length === BROKERS)
}
