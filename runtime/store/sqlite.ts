// Key-value store in the data file. Its writes join the log's transactions: journalling a call costs no fsync
// of its own if a lane commits in the same tick.
import type { Clock } from '../clock.ts'
import { systemClock } from '../clock.ts'
import { FlotillaError } from '../errors.ts'
import { onDataFile } from './data-file.ts'
import type { DataFile, DataFileOptions } from './data-file.ts'
import type { KeyValue } from './port.ts'

export interface SqliteKeyValueOptions extends DataFileOptions {
  /** Keys of fleets that share a directory are kept apart by it. Default `flotilla`. */
  readonly prefix?: string
  readonly clock?: Clock
}

const SWEEP_EVERY_MS = 60_000
const SWEEP_KEYS = 1_000

const tables = `
CREATE TABLE IF NOT EXISTS key_values (
  key TEXT PRIMARY KEY, value TEXT NOT NULL, expires_ms INTEGER) STRICT;
CREATE INDEX IF NOT EXISTS key_values_expiry ON key_values (expires_ms) WHERE expires_ms IS NOT NULL;`

/** Keys of a fleet in the table: from `begin`, below `end`. */
export const keyNames = (prefix: string) => ({
  begin: `${prefix}:`,
  end: `${prefix};`,
  leaseOf: (key: string): string => `${prefix}#lease:${key}`,
})

/** Expired keys are absent at once and deleted within minutes. */
export function openSqliteKeyValue(options: SqliteKeyValueOptions): KeyValue & { sweep(): Promise<number> } {
  const clock = options.clock ?? systemClock
  const { file, ...prepared } = onDataFile(options, (file) => ({ file, ...prepare(file, clock) }))
  const { begin, leaseOf } = keyNames(options.prefix ?? 'flotilla')
  const full = (key: string): string => begin + key
  const { get, left, set, remove, sweep } = prepared
  const timer = setInterval(() => void sweep().catch(() => undefined), SWEEP_EVERY_MS).unref()
  let closed = false
  return {
    kind: 'sqlite',
    sweep,
    get: async (key) => {
      if (closed) throw new FlotillaError('STORE_UNAVAILABLE', `the store in ${file.dir} was closed`)
      return get(full(key))
    },
    set: (key, value, ttlMs) => file.write(() => set(full(key), value, ttlMs)),
    compareAndSet: (key, expected, next, lifetime) =>
      file.write(() => {
        const current = get(full(key))
        if (current !== expected) {
          const leaseLeftMs = left(leaseOf(key))
          return { swapped: false, current, ...(leaseLeftMs > 0 ? { leaseLeftMs } : {}) }
        }
        if (typeof lifetime === 'object') set(leaseOf(key), '', lifetime.leaseMs)
        else if (left(leaseOf(key)) > 0) remove(leaseOf(key))
        set(full(key), next, typeof lifetime === 'object' ? lifetime.ttlMs : lifetime)
        return { swapped: true }
      }),
    delete: (keys) =>
      file.write(() => {
        for (const key of keys) remove(full(key))
      }),
    durability: () => Promise.resolve(describeDurability(file)),
    check: () => file.check(),
    close: () => {
      if (closed) return Promise.resolve()
      closed = true
      clearInterval(timer)
      file.release()
      return Promise.resolve()
    },
  }
}

function prepare(file: DataFile, clock: Clock) {
  const { db } = file
  db.exec(tables)
  const select = db.prepare(
    'SELECT value FROM key_values WHERE key = ? AND (expires_ms IS NULL OR expires_ms > ?)',
  )
  const expiry = db.prepare('SELECT expires_ms FROM key_values WHERE key = ?')
  const upsert = db.prepare('INSERT OR REPLACE INTO key_values VALUES (?, ?, ?)')
  const remove = db.prepare('DELETE FROM key_values WHERE key = ?')
  const expire = db.prepare(
    'DELETE FROM key_values WHERE rowid IN (SELECT rowid FROM key_values WHERE expires_ms <= ? LIMIT ?)',
  )
  return {
    get: (key: string): string | null =>
      (select.get(key, clock.now())?.['value'] as string | undefined) ?? null,
    /** Rest of a lifetime, in ms. */
    left: (key: string): number => Number(expiry.get(key)?.['expires_ms'] ?? 0) - clock.now(),
    set: (key: string, value: string, ttlMs?: number): void =>
      void upsert.run(key, value, ttlMs === undefined ? null : clock.now() + Math.ceil(ttlMs)),
    remove: (key: string): void => void remove.run(key),
    sweep: (): Promise<number> => file.write(() => Number(expire.run(clock.now(), SWEEP_KEYS).changes)),
  }
}

function describeDurability(file: DataFile): { durable: boolean; reason: string } {
  const reason =
    file.durability === 'power-loss'
      ? 'SQLite with synchronous=FULL: an acknowledged write survives kill -9 and power loss'
      : 'SQLite with synchronous=NORMAL: an acknowledged write survives kill -9, not a power cut'
  return { durable: true, reason }
}
