// Filters the records of a fetched partition that a read_committed reader may see (invariant 5 of the port).
//
// 1. Brokers list aborted transactions in the order in which they ended; here they are applied in the order
//    in which they began, all that began up to a record, from every producer.
// 2. A transaction that began before the fetched offset is on the list too.
// 3. The abort marker of a producer ends its transaction; its later records count again.
// 4. Control records are never seen, but the position moves past them, and past a batch of which compaction has left
//    nothing: an answer may hold no other, because brokers do not read on in the next segment.
import type { FetchedPartition, RawMessage } from '../connection/client.ts'

/** Key of a control record: version 0, type 0 (abort). */
const isAbortMarker = (message: RawMessage): boolean =>
  message.isControlRecord &&
  message.key !== null &&
  message.key.length >= 4 &&
  message.key.readInt16BE(2) === 0

export interface Readable {
  readonly messages: readonly RawMessage[]
  /** Where to fetch next: `fromOffset` again if there was nothing. */
  readonly nextOffset: number
}

export function committedMessages(fetched: FetchedPartition, fromOffset: number): Readable {
  const begun = fetched.abortedTransactions
    .map(({ producerId, firstOffset }) => ({ producerId, firstOffset: Number(firstOffset) }))
    .sort((a, b) => a.firstOffset - b.firstOffset)
  const aborting = new Set<string>()
  const messages: RawMessage[] = []
  let taken = 0
  for (const message of fetched.messages) {
    const offset = Number(message.offset)
    for (let next = begun[taken]; next !== undefined && next.firstOffset <= offset; next = begun[++taken])
      aborting.add(next.producerId)
    const { producerId, inTransaction } = message.batchContext
    if (isAbortMarker(message)) aborting.delete(producerId)
    const hidden = message.isControlRecord || (inTransaction && aborting.has(producerId))
    if (!hidden && offset >= fromOffset) messages.push(message)
  }
  return { messages, nextOffset: Math.max(fromOffset, fetched.nextOffset ?? 0) }
}
