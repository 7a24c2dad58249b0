// The newest records of each partition, kept as they were written: most are read within a moment, and then
// need no query. Only a gapless run is kept; the file is authoritative.
import type { ReadLimit, Slot, StoredRecord } from './storage.ts'

const MAX_RECORDS = 32
const MAX_BYTES = 262_144

interface Recent {
  readonly records: StoredRecord[]
  bytes: number
}

export class RecentRecords {
  readonly #slots = new Map<number, Recent>()

  add(slot: Slot, record: StoredRecord): void {
    let recent = this.#slots.get(slot.id)
    if (!recent) this.#slots.set(slot.id, (recent = { records: [], bytes: 0 }))
    recent.records.push(record)
    recent.bytes += record.value?.length ?? 0
    while (recent.records.length > MAX_RECORDS || recent.bytes > MAX_BYTES) {
      const dropped = recent.records.shift()
      recent.bytes -= dropped?.value?.length ?? 0
    }
  }

  /** Null: the file must be read. */
  read(slot: Slot, fromOffset: number, limit: ReadLimit): StoredRecord[] | null {
    const records = this.#slots.get(slot.id)?.records
    const first = records?.[0]
    if (!records || !first || fromOffset < first.offset) return null
    const start = fromOffset - first.offset
    const found: StoredRecord[] = []
    let bytes = 0
    for (let index = start; index < records.length && found.length < limit.records; index++) {
      const record = records[index] as StoredRecord
      // Offsets skip numbers after a failed transaction; then the index says nothing.
      if (record.offset !== fromOffset + found.length) return null
      found.push(record)
      bytes += record.value?.length ?? 0
      if (bytes >= limit.bytes) break
    }
    return found
  }

  /** Call after a failed transaction or a deletion: records that are not in the file must not be read. */
  clear(): void {
    this.#slots.clear()
  }
}
