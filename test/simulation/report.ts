// The report of a run, and a watch on the journal during it.
import { createHash } from 'node:crypto'
import type { CallOutcome } from '../../runtime/stage.ts'
import type { KeyValue } from '../../runtime/store/port.ts'
import type { CallBook } from '../../runtime/testing/simulator/call-book.ts'
import type { Evidence } from './evidence.ts'

/** Prefix of entries of the call journal. */
export const ENTRY = 'journal:'

/** Hash of the bytes that were written: as JSON they would take as long as the invariants. */
export function digestOf(written: Evidence['written'], seen: unknown): string {
  const hash = createHash('sha256')
  for (const { topic, partition, offset, eventId, causeId, atMs, value } of written) {
    hash.update(`${topic} ${partition}:${offset} ${eventId} ${causeId} ${atMs} `)
    hash.update(value)
  }
  hash.update(JSON.stringify(seen))
  return hash.digest('hex').slice(0, 16)
}

/** Counts tasks by their end; for those ended by a budget, by whether they had begun. */
export function endingsOf(evidence: Evidence): Record<string, number> {
  const endings: Record<string, number> = {}
  for (const { data } of evidence.of('TaskCompleted')) {
    const name = data.error?.code ?? data.status
    const ending = name === 'BUDGET_EXCEEDED' && data.usage.modelCalls > 0 ? `${name}, midway` : name
    endings[ending] = (endings[ending] ?? 0) + 1
  }
  return endings
}

/** Reports each outcome as it is journalled. */
export function watched(store: KeyValue, book: CallBook): KeyValue {
  const note = (key: string, text: string): void => {
    if (!key.startsWith(ENTRY) || !text.includes('"state":"done"')) return
    book.noteJournalled(key.slice(ENTRY.length), (JSON.parse(text) as { outcome: CallOutcome }).outcome)
  }
  return {
    ...store,
    set: (key, value, ttlMs) => {
      note(key, value)
      return store.set(key, value, ttlMs)
    },
    compareAndSet: async (...write) => {
      const result = await store.compareAndSet(...write)
      if (result.swapped) note(write[0], write[2])
      return result
    },
  }
}
