// Checks the topics every few seconds, with one request for the whole process: which of them are missing,
// were re-created, or have another number of partitions.
import { messageOf } from '../../../errors.ts'
import type { KafkaLogger } from '../connection/client.ts'
import type { Link } from '../connection/link.ts'
import type { Context } from '../context.ts'
import { isAnother, shortId } from '../lane/positions.ts'
import { factsFrom, type TopicFacts } from './topic-ids.ts'

const UNKNOWN_TOPIC = 3

export interface Looked {
  /** By name on the broker; topics of which nothing is known now are left out. */
  readonly facts: ReadonlyMap<string, TopicFacts>
  readonly missing: ReadonlySet<string>
}

interface Watcher {
  readonly topics: readonly string[]
  readonly onLook: (looked: Looked) => void
}

/** Current facts. No leader is asked: there is none while a topic is missing. */
export async function lookAt(link: Link, topics: readonly string[], withinMs: number): Promise<Looked> {
  const ask = async (): Promise<readonly TopicFacts[]> =>
    factsFrom(await link.cluster.findControllerBroker(), topics)
  const found = await link.attempt(ask, { withinMs })
  return {
    facts: new Map(found.flatMap((fact) => (fact.errorCode === 0 ? [[fact.name, fact]] : []))),
    missing: new Set(found.flatMap((fact) => (fact.errorCode === UNKNOWN_TOPIC ? [fact.name] : []))),
  }
}

export interface WatchedIds {
  /** The id as positions carry it; empty if it is not known. */
  of(topic: string): string
  /** Checks now. Resolves with whether the topic was re-created. */
  again(topic: string): Promise<boolean>
  stop(): void
}

/** Checks the topics now and regularly: calls `onAnother` for one that was re-created. */
export async function watchIds(
  { shared, settings, topicWatch }: Context,
  topics: readonly string[],
  onAnother: (topic: string) => void,
): Promise<WatchedIds> {
  const ids = new Map<string, string>()
  const compare = ({ facts }: Looked): string[] =>
    topics.filter((topic) => {
      const id = shortId(facts.get(topic)?.id ?? '')
      const isChanged = isAnother(ids.get(topic) ?? '', id)
      if (id !== '') ids.set(topic, id)
      if (isChanged) onAnother(topic)
      return isChanged
    })
  const look = async (): Promise<string[]> =>
    compare(await lookAt(shared, topics, settings.deliveryTimeoutMs))
  await look()
  const stop = topicWatch.watch(topics, compare)
  return {
    of: (topic) => ids.get(topic) ?? '',
    again: async (topic) => (await look()).includes(topic),
    stop,
  }
}

export class TopicWatch {
  readonly #link: Link
  readonly #everyMs: number
  readonly #logger: KafkaLogger | undefined
  readonly #watchers = new Set<Watcher>()
  #timer: NodeJS.Timeout | null = null
  #looking: Promise<void> = Promise.resolve()
  #closed = false

  constructor(link: Link, everyMs: number, logger: KafkaLogger | undefined) {
    this.#link = link
    this.#everyMs = everyMs
    this.#logger = logger
  }

  /** Watches until the returned function is called. A broker that is away, or too old, changes nothing. */
  watch(topics: readonly string[], onLook: (looked: Looked) => void): () => void {
    const watcher = { topics, onLook }
    this.#watchers.add(watcher)
    this.#timer ??= this.#later()
    return () => void this.#watchers.delete(watcher)
  }

  #later(): NodeJS.Timeout {
    return setTimeout(() => (this.#looking = this.#lookAgain()), this.#everyMs).unref()
  }

  async #lookAgain(): Promise<void> {
    try {
      const topics = new Set([...this.#watchers].flatMap((watcher) => watcher.topics))
      const looked = await lookAt(this.#link, [...topics], 0)
      for (const { onLook } of this.#watchers) onLook(looked)
    } catch (error) {
      this.#logger?.debug({ reason: messageOf(error) }, 'failed to check topics; retrying')
      if (!this.#closed) await this.#link.recover(error)
    }
    this.#timer = this.#closed || this.#watchers.size === 0 ? null : this.#later()
  }

  /** Resolves when nothing uses the link any more: a request after its end would connect it again. */
  async close(): Promise<void> {
    this.#closed = true
    this.#watchers.clear()
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#looking
  }
}
