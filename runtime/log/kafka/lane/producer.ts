// The transactions of one lane under its own transactional id.
//
// 1. Opening (`renew`) fences every former owner and waits until its last transaction is complete, so that
//    positions and rows read afterwards are final.
// 2. A transaction is: add partitions, and offsets if there are any; send records and offsets in parallel; end. In the
//    second protocol (../produce/transaction-v2.ts) sending adds. Only the request to end it with a commit can leave its
//    outcome unknown. That request alone is repeated (it is idempotent within an epoch, and in the second
//    protocol the repetition carries the epoch of the transaction that it ends); if no answer comes, or an
//    ambiguous one after a lost answer, the outcome is CommitUncertain.
// 3. A failure before that request wrote nothing. The transaction is aborted, and the abort returns the
//    identity of the next one: an epoch higher, which only its current holder can get. Then the outcome is
//    CommitFailed, and the lane goes on, or CommitRefused if the broker's answer is final. If the abort
//    fails, the session is spent and the outcome is LaneSpent: taking the transactional id again here would
//    fence a rightful new owner, so the lane must be reopened, which reads the current state.
// 4. A transaction begins only after the former one is complete. Until then brokers answer
//    CONCURRENT_TRANSACTIONS, without any effect: the request is repeated.
import { CommitFailed, CommitRefused, CommitUncertain, LaneFenced, LaneSpent } from '../../port.ts'
import type { Broker, OffsetTopics, TransactionIdentity } from '../connection/client.ts'
import {
  errorType,
  isFencing,
  isTransient,
  isUnreachable,
  refusedPart,
  transactionReason,
} from '../errors.ts'
import type { Link } from '../connection/link.ts'
import { ProducerSession, type Offsets, type PartitionRecords } from '../produce/producer-session.ts'
import { txnOffsetCommit } from '../produce/transaction-v2.ts'

/** Positions of a group that a transaction writes besides: an opening's, and those of a move. */
export type GroupOffsets = OffsetTopics

const NO_OFFSETS: GroupOffsets = { groupId: '', topics: [] }

export interface LaneProducerOptions {
  readonly transactionalId: string
  readonly transactionTimeoutMs: number
  readonly deliveryTimeoutMs: number
}

export class LaneProducer {
  readonly #link: Link
  readonly #session: ProducerSession
  readonly #options: LaneProducerOptions

  constructor(link: Link, options: LaneProducerOptions) {
    this.#link = link
    this.#options = options
    this.#session = new ProducerSession(link, options)
  }

  /** False when the session is spent: every later commit is LaneSpent. */
  get usable(): boolean {
    return this.#session.usable
  }

  /** Identity of the next transaction. */
  get identity(): TransactionIdentity {
    return { transactionalId: this.#options.transactionalId, ...this.#session.identity }
  }

  /** Takes the transactional id, which fences every former owner. Once, when the lane is opened. */
  open(): Promise<void> {
    return this.#session.renew()
  }

  /** One transaction. Resolves with the offsets written. Rejects as the port says. */
  async commit(records: readonly PartitionRecords[], offsets: GroupOffsets = NO_OFFSETS): Promise<Offsets> {
    if (!this.usable) throw this.#spent('committing', null)
    const { identity } = this
    let written: Offsets
    try {
      if (this.#session.protocol === 1) await this.#begin(identity, records, offsets)
      written = await this.#write(identity, records, offsets)
    } catch (error) {
      throw await this.#giveUp(identity, error)
    }
    await this.#end(identity)
    return written
  }

  async #begin(
    identity: TransactionIdentity,
    records: readonly PartitionRecords[],
    offsets: GroupOffsets,
  ): Promise<void> {
    const partitions = Map.groupBy(records, ({ topic }) => topic)
    const topics = [...partitions].map(([topic, of]) => ({ topic, partitions: of.map((r) => r.partition) }))
    await this.#link.know(partitions.keys())
    await both(
      topics.length === 0 ? null : this.#ask((broker) => broker.addPartitionsToTxn({ ...identity, topics })),
      offsets.topics.length === 0
        ? null
        : this.#ask((broker) => broker.addOffsetsToTxn({ ...identity, groupId: offsets.groupId })),
    )
  }

  async #write(
    identity: TransactionIdentity,
    records: readonly PartitionRecords[],
    offsets: GroupOffsets,
  ): Promise<Offsets> {
    const sending = this.#session.send(records)
    await both(sending, offsets.topics.length === 0 ? null : this.#sendOffsets(identity, offsets))
    return sending
  }

  #sendOffsets(identity: TransactionIdentity, offsets: GroupOffsets): Promise<unknown> {
    const { protocol } = this.#session
    return this.#link.attempt(
      async () => {
        const broker = await this.#link.coordinator('group', offsets.groupId)
        return txnOffsetCommit(broker, protocol, { ...identity, ...offsets })
      },
      { withinMs: this.#options.deliveryTimeoutMs },
    )
  }

  /** A request to the transaction's coordinator; right after a commit it answers CONCURRENT_TRANSACTIONS. */
  #ask<T>(request: (broker: Broker) => Promise<T>): Promise<T> {
    return this.#link.attempt(async () => request(await this.#coordinator()), {
      withinMs: this.#options.deliveryTimeoutMs,
    })
  }

  async #end(identity: TransactionIdentity): Promise<void> {
    let lost = false
    try {
      const next = await this.#link.attempt(
        async () => {
          const broker = await this.#coordinator()
          try {
            return await this.#session.requestsTo(broker).endTxn({ ...identity, transactionResult: true })
          } catch (error) {
            lost ||= isUnreachable(error)
            throw error
          }
        },
        { withinMs: this.#options.deliveryTimeoutMs, retryable: isTransient },
      )
      this.#session.adopt(next)
    } catch (error) {
      this.#session.spend()
      const where = `ending a transaction of ${this.#options.transactionalId}`
      if (isFencing(error) && !lost)
        throw new LaneFenced(`${where}: ${transactionReason(error)}`, { cause: error })
      throw new CommitUncertain(`${where}: ${transactionReason(error)}`, { cause: error })
    }
  }

  async #giveUp(identity: TransactionIdentity, error: unknown): Promise<Error> {
    const where = `committing as ${this.#options.transactionalId}`
    const message = `${where}: ${transactionReason(error)}`
    if (isFencing(error)) return this.#fenced(where, error)
    // Final, even if the abort fails: the lane is reopened, and knows what was refused.
    const part = refusedPart(error)
    const refused = part && new CommitRefused(message, part, { cause: error })
    try {
      await this.#abort(identity)
      return refused ?? new CommitFailed(message, { cause: error })
    } catch (failed) {
      if (isFencing(failed)) return this.#fenced(where, error)
      this.#session.spend()
      return refused ?? this.#spent(`${message}; aborting: ${transactionReason(failed)}`, error)
    }
  }

  #fenced(where: string, cause: unknown): LaneFenced {
    this.#session.spend()
    const taken = 'another process has taken this lane'
    // Brokers answer the same to the former owner of a lane that was taken since.
    const isForgotten = errorType(cause) === 'INVALID_PRODUCER_ID_MAPPING'
    const why = isForgotten ? `${taken}, or it had no commit for transactional.id.expiration.ms` : taken
    return new LaneFenced(`${where}: ${why}`, { cause })
  }

  #spent(what: string, cause: unknown): LaneSpent {
    return new LaneSpent(`${what}: the producer ${this.#options.transactionalId} is spent`, { cause })
  }

  /** Ends the transaction now, not at the next opening, so that readers are not blocked. */
  async #abort(identity: TransactionIdentity): Promise<void> {
    const next = await this.#ask((broker) =>
      this.#session.requestsTo(broker).endTxn({ ...identity, transactionResult: false }),
    )
    if (next) this.#session.adopt(next)
    else await this.#ask((broker) => this.#session.advance(broker, identity))
  }

  #coordinator(): Promise<Broker> {
    return this.#link.coordinator('transaction', this.#options.transactionalId)
  }
}

/** Waits for both before it throws: nothing of a transaction may still be under way when it is ended. */
async function both(first: Promise<unknown> | null, second: Promise<unknown> | null): Promise<void> {
  for (const outcome of await Promise.allSettled([first, second]))
    if (outcome.status === 'rejected') throw outcome.reason
}
