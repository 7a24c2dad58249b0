// Sliding windows of the limits in the data file. A window that a large rate fills has thousands of rows, so its sum
// is kept in memory, and only what leaves the window is read.
import type { StatementSync } from 'node:sqlite'
import type { DataFile } from '../store/data-file/data-file.ts'

export const windowTables = `
CREATE TABLE IF NOT EXISTS limit_windows (
  key TEXT NOT NULL, id TEXT NOT NULL, at_ms INTEGER NOT NULL, amount INTEGER NOT NULL, until_ms INTEGER NOT NULL,
  PRIMARY KEY (key, id)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS limit_windows_age ON limit_windows (key, at_ms, amount);`

/** Windows in memory; beyond that all are dropped, and read again as they are needed. */
const MAX_CACHED = 10_000

export interface WindowEntry {
  readonly atMs: number
  readonly amount: number
}

interface CachedWindow {
  sum: number
  /** No entry is older. */
  firstMs: number
}

export class SqliteWindows {
  readonly #prefix: string
  readonly #cache = new Map<string, CachedWindow>()
  readonly #statements: ReturnType<typeof prepare>

  constructor(file: DataFile, prefix: string) {
    this.#prefix = prefix
    this.#statements = prepare(file)
  }

  /** Sum after what is as old as `untilMs` or older is dropped. */
  sum(key: string, untilMs: number): number {
    const known = this.#cache.get(key)
    if (known && untilMs < known.firstMs) return known.sum
    const { drop, total, first } = this.#statements
    const name = this.#prefix + key
    const dropped = drop.all(name, untilMs)
    const sum = known
      ? dropped.reduce((rest, { amount }) => rest - Number(amount), known.sum)
      : Number(total.get(name)?.['sum'])
    if (this.#cache.size >= MAX_CACHED) this.#cache.clear()
    this.#cache.set(key, { sum, firstMs: Number(first.get(name)?.['at_ms'] ?? Infinity) })
    return sum
  }

  add(key: string, id: string, { atMs, amount }: WindowEntry, untilMs: number): void {
    const { insert } = this.#statements
    const name = this.#prefix + key
    if (insert.run(name, id, atMs, amount, untilMs).changes === 0) {
      this.remove(key, id)
      insert.run(name, id, atMs, amount, untilMs)
    }
    const known = this.#cache.get(key)
    if (!known) return
    known.sum += amount
    known.firstMs = Math.min(known.firstMs, atMs)
  }

  remove(key: string, id: string): void {
    const removed = this.#statements.remove.get(this.#prefix + key, id)
    const known = this.#cache.get(key)
    if (known && removed) known.sum -= Number(removed['amount'])
  }

  /** Oldest first. */
  *entries(key: string): Iterable<WindowEntry> {
    for (const row of this.#statements.oldest.iterate(this.#prefix + key))
      yield { atMs: Number(row['at_ms']), amount: Number(row['amount']) }
  }

  deleteOld(nowMs: number): void {
    this.#statements.deleteOld.run(nowMs)
    this.forget()
  }

  forget(): void {
    this.#cache.clear()
  }
}

function prepare({
  db,
}: DataFile): Record<
  'drop' | 'total' | 'first' | 'insert' | 'remove' | 'oldest' | 'deleteOld',
  StatementSync
> {
  return {
    drop: db.prepare('DELETE FROM limit_windows WHERE key = ? AND at_ms <= ? RETURNING amount'),
    total: db.prepare('SELECT coalesce(sum(amount), 0) AS sum FROM limit_windows WHERE key = ?'),
    first: db.prepare('SELECT min(at_ms) AS at_ms FROM limit_windows WHERE key = ?'),
    insert: db.prepare('INSERT INTO limit_windows VALUES (?, ?, ?, ?, ?) ON CONFLICT (key, id) DO NOTHING'),
    remove: db.prepare('DELETE FROM limit_windows WHERE key = ? AND id = ? RETURNING amount'),
    oldest: db.prepare('SELECT at_ms, amount FROM limit_windows WHERE key = ? ORDER BY at_ms'),
    deleteOld: db.prepare('DELETE FROM limit_windows WHERE until_ms <= ?'),
  }
}
