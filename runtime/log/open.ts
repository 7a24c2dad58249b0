import type { Environment } from '../config/environment.ts'
import type { Log as Logger } from '../telemetry/instruments.ts'
import { openEmbeddedLog } from './embedded/log.ts'
import type { Security } from './kafka/client.ts'
import { createKafkaLog } from './kafka/log.ts'
import type { Log } from './port.ts'

/** Kafka if KAFKA_BROKERS is set, else the embedded log. Throws DATA_LOCKED if another process has it. */
export async function openLog(environment: Environment, logger?: Logger): Promise<Log> {
  if (environment.kafkaBrokers.length > 0) return openKafkaLog(environment, logger)
  const { dataDir, partitions, prefix, durability } = environment
  return openEmbeddedLog({ dataDir, partitions, prefix, durability })
}

/** Does not connect yet: the first use does. */
export function openKafkaLog(environment: Environment, logger?: Logger): Log {
  const { kafkaBrokers, partitions, prefix, sessionTimeoutMs, transactionTimeoutMs, kafkaSecurity } =
    environment
  const options = {
    brokers: kafkaBrokers,
    clientId: `${prefix}-${process.pid}`,
    partitions,
    prefix,
    sessionTimeoutMs,
    transactionTimeoutMs,
    security: kafkaSecurity as Security,
  }
  return createKafkaLog(logger ? { ...options, logger } : options)
}
