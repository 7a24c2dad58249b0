import type { Log } from '../../runtime/log/port.ts'
import { createKafkaLog, type KafkaLogOptions } from '../../runtime/log/kafka/log.ts'

/** Where the runner's Kafka listens. */
export function brokers(): string[] {
  const given = process.env['KAFKA_BROKERS']
  if (given === undefined || given === '') throw new Error('KAFKA_BROKERS is not set: run npm run test:kafka')
  return given.split(',')
}

export const PARTITIONS = 4

export function uniquePrefix(name: string): string {
  return `${name}-${process.pid}-${Date.now().toString(36)}`
}

export function kafkaLog(prefix: string, options: Partial<KafkaLogOptions> = {}): Log {
  return createKafkaLog({
    brokers: brokers(),
    prefix,
    partitions: PARTITIONS,
    clientId: `test-${process.pid}`,
    ...options,
  })
}
