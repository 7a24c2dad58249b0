// Records of every partition in the data file, in order of arrival, with an index of their positions.
//
// 1. A commit appends to the end of one table, for all partitions: few pages are written. The index by
//    partition and offset, which touches a page for each partition, follows in bulk.
// 2. Records that are not indexed yet are tracked in memory. After a crash, opening resumes at
//    `record_index.up_to`.
// 3. Ids only grow, even past records that were deleted.
// 4. Topics that are looked up by key have an index of their keys too (key-table.ts).
import type { StatementSync } from 'node:sqlite'
import type { DataFile } from '../../store/data-file/data-file.ts'
import { damagedRow } from '../../store/data-file/errors.ts'
import { KeyTable, keyTables, lookedUpSlots } from './key-table.ts'
import type { LogRecord } from '../port.ts'
import type { ReadLimit, Slot } from './storage.ts'

const INDEX_EVERY = 1_000

const tables = `
CREATE TABLE IF NOT EXISTS records (
  id INTEGER PRIMARY KEY, slot INTEGER NOT NULL, record_offset INTEGER NOT NULL, timestamp_ms INTEGER NOT NULL,
  key TEXT, headers TEXT NOT NULL, value BLOB) STRICT;
CREATE TABLE IF NOT EXISTS record_offsets (
  slot INTEGER NOT NULL, record_offset INTEGER NOT NULL, id INTEGER NOT NULL,
  PRIMARY KEY (slot, record_offset)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS record_index (one INTEGER PRIMARY KEY, up_to INTEGER NOT NULL) STRICT;
INSERT OR IGNORE INTO record_index VALUES (1, 0);`

/** Format 1 kept a record's partition and offset in its id, slot * 2^40 + offset, and had no other index. */
const fromFormat1 = `
ALTER TABLE records RENAME TO records_1;
${tables}
INSERT INTO records SELECT NULL, id >> 40, id & 1099511627775, timestamp_ms, key, headers, value FROM records_1
  ORDER BY timestamp_ms, id;
DROP TABLE records_1;`

interface Row {
  record_offset: number
  timestamp_ms: number
  key: string | null
  headers: string
  value: Uint8Array | null
}

interface Tail {
  readonly offsets: number[]
  readonly ids: number[]
}

const tablesOf = new WeakMap<DataFile, RecordTable>()

/** Fleets that share a file share its records too. */
export function recordTable(file: DataFile): RecordTable {
  const table = tablesOf.get(file) ?? new RecordTable(file)
  tablesOf.set(file, table)
  return table
}

export class RecordTable {
  readonly #file: DataFile
  readonly #statements: ReturnType<typeof prepare>
  readonly #keys: KeyTable
  /** Records past `#indexedTo`, by slot. */
  #tails = new Map<number, Tail>()
  #waiting = 0
  #indexedTo = 0
  #nextId = 1
  #indexing = false

  constructor(file: DataFile) {
    this.#file = file
    createTables(file)
    this.#statements = prepare(file)
    this.#keys = new KeyTable(file)
    this.reload()
    this.#index()
  }

  append(slot: number, record: LogRecord, isLookedUp: boolean): void {
    const { offset, timestampMs, key, headers, value } = record
    const id = this.#nextId++
    this.#statements.insert.run(id, slot, offset, timestampMs, key, JSON.stringify(headers), value)
    this.#note(slot, offset, id)
    if (isLookedUp && key !== null) this.#keys.note(slot, key, offset)
    if (this.#waiting >= INDEX_EVERY) this.#indexSoon()
  }

  read(slot: Slot, fromOffset: number, limit: ReadLimit): LogRecord[] {
    const { indexed, one } = this.#statements
    const found: LogRecord[] = []
    let bytes = 0
    const take = (row: Row): boolean => {
      found.push(toRecord(slot, row))
      bytes += row.value?.length ?? 0
      return found.length < limit.records && bytes < limit.bytes
    }
    for (const row of indexed.iterate(slot.id, fromOffset, limit.records) as unknown as Iterable<Row>)
      if (!take(row)) return found
    const tail = this.#tails.get(slot.id)
    const start = tail?.offsets.findIndex((offset) => offset >= fromOffset) ?? -1
    if (!tail || start < 0) return found
    for (let at = start; at < tail.ids.length; at++) {
      const row = one.get(tail.ids[at] as number) as unknown as Row | undefined
      if (row && !take(row)) break
    }
    return found
  }

  /** Offsets of a topic that is looked up; ascending. */
  offsetsOf(slot: number, key: string): number[] {
    return this.#keys.offsetsOf(slot, key)
  }

  earliest(slot: number): number | undefined {
    const indexed = this.#statements.first.get(slot)?.['record_offset'] as number | undefined
    return indexed ?? this.#tails.get(slot)?.offsets[0]
  }

  newest(slot: number): number | undefined {
    const tail = this.#tails.get(slot)?.offsets.at(-1)
    return tail ?? (this.#statements.last.get(slot)?.['record_offset'] as number | undefined)
  }

  /** Deletes at most `limit` records below `end` older than `beforeMs`. Call inside a transaction. */
  expire(slot: number, end: number, beforeMs: number, limit: number): number {
    const { stays, removeRecords, removeOffsets } = this.#statements
    this.#index()
    const keep = (stays.get(slot, end, beforeMs)?.['record_offset'] as number | undefined) ?? end
    this.#keys.remove(slot, keep, limit)
    removeRecords.run(slot, keep, limit)
    return Number(removeOffsets.run(slot, keep, limit).changes)
  }

  /** Call after a failed transaction: restores memory from the file. */
  reload(): void {
    const { newestId, indexedTo, unindexed } = this.#statements
    this.#tails = new Map()
    this.#keys.forget()
    this.#waiting = 0
    this.#indexedTo = (indexedTo.get()?.['up_to'] as number | undefined) ?? 0
    this.#nextId = 1 + Math.max(this.#indexedTo, (newestId.get()?.['id'] as number | null) ?? 0)
    for (const { slot, record_offset: offset, id, key } of unindexed.iterate(this.#indexedTo)) {
      this.#note(slot as number, offset as number, id as number)
      if (key !== null) this.#keys.note(slot as number, key as string, offset as number)
    }
  }

  #note(slot: number, offset: number, id: number): void {
    const tail = this.#tails.get(slot)
    if (tail) {
      tail.offsets.push(offset)
      tail.ids.push(id)
    } else this.#tails.set(slot, { offsets: [offset], ids: [id] })
    this.#waiting++
  }

  #indexSoon(): void {
    if (this.#indexing) return
    this.#indexing = true
    const end = (): void => void (this.#indexing = false)
    this.#file
      .write(
        () => this.#index(),
        () => this.reload(),
      )
      .then(end, end)
  }

  /** Call inside a transaction, or before anything else uses the file. */
  #index(): void {
    if (this.#waiting === 0) return
    const { index, moveIndex } = this.#statements
    const from = this.#indexedTo
    index.run(from)
    this.#indexedTo = this.#nextId - 1
    this.#keys.index(from, this.#indexedTo)
    moveIndex.run(this.#indexedTo)
    this.#tails = new Map()
    this.#waiting = 0
  }
}

function createTables(file: DataFile): void {
  const columns = file.db.prepare(`SELECT name FROM pragma_table_info('records')`).all()
  const isOld = columns.length > 0 && !columns.some(({ name }) => name === 'slot')
  file.db.exec(`BEGIN IMMEDIATE; ${isOld ? fromFormat1 : tables} ${keyTables} COMMIT`)
}

function prepare({
  db,
}: DataFile): Record<
  | 'insert'
  | 'indexed'
  | 'one'
  | 'first'
  | 'last'
  | 'stays'
  | 'removeRecords'
  | 'removeOffsets'
  | 'newestId'
  | 'indexedTo'
  | 'unindexed'
  | 'index'
  | 'moveIndex',
  StatementSync
> {
  const fields = 'r.record_offset, r.timestamp_ms, r.key, r.headers, r.value'
  const oldest = 'FROM record_offsets WHERE slot = ? AND record_offset < ? ORDER BY record_offset LIMIT ?'
  return {
    insert: db.prepare('INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)'),
    indexed: db.prepare(
      `SELECT ${fields} FROM record_offsets o JOIN records r ON r.id = o.id
       WHERE o.slot = ? AND o.record_offset >= ? ORDER BY o.record_offset LIMIT ?`,
    ),
    one: db.prepare(`SELECT ${fields} FROM records r WHERE r.id = ?`),
    first: db.prepare(
      'SELECT record_offset FROM record_offsets WHERE slot = ? ORDER BY record_offset LIMIT 1',
    ),
    last: db.prepare(
      'SELECT record_offset FROM record_offsets WHERE slot = ? ORDER BY record_offset DESC LIMIT 1',
    ),
    // The oldest records are first, so the search ends at the first one that stays.
    stays: db.prepare(
      `SELECT o.record_offset FROM record_offsets o JOIN records r ON r.id = o.id
       WHERE o.slot = ? AND o.record_offset < ? AND r.timestamp_ms >= ? ORDER BY o.record_offset LIMIT 1`,
    ),
    removeRecords: db.prepare(`DELETE FROM records WHERE id IN (SELECT id ${oldest})`),
    removeOffsets: db.prepare(
      `DELETE FROM record_offsets WHERE (slot, record_offset) IN (SELECT slot, record_offset ${oldest})`,
    ),
    newestId: db.prepare('SELECT max(id) AS id FROM records'),
    indexedTo: db.prepare('SELECT up_to FROM record_index'),
    // The key, if records are looked up by it.
    unindexed: db.prepare(
      `SELECT slot, record_offset, id, iif(slot IN (${lookedUpSlots}), key, NULL) AS key
       FROM records WHERE id > ? ORDER BY id`,
    ),
    index: db.prepare(
      'INSERT INTO record_offsets SELECT slot, record_offset, id FROM records WHERE id > ? ORDER BY slot, record_offset',
    ),
    moveIndex: db.prepare('UPDATE record_index SET up_to = ?'),
  }
}

function toRecord({ topic, partition }: Slot, row: Row): LogRecord {
  const { record_offset: offset, timestamp_ms: timestampMs, key, value } = row
  return { topic, partition, offset, key, value, headers: headersIn(row, topic), timestampMs }
}

function headersIn({ headers, record_offset: offset }: Row, topic: string): Record<string, string> {
  try {
    return JSON.parse(headers) as Record<string, string>
  } catch {
    throw damagedRow(`record ${offset} of ${topic}`)
  }
}
