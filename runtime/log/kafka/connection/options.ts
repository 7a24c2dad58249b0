import type { KafkaSecurity } from '../../../config/environment/server-security.ts'
import type { KafkaLogger } from './client.ts'
import { defaultSearchLimits, type SearchLimits } from '../fetch/key-index.ts'

export interface KafkaLogOptions {
  /** host:port of one or more brokers. */
  readonly brokers: readonly string[]
  /** Every topic, group and transactional id starts with it. */
  readonly prefix: string
  /** Partition count shared by all task topics. */
  readonly partitions: number
  /** Names this process in the brokers' logs, metrics and quotas. */
  readonly clientId: string
  readonly security?: KafkaSecurity
  readonly logger?: KafkaLogger
  /** For topics that `ensureTopics` creates. Default: 3, or the number of brokers if that is less. */
  readonly replicationFactor?: number
  /** How long a transaction of ours may stay open before the broker aborts it. Default 30,000. */
  readonly transactionTimeoutMs?: number
  /**
   * How long a request is retried before it fails. Default 10,000, at most half of transactionTimeoutMs. One that goes
   * unanswered for longer than this is tried once more.
   */
  readonly deliveryTimeoutMs?: number
  /** How long a single request may go unanswered. Default 10,000. */
  readonly requestTimeoutMs?: number
  /** How long a member may send no heartbeat before its lanes move. Default 6,000, the broker's minimum. */
  readonly sessionTimeoutMs?: number
  /** Default: a third of sessionTimeoutMs. */
  readonly heartbeatMs?: number
  /** How long the broker holds an empty fetch; a lane or topic added meanwhile waits as long. Default 100. */
  readonly fetchWaitMs?: number
  /** How often topics are checked: whether they are still those that were read. Default 10,000. */
  readonly topicCheckMs?: number
  /** How long `ensureTopics`, `open` and reads wait for a broker that is away. Default 60,000. */
  readonly startTimeoutMs?: number
  /** Limits of what `find` reads and keeps. */
  readonly search?: SearchLimits
}

export type Settings = Required<
  Pick<
    KafkaLogOptions,
    | 'transactionTimeoutMs'
    | 'deliveryTimeoutMs'
    | 'requestTimeoutMs'
    | 'sessionTimeoutMs'
    | 'heartbeatMs'
    | 'fetchWaitMs'
    | 'startTimeoutMs'
    | 'topicCheckMs'
    | 'search'
  >
>

export function settingsOf(options: KafkaLogOptions): Settings {
  const transactionTimeoutMs = options.transactionTimeoutMs ?? 30_000
  const sessionTimeoutMs = options.sessionTimeoutMs ?? 6_000
  return {
    transactionTimeoutMs,
    deliveryTimeoutMs: options.deliveryTimeoutMs ?? Math.min(10_000, transactionTimeoutMs / 2),
    requestTimeoutMs: options.requestTimeoutMs ?? 10_000,
    sessionTimeoutMs,
    heartbeatMs: options.heartbeatMs ?? sessionTimeoutMs / 3,
    fetchWaitMs: options.fetchWaitMs ?? 100,
    startTimeoutMs: options.startTimeoutMs ?? 60_000,
    topicCheckMs: options.topicCheckMs ?? 10_000,
    search: options.search ?? defaultSearchLimits,
  }
}
