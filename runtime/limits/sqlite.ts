// Limits in the data file. Operations of one turn share a transaction with the log's writes.
//
// One process has the file, so data that every operation needs is kept in memory: the budgets, and when the
// next reservation ends. An operation writes its changes once, at its end. When a transaction is rolled back
// the memory is dropped and read again.
import { systemClock, type Clock } from '../clock.ts'
import { onDataFile, type DataFile, type DataFileOptions } from '../store/data-file.ts'
import { Accounts, type Budget, type Entry, type Tables } from './accounts.ts'
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
  const clock = options.clock ?? systemClock
  const { file, accounts, run, deleteOld } = onDataFile(options, (file) => ({
    file,
    ...sharedLimits(file, `${options.prefix ?? 'flotilla'}:`),
  }))
  const sweep = () => void run(() => deleteOld(clock.now())).catch(() => undefined)
  const timer = setInterval(sweep, SWEEP_EVERY_MS).unref()
  let closed = false
  return {
    reserve: (request) => run(() => accounts.reserve(request, clock.now())),
    settle: (request) => run(() => accounts.settle(request, clock.now())),
    release: (id) => run(() => accounts.release(id)),
    budgets: (keyPrefix) => run(() => accounts.budgets(keyPrefix)),
    correct: (key, settled, resetsAtMs) => run(() => accounts.correct(key, settled, resetsAtMs)),
    close: async () => {
      if (closed) return
      closed = true
      clearInterval(timer)
      file.release()
    },
  }
}

interface SharedLimits {
  readonly accounts: Accounts
  /** Runs it in the next transaction. */
  run<T>(operation: () => T): Promise<T>
  /** Deletes windows of absent users, and budgets of past days. Call inside a transaction. */
  deleteOld(nowMs: number): void
}

/** Shared, however often a process opens the limits of a fleet. */
const opened = new WeakMap<DataFile, Map<string, SharedLimits>>()

function sharedLimits(file: DataFile, prefix: string): SharedLimits {
  const ofFile = opened.get(file) ?? new Map<string, SharedLimits>()
  const limits = ofFile.get(prefix) ?? openLimits(file, prefix)
  opened.set(file, ofFile.set(prefix, limits))
  return limits
}

function openLimits(file: DataFile, prefix: string): SharedLimits {
  const tables = sqliteTables(file, prefix)
  const undone = (error: unknown): never => {
    tables.forget()
    throw error
  }
  return {
    accounts: new Accounts(tables),
    deleteOld: (nowMs) => tables.deleteOld(nowMs),
    run: (operation) => {
      const work = () => {
        try {
          const result = operation()
          tables.writeBudgets()
          return result
        } catch (error) {
          return undone(error)
        }
      }
      return file.write(work).catch(undone)
    },
  }
}

interface CachedTables extends Tables {
  /** Writes the budgets that have changed. */
  writeBudgets(): void
  deleteOld(nowMs: number): void
  /** Drops the data in memory. */
  forget(): void
}

interface CachedBudget {
  budget: Budget
  keepUntilMs: number
}

function sqliteTables(file: DataFile, prefix: string): CachedTables {
  const { db } = file
  db.exec(tables)
  const budgets = new Map<string, CachedBudget>()
  const changed = new Set<string>()
  /** Nothing ends before. */
  let firstEndMs = -Infinity
  const takenRow = db.prepare('SELECT settled, alternative, entries FROM limit_takers WHERE id = ?')
  const takenUpsert = db.prepare(
    `INSERT INTO limit_takers VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET settled = excluded.settled,
      alternative = excluded.alternative, entries = excluded.entries, until_ms = excluded.until_ms`,
  )
  const takenDelete = db.prepare('DELETE FROM limit_takers WHERE id = ?')
  // The plus keeps SQLite from scanning by id: few have ended, and they have their own index.
  const takenEnded = db.prepare(
    'SELECT id FROM limit_takers WHERE until_ms <= ? AND +id >= ? AND +id < ? LIMIT ?',
  )
  const nextEnd = db.prepare('SELECT min(until_ms) AS at_ms FROM limit_takers')
  const budgetRow = db.prepare(
    'SELECT settled, reserved, warned, keep_until_ms FROM limit_budgets WHERE key = ?',
  )
  const budgetUpsert = db.prepare('INSERT OR REPLACE INTO limit_budgets VALUES (?, ?, ?, ?, ?)')
  const budgetsOf = db.prepare(
    'SELECT key, settled, reserved FROM limit_budgets WHERE key >= ? AND key < ? ORDER BY key',
  )
  const budgetsDelete = db.prepare('DELETE FROM limit_budgets WHERE keep_until_ms <= ?')
  const windowsDelete = db.prepare('DELETE FROM limit_windows WHERE until_ms <= ?')
  const windowDrop = db.prepare('DELETE FROM limit_windows WHERE key = ? AND at_ms <= ?')
  const windowTotal = db.prepare('SELECT coalesce(sum(amount), 0) AS sum FROM limit_windows WHERE key = ?')
  const windowUpsert = db.prepare('INSERT OR REPLACE INTO limit_windows VALUES (?, ?, ?, ?, ?)')
  const windowDelete = db.prepare('DELETE FROM limit_windows WHERE key = ? AND id = ?')
  const windowOldest = db.prepare('SELECT at_ms, amount FROM limit_windows WHERE key = ? ORDER BY at_ms')
  const named = (key: string): string => prefix + key
  const cached = (key: string): CachedBudget | undefined => {
    const known = budgets.get(key)
    if (known) return known
    const row = budgetRow.get(named(key))
    if (!row) return undefined
    const budget = {
      settled: Number(row['settled']),
      reserved: Number(row['reserved']),
      warnedAt: Number(row['warned']),
    }
    const found = { budget, keepUntilMs: Number(row['keep_until_ms']) }
    budgets.set(key, found)
    return found
  }
  return {
    taken: (id) => {
      const row = takenRow.get(named(id))
      if (!row) return null
      const entries = JSON.parse(String(row['entries'])) as Entry[]
      return { settled: row['settled'] === 1, alternative: Number(row['alternative']), entries }
    },
    setTaken: (id, { settled, alternative, entries }, untilMs) => {
      firstEndMs = Math.min(firstEndMs, untilMs)
      takenUpsert.run(named(id), Number(settled), alternative, JSON.stringify(entries), untilMs)
    },
    deleteTaken: (id) => void takenDelete.run(named(id)),
    ended: (nowMs, atMost) => {
      if (nowMs < firstEndMs) return []
      const ids = takenEnded.all(nowMs, prefix, after(prefix), atMost)
      if (ids.length < atMost) firstEndMs = Number(nextEnd.get()?.['at_ms'] ?? Infinity)
      return ids.map(({ id }) => String(id).slice(prefix.length))
    },
    budget: (key) => {
      const found = cached(key)
      return found ? { ...found.budget } : null
    },
    setBudget: (key, budget, keepUntilMs) => {
      budgets.set(key, { budget, keepUntilMs })
      changed.add(key)
    },
    updateBudget: (key, budget) => {
      const found = cached(key)
      if (!found) return
      found.budget = budget
      changed.add(key)
    },
    writeBudgets: () => {
      for (const key of changed) {
        const { budget, keepUntilMs } = budgets.get(key) as CachedBudget
        budgetUpsert.run(named(key), budget.settled, budget.reserved, budget.warnedAt, keepUntilMs)
      }
      changed.clear()
    },
    deleteOld: (nowMs) => {
      windowsDelete.run(nowMs)
      budgetsDelete.run(nowMs)
      for (const [key, { keepUntilMs }] of budgets) if (keepUntilMs <= nowMs) budgets.delete(key)
    },
    forget: () => {
      budgets.clear()
      changed.clear()
      firstEndMs = -Infinity
    },
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

/** The first text after every text with this prefix. */
function after(beginning: string): string {
  return `${beginning}\u{10FFFF}`
}
