// An index by key of the records of topics that are looked up. Written in bulk with the index by offset
// (record-table.ts); records that are not indexed yet are tracked in memory.
import type { StatementSync } from 'node:sqlite'
import { topics } from '../../../schemas/topics.ts'
import type { DataFile } from '../../store/data-file/data-file.ts'
import type { LogTopic } from '../port.ts'

const lookedUp = topics.filter((spec) => spec.lookedUp === true).map(({ name }) => name)
/** Slots of every fleet in the file. */
export const lookedUpSlots = `SELECT id FROM slots WHERE topic IN (${lookedUp.map((name) => `'${name}'`).join()})`

export const isLookedUp = (topic: LogTopic): boolean => lookedUp.includes(topic)

/** Releases without this index move `record_index` alone; opening the file adds the records they indexed. */
export const keyTables = `
CREATE TABLE IF NOT EXISTS record_keys (
  slot INTEGER NOT NULL, key TEXT NOT NULL, record_offset INTEGER NOT NULL,
  PRIMARY KEY (slot, key, record_offset)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS record_key_index (one INTEGER PRIMARY KEY, up_to INTEGER NOT NULL) STRICT;
INSERT OR IGNORE INTO record_key_index VALUES (1, 0);
INSERT OR IGNORE INTO record_keys SELECT slot, key, record_offset FROM records
  WHERE id > (SELECT up_to FROM record_key_index) AND id <= (SELECT up_to FROM record_index)
  AND key IS NOT NULL AND slot IN (${lookedUpSlots});
UPDATE record_key_index SET up_to = (SELECT up_to FROM record_index);`

export class KeyTable {
  readonly #ofKey: StatementSync
  readonly #index: StatementSync
  readonly #move: StatementSync
  readonly #has: StatementSync
  readonly #remove: StatementSync
  /** Offsets by key and slot, of records that are not indexed. */
  #waiting = new Map<number, Map<string, number[]>>()

  constructor({ db }: DataFile) {
    this.#ofKey = db.prepare(
      'SELECT record_offset FROM record_keys WHERE slot = ? AND key = ? ORDER BY record_offset',
    )
    this.#index = db.prepare(
      `INSERT INTO record_keys SELECT slot, key, record_offset FROM records
       WHERE id > ? AND key IS NOT NULL AND slot IN (${lookedUpSlots}) ORDER BY slot, key, record_offset`,
    )
    this.#move = db.prepare('UPDATE record_key_index SET up_to = ?')
    this.#has = db.prepare(`SELECT 1 WHERE ? IN (${lookedUpSlots})`)
    this.#remove = db.prepare(
      `DELETE FROM record_keys WHERE (slot, key, record_offset) IN (
         SELECT r.slot, r.key, r.record_offset FROM record_offsets o JOIN records r ON r.id = o.id
         WHERE o.slot = ? AND o.record_offset < ? ORDER BY o.record_offset LIMIT ?)`,
    )
  }

  /** Ascending. */
  offsetsOf(slot: number, key: string): number[] {
    const indexed = this.#ofKey.all(slot, key).map((row) => row['record_offset'] as number)
    return [...indexed, ...(this.#waiting.get(slot)?.get(key) ?? [])]
  }

  note(slot: number, key: string, offset: number): void {
    let ofSlot = this.#waiting.get(slot)
    if (!ofSlot) this.#waiting.set(slot, (ofSlot = new Map()))
    ofSlot.set(key, [...(ofSlot.get(key) ?? []), offset])
  }

  forget(): void {
    this.#waiting = new Map()
  }

  /** Indexes the records in (`afterId`, `upToId`]. Call inside a transaction. */
  index(afterId: number, upToId: number): void {
    this.#index.run(afterId)
    this.#move.run(upToId)
    this.forget()
  }

  /** Removes the oldest `limit` records below `end` before they are deleted. Call inside a transaction. */
  remove(slot: number, end: number, limit: number): void {
    if (this.#has.get(slot)) this.#remove.run(slot, end, limit)
  }
}
