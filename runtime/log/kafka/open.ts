// The Kafka log that the environment asks for.
import type { Environment } from '../../config/environment.ts'
import type { Log as Logger } from '../../telemetry/instruments.ts'
import type { Log } from '../port.ts'
import { createKafkaLog } from './log.ts'

/** Does not connect yet: the first use does. */
export function openKafkaLog(environment: Environment, logger?: Logger): Log {
  const { kafkaBrokers, partitions, prefix, sessionTimeoutMs, transactionTimeoutMs, security } = environment
  const options = {
    brokers: kafkaBrokers,
    clientId: `${prefix}-${process.pid}`,
    partitions,
    prefix,
    sessionTimeoutMs,
    transactionTimeoutMs,
    security: security.kafka,
  }
  return createKafkaLog(logger ? { ...options, logger } : options)
}
