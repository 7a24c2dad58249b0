// An incremental fetch session with one broker (KIP-227): the broker remembers the partitions and their offsets, a
// request names only what has changed, and an answer only partitions with something new.
//
// 1. After a failed request it is unknown what the broker remembers: the next request begins a session.
// 2. A broker that keeps no session (it has too many, or knows none) is sent every partition each time.
// 3. Records that were not taken come again: the offset that the broker remembers is that of the last request.
// 4. Without a session each request begins with another partition, as the broker does within one: records that are
//    larger than the limit of a partition come only for the first partition that has some.
import type { Broker } from '../connection/client.ts'
import { errorType } from '../errors.ts'
import {
  fetchFrom,
  type FetchAnswer,
  type FetchLimits,
  type PartitionFetch,
  type TopicPartition,
} from './request.ts'

/** The broker has dropped the session, or is at another request of it. */
const LOST = new Set(['FETCH_SESSION_ID_NOT_FOUND', 'INVALID_FETCH_SESSION_EPOCH'])
const LAST_EPOCH = 2 ** 31 - 1

export class FetchSession {
  #id = 0
  #epoch = 0
  /** The partitions that the broker remembers, with the offset of each. */
  #held = new Map<PartitionFetch, number>()
  /** Answers in a row to requests for a session that gave none. */
  #refused = 0

  async fetch(
    broker: Broker,
    wanted: readonly PartitionFetch[],
    limits: FetchLimits,
  ): Promise<readonly TopicPartition[]> {
    const isIncremental = this.#id !== 0
    const offsets = new Map(wanted.map((each) => [each, each.offset]))
    const partitions = isIncremental
      ? wanted.filter((each) => this.#held.get(each) !== each.offset)
      : rotated(wanted, this.#refused)
    const forgotten = this.#forgotten(offsets, partitions)
    const session = { id: this.#id, epoch: this.#epoch }
    let answer: FetchAnswer
    try {
      answer = await fetchFrom(broker, { session, ...limits, partitions, forgotten })
    } catch (error) {
      this.#end()
      if (isIncremental && LOST.has(errorType(error) ?? '')) return this.fetch(broker, wanted, limits)
      throw error
    }
    this.#answered(answer.sessionId, offsets)
    return answer.partitions
  }

  /** A partition that is named again, by another reader of it, is not forgotten: the broker would drop it. */
  #forgotten(
    wanted: ReadonlyMap<PartitionFetch, number>,
    named: readonly PartitionFetch[],
  ): PartitionFetch[] {
    const gone = [...this.#held.keys()].filter((held) => !wanted.has(held))
    if (gone.length === 0) return gone
    return gone.filter(
      ({ topic, partition }) => !named.some((each) => each.topic === topic && each.partition === partition),
    )
  }

  #answered(sessionId: number, offsets: Map<PartitionFetch, number>): void {
    this.#refused = sessionId === 0 ? this.#refused + 1 : 0
    if (sessionId === 0) return this.#end()
    this.#id = sessionId
    this.#epoch = this.#epoch === LAST_EPOCH ? 1 : this.#epoch + 1
    this.#held = offsets
  }

  #end(): void {
    this.#id = 0
    this.#epoch = 0
    this.#held = new Map()
  }
}

function rotated<T>(items: readonly T[], by: number): T[] {
  const first = by % Math.max(1, items.length)
  return [...items.slice(first), ...items.slice(0, first)]
}
