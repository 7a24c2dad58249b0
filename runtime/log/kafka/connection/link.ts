// One set of connections, with the known leaders of partitions and coordinators of groups and transactional
// ids.
//
// 1. A broker answers a connection's requests in order, and a JoinGroup or a long fetch blocks it. So every
//    lane, every group member and every fetcher has its own link.
// 2. `attempt` retries transient errors until its deadline, finding leaders and coordinators again on the
//    way; what it throws in the end is the last error. A try that is under way then has the time of one request left: each
//    may consist of many (a connection, a sign-in, a leader), and kafkajs repeats some of them. A first try that nobody
//    has answered by the deadline is followed by another one: a broker that is stopped leads nothing any more by then, and
//    who does is known. So an attempt takes the time of two requests, or its own and that of one, whichever is longer.
// 3. Nothing begins on a link that is closed: kafkajs would reconnect, and nobody would close those
//    connections.
// 4. With `leavesOut`, for a link that many readers share, a topic that is missing or may not be read is left out:
//    kafkajs learns of no leader, and of no broker, while one of the topics that it asks for has such an error.
import type { Broker, Client, Cluster, CoordinatorKind } from './client.ts'
import { errorType, isMisdirected, isTransient, isUnreachable, Unanswered } from '../errors.ts'

const FIRST_PAUSE_MS = 2
const LONGEST_PAUSE_MS = 250
const CLOSE_MS = 5_000
const TOPIC_ERRORS = new Set([
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

export class Link {
  readonly cluster: Cluster
  readonly #client: Client
  readonly #topics: Set<string>
  readonly #leavesOut: boolean
  readonly #coordinators = new Map<string, Promise<Broker>>()
  /** Leaders by topic and partition, of this metadata: a fetch asks for each of its partitions. */
  readonly #leaders = new Map<string, (string | null)[]>()
  #leadersOf: object | null = null
  #connected: Promise<void> | null = null
  #closed = false

  constructor(client: Client, topics: readonly string[], { leavesOut = false } = {}) {
    this.#client = client
    this.#leavesOut = leavesOut
    this.cluster = client.cluster()
    this.#topics = new Set(topics)
  }

  /** Connects once; later calls return at once. Rejects if no broker answers or a topic is missing. */
  connect(): Promise<void> {
    if (this.#closed) return Promise.reject(new Error('these connections to Kafka are closed'))
    this.#connected ??= this.#dial().catch((error: unknown) => {
      this.#connected = null
      throw error
    })
    return this.#connected
  }

  async #dial(): Promise<void> {
    await this.cluster.connect()
    await this.cluster.addMultipleTargetTopics([...this.#topics])
  }

  /** Makes sure that leaders of these topics are known. Rejects after the time of two requests at the latest. */
  know(topics: Iterable<string>): Promise<void> {
    return answeredWithin(2 * this.#client.requestTimeoutMs, this.#know(topics))
  }

  async #know(topics: Iterable<string>): Promise<void> {
    await this.connect()
    const missing = [...topics].filter((topic) => !this.#topics.has(topic))
    if (missing.length === 0) return
    await this.cluster.addMultipleTargetTopics(missing)
    for (const topic of missing) this.#topics.add(topic)
  }

  leaderOf(topic: string, partition: number): string {
    const leader = this.knownLeader(topic, partition)
    if (leader !== null) return leader
    const error = new Error(`${topic}[${partition}] has no leader`)
    throw Object.assign(error, { type: 'LEADER_NOT_AVAILABLE', retriable: true })
  }

  /** Null if the partition has none, or it is not known. */
  knownLeader(topic: string, partition: number): string | null {
    const { metadata } = this.cluster.brokerPool
    if (metadata !== this.#leadersOf) {
      this.#leaders.clear()
      this.#leadersOf = metadata
    }
    let known = this.#leaders.get(topic)
    if (known === undefined) this.#leaders.set(topic, (known = []))
    return (known[partition] ??= this.#findLeader(topic, partition))
  }

  #findLeader(topic: string, partition: number): string | null {
    if (this.cluster.brokerPool.metadata === null) return null
    const [leader] = Object.keys(this.cluster.findLeaderForPartitions(topic, [partition]))
    return leader === undefined || leader === '-1' ? null : leader
  }

  async coordinator(kind: CoordinatorKind, id: string): Promise<Broker> {
    await this.connect()
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
    await this.refresh()
  }

  /** Asks again who leads, if a broker answers. */
  async refresh(): Promise<void> {
    await this.cluster.refreshMetadata().catch((error: unknown) => this.#leaveOut(error))
  }

  /** Those that are left out are asked for again by `know`. */
  async #leaveOut(error: unknown): Promise<void> {
    if (!this.#leavesOut || !TOPIC_ERRORS.has(errorType(error) ?? '')) return
    const topics = [...this.#topics]
    this.#topics.clear()
    this.cluster.targetTopics.clear()
    for (const topic of topics) await this.know([topic]).catch(() => {})
  }

  attempt<T>(work: () => Promise<T>, options: AttemptOptions): Promise<T> {
    const { withinMs, abandoned = () => false } = options
    const { requestTimeoutMs } = this.#client
    let isOver = false
    const tries = this.#tries(work, { ...options, abandoned: () => isOver || abandoned() })
    const limitMs = Math.max(withinMs, requestTimeoutMs) + requestTimeoutMs
    return answeredWithin(limitMs, tries).finally(() => (isOver = true))
  }

  async #tries<T>(work: () => Promise<T>, options: AttemptOptions): Promise<T> {
    const { withinMs, abandoned = () => false, retryable = isTransient } = options
    const deadline = performance.now() + withinMs
    let isFirst = true
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS)) {
      try {
        await this.connect()
        return await work()
      } catch (error) {
        const isOver = performance.now() + pauseMs > deadline && !(isFirst && isUnreachable(error))
        if (!retryable(error) || abandoned() || isOver) throw error
        isFirst = false
        await this.recover(error)
        await pause(pauseMs)
      }
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

/** Resolves when the work does, or after this time. */
export async function within(limitMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, limitMs)))
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}

/** Resolves as the work does. Rejects after this time, though the work goes on. */
export function answeredWithin<T>(limitMs: number, work: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Unanswered(limitMs)), limitMs)
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

export function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs))
}
