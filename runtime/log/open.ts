// Opens the log that the environment asks for. Only the one that is used is loaded.
import type { Environment } from '../config/environment.ts'
import type { Log as Logger } from '../telemetry/instruments.ts'
import type { Log } from './port.ts'

/** Kafka if KAFKA_BROKERS is set, else the embedded log. Throws DATA_LOCKED if another process has it. */
export async function openLog(environment: Environment, logger?: Logger): Promise<Log> {
  if (environment.kafkaBrokers.length > 0)
    return (await import('./kafka/open.ts')).openKafkaLog(environment, logger)
  const { dataDir, partitions, prefix, durability } = environment
  const { openEmbeddedLog } = await import('./embedded/log.ts')
  return openEmbeddedLog({ dataDir, partitions, prefix, durability })
}
