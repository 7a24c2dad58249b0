// Context that the parts of one Kafka log share.
import type { Client, KafkaLogger } from './client.ts'
import { Link } from './link.ts'
import type { Names } from './names.ts'
import type { Settings } from './options.ts'
import type { TopicWatch } from './topic-watch.ts'

export interface Context {
  readonly client: Client
  readonly names: Names
  readonly partitions: number
  readonly settings: Settings
  readonly replicationFactor: number | undefined
  readonly logger: KafkaLogger | undefined
  /** For short requests: offsets, bounds, leaving. Never a join, never a long fetch. */
  readonly shared: Link
  readonly topicWatch: TopicWatch
}

export function newLink(context: Context, topics: readonly string[] = []): Link {
  return new Link(context.client, topics)
}
