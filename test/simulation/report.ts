// What a run is remembered by, and what the journal says while it goes on.
import { createHash } from 'node:crypto'
import type { CallOutcome } from '../../runtime/stage.ts'
import type { KeyValue } from '../../runtime/store/port.ts'
import type { CallBook } from '../../runtime/testing/simulator/call-book.ts'
import type { Evidence } from './evidence.ts'

/** Of the call journal. */
export const ENTRY = 'journal:'

/** Bytes by their hash: as JSON a megabyte of them is ten. */
export function readable(this: unknown, name: string, value: unknown): unknown {
  const raw = (this as Record<string, unknown>)[name]
  return raw instanceof Uint8Array ? createHash('sha256').update(raw).digest('hex') : value
}

/** What a budget ended is told apart by whether the task had begun. */
export function endingsOf(evidence: Evidence): Record<string, number> {
  const endings: Record<string, number> = {}
  for (const { data } of evidence.of('TaskCompleted')) {
    const name = data.error?.code ?? data.status
    const ending = name === 'BUDGET_EXCEEDED' && data.usage.modelCalls > 0 ? `${name}, midway` : name
    endings[ending] = (endings[ending] ?? 0) + 1
  }
  return endings
}

/** Sees each outcome as it is journalled. */
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
    compareAndSet: async (key, expected, next, ttlMs) => {
      const result = await store.compareAndSet(key, expected, next, ttlMs)
      if (result.swapped) note(key, next)
      return result
    },
  }
}
