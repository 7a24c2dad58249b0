// The Kafka log that the environment asks for.
import type { Environment } from '../../config/environment.ts'
import type { Log as Logger } from '../../telemetry/instruments.ts'
import type { Log } from '../port.ts'
import { createKafkaLog, type KafkaLogOptions } from './log.ts'

/** Does not connect yet: the first use does. */
export function openKafkaLog(environment: Environment, logger?: Logger): Log {
  const options = kafkaOptions(environment)
  return createKafkaLog(logger ? { ...options, logger } : options)
}

export function kafkaOptions(environment: Environment): KafkaLogOptions {
  const { kafkaBrokers, kafkaClientId, partitions, prefix, security } = environment
  const { sessionTimeoutMs, transactionTimeoutMs } = environment
  return {
    brokers: kafkaBrokers,
    clientId: kafkaClientId ?? `${prefix}-${process.pid}`,
    partitions,
    prefix,
    sessionTimeoutMs,
    transactionTimeoutMs,
    ...(security.kafka === undefined ? {} : { security: security.kafka }),
  }
}
