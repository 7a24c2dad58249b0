// The transactions of one lane under its own transactional id.
//
// 1. Opening (`renew`) fences every former owner and waits until its last transaction is complete, so that
//    positions and rows read afterwards are final.
// 2. A transaction is: add partitions and offsets; send records and offsets side by side; end. Only the request
//    to end it with a commit can leave its outcome unknown. That request alone is repeated (it is idempotent within
//    an epoch); if no answer comes, or an ambiguous one after a lost answer, the outcome is CommitUncertain.
// 3. Whatever fails before that request is CommitFailed: the transaction is aborted, or left to the next `renew`,
//    and the session is spent, because sequence numbers may have been used.
import { CommitFailed, CommitUncertain, LaneFenced } from '../port.ts'
import type { Broker } from './client.ts'
import { isFencing, isTransient, isUnreachable, messageOf } from './errors.ts'
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

  renew(): Promise<void> {
    return this.#session.renew()
  }

  /** One transaction. Resolves with the offsets written. Rejects as the port says. */
  async commit(records: readonly PartitionRecords[], offsets: GroupOffsets): Promise<Offsets> {
    let written: Offsets
    try {
      await this.#begin(records, offsets)
      written = await this.#write(records, offsets)
    } catch (error) {
      throw await this.#giveUp(error)
    }
    await this.#end()
    return written
  }

  async #begin(records: readonly PartitionRecords[], offsets: GroupOffsets): Promise<void> {
    const partitions = Map.groupBy(records, ({ topic }) => topic)
    const topics = [...partitions].map(([topic, of]) => ({ topic, partitions: of.map((r) => r.partition) }))
    await this.#link.know(partitions.keys())
    await both(
      topics.length === 0 ? null : this.#ask((broker, id) => broker.addPartitionsToTxn({ ...id, topics })),
      offsets.topics.length === 0
        ? null
        : this.#ask((broker, id) => broker.addOffsetsToTxn({ ...id, groupId: offsets.groupId })),
    )
  }

  async #write(records: readonly PartitionRecords[], offsets: GroupOffsets): Promise<Offsets> {
    const sending = this.#session.send(records)
    await both(sending, offsets.topics.length === 0 ? null : this.#sendOffsets(offsets))
    return sending
  }

  #sendOffsets(offsets: GroupOffsets): Promise<unknown> {
    const identity = this.#identity()
    return this.#link.attempt(
      async () => {
        const broker = await this.#link.coordinator('group', offsets.groupId)
        return broker.txnOffsetCommit({ ...identity, ...offsets })
      },
      { withinMs: this.#options.deliveryTimeoutMs },
    )
  }

  /** A request to the transaction's coordinator; right after a commit it answers CONCURRENT_TRANSACTIONS for a moment. */
  #ask(request: (broker: Broker, identity: TransactionIdentity) => Promise<unknown>): Promise<unknown> {
    const identity = this.#identity()
    return this.#link.attempt(async () => request(await this.#coordinator(), identity), {
      withinMs: this.#options.deliveryTimeoutMs,
    })
  }

  async #end(): Promise<void> {
    let lost = false
    const identity = this.#identity()
    try {
      await this.#link.attempt(
        async () => {
          const broker = await this.#coordinator()
          try {
            await broker.endTxn({ ...identity, transactionResult: true })
          } catch (error) {
            lost ||= isUnreachable(error)
            throw error
          }
        },
        { withinMs: this.#options.deliveryTimeoutMs, retryable: isTransient },
      )
    } catch (error) {
      this.#session.spend()
      const where = `ending a transaction of ${this.#options.transactionalId}`
      if (isFencing(error) && !lost) throw new LaneFenced(`${where}: ${messageOf(error)}`, { cause: error })
      throw new CommitUncertain(`${where}: ${messageOf(error)}`, { cause: error })
    }
  }

  async #giveUp(error: unknown): Promise<Error> {
    const where = `committing as ${this.#options.transactionalId}`
    if (isFencing(error)) {
      this.#session.spend()
      return new LaneFenced(`${where}: another process has opened this lane`, { cause: error })
    }
    const fenced = await this.#abort()
    this.#session.spend()
    if (fenced) return new LaneFenced(`${where}: another process has opened this lane`, { cause: error })
    return new CommitFailed(`${where}: ${messageOf(error)}`, { cause: error })
  }

  /** Ends the transaction now rather than at the next `renew`, so that readers behind it go on. True when fenced. */
  async #abort(): Promise<boolean> {
    if (this.#aborting === null) return false
    const identity = this.#aborting
    try {
      const broker = await this.#coordinator()
      await broker.endTxn({ ...identity, transactionResult: false })
      return false
    } catch (error) {
      return isFencing(error)
    }
  }

  #aborting: TransactionIdentity | null = null

  #identity(): TransactionIdentity {
    const { transactionalId } = this.#options
    this.#aborting = { transactionalId, ...this.#session.identity }
    return this.#aborting
  }

  #coordinator(): Promise<Broker> {
    return this.#link.coordinator('transaction', this.#options.transactionalId)
  }
}

interface TransactionIdentity {
  readonly transactionalId: string
  readonly producerId: string
  readonly producerEpoch: number
}

/** Waits for both before it throws: nothing of a transaction may still be under way when it is ended. */
async function both(first: Promise<unknown> | null, second: Promise<unknown> | null): Promise<void> {
  for (const outcome of await Promise.allSettled([first, second]))
    if (outcome.status === 'rejected') throw outcome.reason
}
