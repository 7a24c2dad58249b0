// Limits in the data file. Operations of one turn share a transaction with the log's writes.
import { systemClock, type Clock } from '../clock.ts'
import { openDataFile, type DataFile, type DataFileOptions } from '../store/data-file.ts'
import { Accounts, type Entry, type Tables } from './accounts.ts'
import type { Limits } from './port.ts'

export interface SqliteLimitsOptions extends DataFileOptions {
  /** Fleets that share a directory are kept apart by it. Default `flotilla`. */
  readonly prefix?: string
  readonly clock?: Clock
}

const tables = `
CREATE TABLE IF NOT EXISTS limit_takers (
  id TEXT PRIMARY KEY, settled INTEGER NOT NULL, alternative INTEGER NOT NULL, entries TEXT NOT NULL,
  until_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS limit_takers_end ON limit_takers (until_ms);
CREATE TABLE IF NOT EXISTS limit_budgets (
  key TEXT PRIMARY KEY, settled INTEGER NOT NULL, reserved INTEGER NOT NULL, warned INTEGER NOT NULL,
  keep_until_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS limit_windows (
  key TEXT NOT NULL, id TEXT NOT NULL, at_ms INTEGER NOT NULL, amount INTEGER NOT NULL, until_ms INTEGER NOT NULL,
  PRIMARY KEY (key, id)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS limit_windows_age ON limit_windows (key, at_ms, amount);`

const SWEEP_EVERY_MS = 60_000

export function openSqliteLimits(options: SqliteLimitsOptions): Limits {
  const file = openDataFile(options)
  const clock = options.clock ?? systemClock
  const accounts = new Accounts(sqliteTables(file, `${options.prefix ?? 'flotilla'}:`))
  const timer = setInterval(() => void forgetOld(file, clock).catch(() => undefined), SWEEP_EVERY_MS).unref()
  let closed = false
  return {
    reserve: (request) => file.write(() => accounts.reserve(request, clock.now())),
    settle: (request) => file.write(() => accounts.settle(request, clock.now())),
    release: (id) => file.write(() => accounts.release(id)),
    budgets: (keyPrefix) => file.write(() => accounts.budgets(keyPrefix)),
    correct: (key, settled, resetsAtMs) => file.write(() => accounts.correct(key, settled, resetsAtMs)),
    close: async () => {
      if (closed) return
      closed = true
      clearInterval(timer)
      file.release()
    },
  }
}

/** Windows of users who are gone, and budgets of past days. */
function forgetOld(file: DataFile, clock: Clock): Promise<void> {
  return file.write(() => {
    file.db.prepare('DELETE FROM limit_windows WHERE until_ms <= ?').run(clock.now())
    file.db.prepare('DELETE FROM limit_budgets WHERE keep_until_ms <= ?').run(clock.now())
  })
}

function sqliteTables(file: DataFile, prefix: string): Tables {
  const { db } = file
  db.exec(tables)
  const takenRow = db.prepare('SELECT settled, alternative, entries FROM limit_takers WHERE id = ?')
  const takenUpsert = db.prepare(
    `INSERT INTO limit_takers VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET settled = excluded.settled,
      alternative = excluded.alternative, entries = excluded.entries, until_ms = excluded.until_ms`,
  )
  const takenDelete = db.prepare('DELETE FROM limit_takers WHERE id = ?')
  // The plus keeps SQLite from walking through the ids: few have ended, and they have an index of their own.
  const takenEnded = db.prepare(
    'SELECT id FROM limit_takers WHERE until_ms <= ? AND +id >= ? AND +id < ? LIMIT ?',
  )
  const budgetRow = db.prepare('SELECT settled, reserved, warned FROM limit_budgets WHERE key = ?')
  const budgetUpsert = db.prepare(
    `INSERT INTO limit_budgets VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET settled = excluded.settled,
      reserved = excluded.reserved, warned = excluded.warned, keep_until_ms = excluded.keep_until_ms`,
  )
  const budgetUpdate = db.prepare(
    'UPDATE limit_budgets SET settled = ?, reserved = ?, warned = ? WHERE key = ?',
  )
  const budgetsOf = db.prepare(
    'SELECT key, settled, reserved FROM limit_budgets WHERE key >= ? AND key < ? ORDER BY key',
  )
  const windowDrop = db.prepare('DELETE FROM limit_windows WHERE key = ? AND at_ms <= ?')
  const windowTotal = db.prepare('SELECT coalesce(sum(amount), 0) AS sum FROM limit_windows WHERE key = ?')
  const windowUpsert = db.prepare('INSERT OR REPLACE INTO limit_windows VALUES (?, ?, ?, ?, ?)')
  const windowDelete = db.prepare('DELETE FROM limit_windows WHERE key = ? AND id = ?')
  const windowOldest = db.prepare('SELECT at_ms, amount FROM limit_windows WHERE key = ? ORDER BY at_ms')
  const named = (key: string): string => prefix + key
  return {
    taken: (id) => {
      const row = takenRow.get(named(id))
      if (!row) return null
      const entries = JSON.parse(String(row['entries'])) as Entry[]
      return { settled: row['settled'] === 1, alternative: Number(row['alternative']), entries }
    },
    setTaken: (id, { settled, alternative, entries }, untilMs) =>
      void takenUpsert.run(named(id), Number(settled), alternative, JSON.stringify(entries), untilMs),
    deleteTaken: (id) => void takenDelete.run(named(id)),
    ended: (nowMs, atMost) =>
      takenEnded.all(nowMs, prefix, after(prefix), atMost).map(({ id }) => String(id).slice(prefix.length)),
    budget: (key) => {
      const row = budgetRow.get(named(key))
      if (!row) return null
      return {
        settled: Number(row['settled']),
        reserved: Number(row['reserved']),
        warnedAt: Number(row['warned']),
      }
    },
    setBudget: (key, { settled, reserved, warnedAt }, keepUntilMs) =>
      void budgetUpsert.run(named(key), settled, reserved, warnedAt, keepUntilMs),
    updateBudget: (key, { settled, reserved, warnedAt }) =>
      void budgetUpdate.run(settled, reserved, warnedAt, named(key)),
    budgets: (keyPrefix) =>
      budgetsOf.all(named(keyPrefix), after(named(keyPrefix))).map((row) => ({
        key: String(row['key']).slice(prefix.length),
        settled: Number(row['settled']),
        reserved: Number(row['reserved']),
      })),
    windowSum: (key, untilMs) => {
      windowDrop.run(named(key), untilMs)
      return Number(windowTotal.get(named(key))?.['sum'])
    },
    windowAdd: (key, id, atMs, amount, windowMs) =>
      void windowUpsert.run(named(key), id, atMs, amount, atMs + windowMs),
    windowRemove: (key, id) => void windowDelete.run(named(key), id),
    windowEntries: function* (key) {
      for (const row of windowOldest.iterate(named(key)))
        yield { atMs: Number(row['at_ms']), amount: Number(row['amount']) }
    },
  }
}

/** The first text behind every text that begins so. */
function after(beginning: string): string {
  return `${beginning}\u{10FFFF}`
}
