// The transactions of one lane under its own transactional id.
//
// 1. Opening (`renew`) fences every former owner and waits until its last transaction is complete, so that
//    positions and rows read afterwards are final.
// 2. A transaction is: add partitions and offsets; send records and offsets side by side; end. In the second protocol
//    (second-protocol.ts) sending adds. Only the request to end it with a commit can leave its outcome unknown. That
//    request alone is repeated (it is idempotent within an epoch, and in the second protocol the repetition carries the
//    epoch of the transaction that it ends); if no answer comes, or an ambiguous one after a lost answer, the outcome is
//    CommitUncertain.
// 3. Whatever fails before that request is CommitFailed, or CommitRefused where the broker's answer is for good: the transaction is aborted, or left to the next `renew`,
//    and the session is spent, because sequence numbers may have been used.
// 4. A transaction begins only after the former one is complete. Until then brokers answer CONCURRENT_TRANSACTIONS, and
//    have taken nothing: the request is repeated.
import { CommitFailed, CommitRefused, CommitUncertain, LaneFenced } from '../port.ts'
import type { Broker, TransactionIdentity } from './client.ts'
import { isFencing, isTransient, isUnreachable, messageOf, refusedPart } from './errors.ts'
import type { Link } from './link.ts'
import { ProducerSession, type Offsets, type PartitionRecords } from './producer-session.ts'

export interface GroupOffsets {
  readonly groupId: string
  readonly topics: { topic: string; partitions: { partition: number; offset: string; metadata: string }[] }[]
}

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

  get usable(): boolean {
    return this.#session.usable
  }

  /** Of the transaction to come. */
  get identity(): TransactionIdentity {
    return { transactionalId: this.#options.transactionalId, ...this.#session.identity }
  }

  renew(): Promise<void> {
    return this.#session.renew()
  }

  /** One transaction. Resolves with the offsets written. Rejects as the port says. */
  async commit(records: readonly PartitionRecords[], offsets: GroupOffsets): Promise<Offsets> {
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
    return this.#link.attempt(
      async () => {
        const broker = await this.#link.coordinator('group', offsets.groupId)
        return this.#session.requestsTo(broker).txnOffsetCommit({ ...identity, ...offsets })
      },
      { withinMs: this.#options.deliveryTimeoutMs },
    )
  }

  /** A request to the transaction's coordinator; right after a commit it answers CONCURRENT_TRANSACTIONS for a moment. */
  #ask(request: (broker: Broker) => Promise<unknown>): Promise<unknown> {
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
      if (isFencing(error) && !lost) throw new LaneFenced(`${where}: ${messageOf(error)}`, { cause: error })
      throw new CommitUncertain(`${where}: ${messageOf(error)}`, { cause: error })
    }
  }

  async #giveUp(identity: TransactionIdentity, error: unknown): Promise<Error> {
    const where = `committing as ${this.#options.transactionalId}`
    if (isFencing(error)) {
      this.#session.spend()
      return new LaneFenced(`${where}: another process has opened this lane`, { cause: error })
    }
    const fenced = await this.#abort(identity)
    this.#session.spend()
    if (fenced) return new LaneFenced(`${where}: another process has opened this lane`, { cause: error })
    const refused = refusedPart(error)
    const message = `${where}: ${messageOf(error)}`
    if (refused) return new CommitRefused(message, refused, { cause: error })
    return new CommitFailed(message, { cause: error })
  }

  /** Ends the transaction now rather than at the next `renew`, so that readers behind it go on. True when fenced. */
  async #abort(identity: TransactionIdentity): Promise<boolean> {
    try {
      const broker = await this.#coordinator()
      await this.#session.requestsTo(broker).endTxn({ ...identity, transactionResult: false })
      return false
    } catch (error) {
      return isFencing(error)
    }
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
