// The newest records of each partition, kept as they were written: most are read within a moment, and then
// need no query. Only a gapless run is kept; the file is authoritative.
import type { LogRecord } from '../port.ts'
import type { ReadLimit, Slot } from './storage.ts'

/** Past that many, the older half goes: dropping each alone would move the rest each time. */
const MAX_RECORDS = 48
const MAX_BYTES = 262_144

interface Recent {
  readonly records: LogRecord[]
  bytes: number
}

export class RecentRecords {
  readonly #slots = new Map<number, Recent>()

  add(slot: Slot, record: LogRecord): void {
    let recent = this.#slots.get(slot.id)
    if (!recent) this.#slots.set(slot.id, (recent = { records: [], bytes: 0 }))
    recent.records.push(record)
    recent.bytes += record.value?.length ?? 0
    if (recent.records.length > MAX_RECORDS || recent.bytes > MAX_BYTES) dropOlder(recent)
  }

  /** Null: the file must be read. */
  read(slot: Slot, fromOffset: number, limit: ReadLimit): LogRecord[] | null {
    const records = this.#slots.get(slot.id)?.records
    const first = records?.[0]
    if (!records || !first || fromOffset < first.offset) return null
    const start = fromOffset - first.offset
    const found: LogRecord[] = []
    let bytes = 0
    for (let index = start; index < records.length && found.length < limit.records; index++) {
      const record = records[index] as LogRecord
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

function dropOlder(recent: Recent): void {
  const { records } = recent
  let count = 0
  for (; count < records.length; count++) {
    if (records.length - count <= MAX_RECORDS / 2 && recent.bytes <= MAX_BYTES) break
    recent.bytes -= records[count]?.value?.length ?? 0
  }
  records.splice(0, count)
}
