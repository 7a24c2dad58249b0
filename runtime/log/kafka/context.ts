// Context that the parts of one Kafka log share.
import { createClient, type Client, type KafkaLogger } from './connection/client.ts'
import { Fetcher } from './fetch/fetcher.ts'
import { Link } from './connection/link.ts'
import { namesUnder, type Names } from './names.ts'
import { settingsOf, type KafkaLogOptions, type Settings } from './connection/options.ts'
import { TopicWatch } from './admin/topic-watch.ts'

export interface Context {
  readonly client: Client
  readonly names: Names
  readonly partitions: number
  readonly settings: Settings
  readonly replicationFactor: number | undefined
  readonly logger: KafkaLogger | undefined
  /** For short requests: offsets, bounds, leaving. Never a join, never a long fetch. */
  readonly shared: Link
  /** For all stages and tails of the process. */
  readonly fetcher: Fetcher
  readonly topicWatch: TopicWatch
}

export function newLink(context: Context, topics: readonly string[] = []): Link {
  return new Link(context.client, topics)
}

/** Does not connect yet: the first use does. */
export function contextOf(options: KafkaLogOptions): Context {
  const { brokers, clientId, logger, partitions, prefix, replicationFactor, security } = options
  const settings = settingsOf(options)
  const client = createClient({
    brokers,
    clientId,
    requestTimeoutMs: settings.requestTimeoutMs,
    ...(security === undefined ? {} : { security }),
    ...(logger === undefined ? {} : { logger }),
  })
  const shared = new Link(client, [])
  const fetcher = new Fetcher({
    links: { busy: new Link(client, []), calm: new Link(client, [], { leavesOut: true }) },
    maxWaitMs: settings.fetchWaitMs,
    report: (message) => logger?.debug({}, message),
  })
  const topicWatch = new TopicWatch(shared, settings.topicCheckMs, logger)
  return {
    client,
    names: namesUnder(prefix),
    partitions,
    settings,
    replicationFactor,
    logger,
    shared,
    fetcher,
    topicWatch,
  }
}
