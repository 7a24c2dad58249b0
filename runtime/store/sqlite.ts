// Key-value store in the data file. Its writes join the log's transactions: journalling a call costs no fsync
// of its own if a lane commits in the same tick.
import type { Clock } from '../clock.ts'
import { systemClock } from '../clock.ts'
import { FlotillaError } from '../errors.ts'
import { onDataFile } from './data-file/data-file.ts'
import type { DataFile, DataFileOptions } from './data-file/data-file.ts'
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
  leasesEnd: `${prefix}#lease;`,
})

/** Expired keys are absent at once and deleted within minutes. */
export function openSqliteKeyValue(options: SqliteKeyValueOptions): KeyValue & { sweep(): Promise<number> } {
  const clock = options.clock ?? systemClock
  const names = keyNames(options.prefix ?? 'flotilla')
  const { begin, leaseOf } = names
  const { file, ...prepared } = onDataFile(options, (file) => ({ file, ...prepare(file, clock, names) }))
  const full = (key: string): string => begin + key
  const { get, set, swap, remove, leases, sweep } = prepared
  const timer = setInterval(() => void sweep().catch(() => undefined), SWEEP_EVERY_MS).unref()
  let closed = false
  return {
    kind: 'sqlite',
    sweep,
    get: async (key) => {
      if (closed) throw new FlotillaError('STORE_UNAVAILABLE', `the store in ${file.dir} was closed`)
      return file.guarded(() => get(full(key)))
    },
    set: (key, value, ttlMs) => file.write(() => set(full(key), value, ttlMs)),
    compareAndSet: (key, expected, next, lifetime) => {
      const { ttlMs, leaseMs } = typeof lifetime === 'object' ? lifetime : { ttlMs: lifetime, leaseMs: null }
      return file.write(() => {
        const swapped = swap(full(key), { expected, next, ttlMs })
        const lease = leaseOf(key)
        if (swapped) leases.replace(lease, leaseMs)
        if (swapped) return { swapped }
        const leaseLeftMs = leases.left(lease)
        return { swapped, current: get(full(key)), ...(leaseLeftMs > 0 ? { leaseLeftMs } : {}) }
      })
    },
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

interface Swap {
  /** Null: absent. */
  readonly expected: string | null
  readonly next: string
  readonly ttlMs: number | undefined
}

function prepare(file: DataFile, clock: Clock, names: ReturnType<typeof keyNames>) {
  const { db } = file
  db.exec(tables)
  const select = db.prepare(
    'SELECT value FROM key_values WHERE key = ? AND (expires_ms IS NULL OR expires_ms > ?)',
  )
  const upsert = db.prepare('INSERT OR REPLACE INTO key_values VALUES (?, ?, ?)')
  const insertAbsent = db.prepare(
    `INSERT INTO key_values VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value,
      expires_ms = excluded.expires_ms WHERE expires_ms <= ?`,
  )
  const replace = db.prepare(
    `UPDATE key_values SET value = ?, expires_ms = ?
     WHERE key = ? AND value = ? AND (expires_ms IS NULL OR expires_ms > ?)`,
  )
  const removeRow = db.prepare('DELETE FROM key_values WHERE key = ?')
  const expire = db.prepare(
    'DELETE FROM key_values WHERE rowid IN (SELECT rowid FROM key_values WHERE expires_ms <= ? LIMIT ?)',
  )
  const endOf = (ttlMs: number | undefined): number | null =>
    ttlMs === undefined ? null : clock.now() + Math.ceil(ttlMs)
  const set = (key: string, value: string, ttlMs?: number): void => void upsert.run(key, value, endOf(ttlMs))
  const remove = (key: string): void => void removeRow.run(key)
  return {
    get: (key: string): string | null =>
      (select.get(key, clock.now())?.['value'] as string | undefined) ?? null,
    set,
    swap: (key: string, { expected, next, ttlMs }: Swap): boolean => {
      const [until, now] = [endOf(ttlMs), clock.now()]
      const { changes } =
        expected === null
          ? insertAbsent.run(key, next, until, now)
          : replace.run(next, until, key, expected, now)
      return changes === 1
    },
    remove,
    leases: openLeases(file, clock, { names, set, remove }),
    sweep: (): Promise<number> => file.write(() => Number(expire.run(clock.now(), SWEEP_KEYS).changes)),
  }
}

/** Files in which a lease was found or written: in others none is looked for. */
const leasing = new WeakSet<DataFile>()

interface LeaseParts {
  readonly names: ReturnType<typeof keyNames>
  readonly set: (key: string, value: string, ttlMs: number) => void
  readonly remove: (key: string) => void
}

/** Leases are keys of their own. A journal that has its store to itself writes none. */
function openLeases(file: DataFile, clock: Clock, { names, set, remove }: LeaseParts) {
  const any = file.db.prepare('SELECT 1 FROM key_values WHERE key >= ? AND key < ? LIMIT 1')
  const expiry = file.db.prepare('SELECT expires_ms FROM key_values WHERE key = ?')
  if (any.get(names.leaseOf(''), names.leasesEnd)) leasing.add(file)
  const left = (key: string): number =>
    leasing.has(file) ? Number(expiry.get(key)?.['expires_ms'] ?? 0) - clock.now() : 0
  return {
    /** Rest of a lease, in ms. */
    left,
    /** Notes that the key was written with this lease, or without one. */
    replace: (key: string, leaseMs: number | null): void => {
      if (leaseMs !== null) {
        leasing.add(file)
        set(key, '', leaseMs)
      } else if (left(key) > 0) remove(key)
    },
  }
}

function describeDurability(file: DataFile): { durable: boolean; reason: string } {
  const reason =
    file.durability === 'power-loss'
      ? 'SQLite with synchronous=FULL: an acknowledged write survives kill -9 and power loss'
      : 'SQLite with synchronous=NORMAL: an acknowledged write survives kill -9, not a power cut'
  return { durable: true, reason }
}
