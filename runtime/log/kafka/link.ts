// A user's way to the brokers, over connections of its own or shared ones, with the known leaders of partitions and
// coordinators of groups and transactional ids.
//
// 1. A broker answers a connection's requests in order, and a JoinGroup or a long fetch blocks it. So every group member
//    and every fetcher has its own connections. Lanes, whose requests are short, share a few (context.ts).
// 2. `attempt` retries transient errors until its deadline, finding leaders and coordinators again on the
//    way; what it throws in the end is the last error.
// 3. Nothing begins on a link that is closed: kafkajs would reconnect, and nobody would close those
//    connections.
// 4. A topic that is missing fails those who name it: the others' leaders are found without it.
import type { Broker, Client, Cluster, CoordinatorKind } from './client.ts'
import { errorType, isMisdirected, isTransient, isUnreachable } from './errors.ts'
import { factsFrom } from './topic-ids.ts'

const FIRST_PAUSE_MS = 2
const LONGEST_PAUSE_MS = 250
const CLOSE_MS = 5_000
/** Errors of one topic that fail a request for all. */
const OF_A_TOPIC = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'TOPIC_AUTHORIZATION_FAILED',
  'INVALID_TOPIC_EXCEPTION',
])

export interface AttemptOptions {
  /** How long to retry, in milliseconds. */
  readonly withinMs: number
  /** Stop early with the last error. */
  readonly abandoned?: () => boolean
  /** Which errors are worth another try. Default: transient ones. */
  readonly retryable?: (error: unknown) => boolean
}

/** Connections to each broker, for one link or several. */
export class Connections {
  readonly cluster: Cluster
  readonly #client: Client
  readonly #topics = new Set<string>()
  /** Topics whose leaders were asked for and are not known. */
  readonly #missed = new Set<string>()
  readonly #coordinators = new Map<string, Promise<Broker>>()
  /** Leaders by topic and partition, of this metadata: a fetch asks for each of its partitions. */
  readonly #leaders = new Map<string, string[]>()
  #leadersOf: object | null = null
  #connected: Promise<void> | null = null
  #closed = false

  constructor(client: Client) {
    this.#client = client
    this.cluster = client.cluster()
  }

  /** Connects, and makes sure that leaders of these topics are known. Rejects if one of them is missing. */
  async know(topics: Iterable<string>): Promise<void> {
    if (this.#closed) throw closed()
    await this.#connect()
    const missing = [...topics].filter((topic) => !this.#topics.has(topic))
    if (missing.length === 0 && this.cluster.brokerPool.metadata !== null) return
    try {
      await this.cluster.addMultipleTargetTopics(missing)
    } catch (error) {
      if (!isOfATopic(error) || (await this.#dropRefused()) === 0) throw error
      await this.cluster.addMultipleTargetTopics(missing)
    }
    for (const topic of missing) this.#topics.add(topic)
  }

  #connect(): Promise<void> {
    this.#connected ??= this.cluster.connect().catch((error: unknown) => {
      this.#connected = null
      throw error
    })
    return this.#connected
  }

  /** Asks no more for known topics that are missing now. Resolves with how many those were. */
  async #dropRefused(): Promise<number> {
    const facts = await factsFrom(await this.cluster.findControllerBroker(), [...this.#topics])
    const refused = facts.filter(({ name, errorCode }) => errorCode !== 0 && this.#topics.delete(name))
    for (const { name } of refused) this.cluster.targetTopics.delete(name)
    return refused.length
  }

  leaderOf(topic: string, partition: number): string {
    const { metadata } = this.cluster.brokerPool
    if (metadata !== this.#leadersOf) {
      this.#leaders.clear()
      this.#leadersOf = metadata
    }
    let known = this.#leaders.get(topic)
    if (known === undefined) this.#leaders.set(topic, (known = []))
    return (known[partition] ??= this.#findLeader(topic, partition))
  }

  #findLeader(topic: string, partition: number): string {
    if (!this.#topics.has(topic)) {
      this.#missed.add(topic)
      const missing = new Error(`nothing is known of ${topic}`)
      throw Object.assign(missing, { type: 'UNKNOWN_TOPIC_OR_PARTITION', retriable: true })
    }
    const [leader] = Object.keys(this.cluster.findLeaderForPartitions(topic, [partition]))
    if (leader !== undefined && leader !== '-1') return leader
    const error = new Error(`${topic}[${partition}] has no leader`)
    throw Object.assign(error, { type: 'LEADER_NOT_AVAILABLE', retriable: true })
  }

  coordinator(kind: CoordinatorKind, id: string): Promise<Broker> {
    const key = `${kind} ${id}`
    const known = this.#coordinators.get(key)
    if (known !== undefined) return known
    const asked = this.cluster.findGroupCoordinator({
      groupId: id,
      coordinatorType: this.#client.coordinatorType(kind),
    })
    this.#coordinators.set(key, asked)
    asked.catch(() => this.#coordinators.delete(key))
    return asked
  }

  /** After an error: forgets who answered, so that the next request asks again. */
  async recover(error: unknown): Promise<void> {
    if (this.#closed || (!isUnreachable(error) && !isMisdirected(error))) return
    this.#coordinators.clear()
    const { host, port } = error as { host?: string; port?: number }
    if (host !== undefined && port !== undefined) this.cluster.removeBroker({ host, port })
    await this.#refresh().catch(() => {})
    const missed = [...this.#missed]
    this.#missed.clear()
    for (const topic of missed) await this.know([topic]).catch(() => {})
  }

  async #refresh(): Promise<void> {
    try {
      await this.cluster.refreshMetadata()
    } catch (error) {
      if (!isOfATopic(error) || (await this.#dropRefused()) === 0) throw error
      await this.cluster.refreshMetadata()
    }
  }

  /** Resolves in a few seconds at most: what does not answer by then is left to the client's own close. */
  async close(): Promise<void> {
    this.#closed = true
    await within(CLOSE_MS, this.#disconnect())
  }

  /** kafkajs waits for requests that are under way, and not all of them end. */
  async #disconnect(): Promise<void> {
    await this.#connected?.catch(() => {})
    await this.cluster.disconnect().catch(() => {})
  }
}

export class Link {
  readonly #connections: Connections
  readonly #isShared: boolean
  readonly #topics: readonly string[]
  #connected: Promise<void> | null = null
  #closed = false

  /** `shared`: connections of others too, which outlive the link. */
  constructor(client: Client, topics: readonly string[], shared?: Connections) {
    this.#connections = shared ?? new Connections(client)
    this.#isShared = shared !== undefined
    this.#topics = topics
  }

  get cluster(): Cluster {
    return this.#connections.cluster
  }

  /** Connects once; later calls return at once. Rejects if no broker answers or a topic is missing. */
  connect(): Promise<void> {
    if (this.#closed) return Promise.reject(closed())
    this.#connected ??= this.#connections.know(this.#topics).catch((error: unknown) => {
      this.#connected = null
      throw error
    })
    return this.#connected
  }

  /** Makes sure that leaders of these topics are known. */
  async know(topics: Iterable<string>): Promise<void> {
    await this.connect()
    await this.#connections.know(topics)
  }

  leaderOf(topic: string, partition: number): string {
    return this.#connections.leaderOf(topic, partition)
  }

  async coordinator(kind: CoordinatorKind, id: string): Promise<Broker> {
    await this.connect()
    return this.#connections.coordinator(kind, id)
  }

  /** After an error: forgets who answered, so that the next request asks again. */
  async recover(error: unknown): Promise<void> {
    if (!this.#closed) await this.#connections.recover(error)
  }

  async attempt<T>(work: () => Promise<T>, options: AttemptOptions): Promise<T> {
    const { withinMs, abandoned = () => false, retryable = isTransient } = options
    const deadline = performance.now() + withinMs
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS)) {
      try {
        await this.connect()
        return await work()
      } catch (error) {
        if (!retryable(error) || abandoned() || performance.now() + pauseMs > deadline) throw error
        await this.recover(error)
        await pause(pauseMs)
      }
    }
  }

  /** Nothing begins after it. Connections of its own are closed, in a few seconds at most. */
  async close(): Promise<void> {
    this.#closed = true
    if (!this.#isShared) await this.#connections.close()
  }
}

function closed(): Error {
  return new Error('these connections to Kafka are closed')
}

function isOfATopic(error: unknown): boolean {
  return OF_A_TOPIC.has(errorType(error) ?? '')
}

/** Resolves when the work does, or after this time. */
export async function within(limitMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, limitMs)))
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}

export function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs))
}
