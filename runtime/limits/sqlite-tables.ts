// The tables of the limits in the data file, with what most operations need in memory: budgets, sums of windows,
// the latest ids, and when the next reservation ends.
//
// 1. Budgets that have changed are in memory alone until `writeBudgets`, which runs before each commit. Everything
//    else is written at once.
// 2. Memory says what the file says within the open transaction: after a rollback, `forget` drops all of it.
import { keepNewest } from '../keep-newest.ts'
import type { DataFile } from '../store/data-file/data-file.ts'
import type { Budget, Entry, Taken, Tables } from './accounts.ts'
import { SqliteWindows, windowTables } from './sqlite-windows.ts'

const tables = `
CREATE TABLE IF NOT EXISTS limit_takers (
  id TEXT PRIMARY KEY, settled INTEGER NOT NULL, alternative INTEGER NOT NULL, entries TEXT NOT NULL,
  until_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS limit_takers_end ON limit_takers (until_ms);
CREATE TABLE IF NOT EXISTS limit_budgets (
  key TEXT PRIMARY KEY, settled INTEGER NOT NULL, reserved INTEGER NOT NULL, warned INTEGER NOT NULL,
  keep_until_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
${windowTables}`

/** Ids in memory: a call is reserved, taken over and settled while it is among the latest. */
const LATEST_IDS = 2_000

export interface CachedTables extends Tables {
  /** Writes the budgets that have changed. */
  writeBudgets(): void
  /** Deletes windows of absent users, and budgets of past days. */
  deleteOld(nowMs: number): void
  /** Drops the data in memory. */
  forget(): void
}

export function sqliteTables(file: DataFile, prefix: string): CachedTables {
  file.db.exec(tables)
  const budgets = budgetTable(file, prefix)
  const takers = takerTable(file, prefix)
  const windows = new SqliteWindows(file, prefix)
  return {
    ...takers,
    ...budgets,
    windowSum: (key, untilMs) => windows.sum(key, untilMs),
    windowAdd: (key, id, atMs, amount, windowMs) => windows.add(key, id, { atMs, amount }, atMs + windowMs),
    windowRemove: (key, id) => windows.remove(key, id),
    windowEntries: (key) => windows.entries(key),
    deleteOld: (nowMs) => {
      windows.deleteOld(nowMs)
      budgets.deleteOld(nowMs)
    },
    forget: () => {
      takers.forget()
      budgets.forget()
      windows.forget()
    },
  }
}

type TakerTable = Pick<CachedTables, 'taken' | 'setTaken' | 'deleteTaken' | 'ended' | 'forget'>

function takerTable({ db }: DataFile, prefix: string): TakerTable {
  const row = db.prepare('SELECT settled, alternative, entries FROM limit_takers WHERE id = ?')
  const upsert = db.prepare(
    `INSERT INTO limit_takers VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET settled = excluded.settled,
      alternative = excluded.alternative, entries = excluded.entries, until_ms = excluded.until_ms`,
  )
  const remove = db.prepare('DELETE FROM limit_takers WHERE id = ?')
  // The plus keeps SQLite from scanning by id: few have ended, and they have their own index.
  const ended = db.prepare('SELECT id FROM limit_takers WHERE until_ms <= ? AND +id >= ? AND +id < ? LIMIT ?')
  const nextEnd = db.prepare('SELECT min(until_ms) AS at_ms FROM limit_takers')
  /** Null: it is not in the file. */
  const latest = new Map<string, Taken | null>()
  /** Nothing ends before. */
  let firstEndMs = -Infinity
  const keep = (id: string, taken: Taken | null): void => {
    latest.delete(id)
    latest.set(id, taken)
    keepNewest(latest, LATEST_IDS)
  }
  const read = (id: string): Taken | null => {
    const found = row.get(prefix + id)
    if (!found) return null
    const entries = JSON.parse(String(found['entries'])) as Entry[]
    return { settled: found['settled'] === 1, alternative: Number(found['alternative']), entries }
  }
  return {
    taken: (id) => {
      const known = latest.get(id)
      return known === undefined ? read(id) : known
    },
    setTaken: (id, taken, untilMs) => {
      const { settled, alternative, entries } = taken
      firstEndMs = Math.min(firstEndMs, untilMs)
      upsert.run(prefix + id, Number(settled), alternative, JSON.stringify(entries), untilMs)
      keep(id, taken)
    },
    deleteTaken: (id) => {
      remove.run(prefix + id)
      keep(id, null)
    },
    ended: (nowMs, atMost) => {
      if (nowMs < firstEndMs) return []
      const ids = ended.all(nowMs, prefix, after(prefix), atMost)
      if (ids.length < atMost) firstEndMs = Number(nextEnd.get()?.['at_ms'] ?? Infinity)
      return ids.map(({ id }) => String(id).slice(prefix.length))
    },
    forget: () => {
      latest.clear()
      firstEndMs = -Infinity
    },
  }
}

interface CachedBudget {
  budget: Budget
  keepUntilMs: number
}

type BudgetTable = Pick<
  CachedTables,
  'budget' | 'setBudget' | 'updateBudget' | 'budgets' | 'writeBudgets' | 'deleteOld' | 'forget'
>

function budgetTable({ db }: DataFile, prefix: string): BudgetTable {
  const row = db.prepare('SELECT settled, reserved, warned, keep_until_ms FROM limit_budgets WHERE key = ?')
  const upsert = db.prepare('INSERT OR REPLACE INTO limit_budgets VALUES (?, ?, ?, ?, ?)')
  const list = db.prepare(
    'SELECT key, settled, reserved FROM limit_budgets WHERE key >= ? AND key < ? ORDER BY key',
  )
  const removeOld = db.prepare('DELETE FROM limit_budgets WHERE keep_until_ms <= ?')
  const cache = new Map<string, CachedBudget>()
  const changed = new Set<string>()
  const cached = (key: string): CachedBudget | undefined => {
    const known = cache.get(key)
    if (known) return known
    const found = row.get(prefix + key)
    if (!found) return undefined
    const budget = {
      settled: Number(found['settled']),
      reserved: Number(found['reserved']),
      warnedAt: Number(found['warned']),
    }
    const read = { budget, keepUntilMs: Number(found['keep_until_ms']) }
    cache.set(key, read)
    return read
  }
  const write = (): void => {
    for (const key of changed) {
      const { budget, keepUntilMs } = cache.get(key) as CachedBudget
      upsert.run(prefix + key, budget.settled, budget.reserved, budget.warnedAt, keepUntilMs)
    }
    changed.clear()
  }
  return {
    budget: (key) => {
      const found = cached(key)
      return found ? { ...found.budget } : null
    },
    setBudget: (key, budget, keepUntilMs) => {
      cache.set(key, { budget, keepUntilMs })
      changed.add(key)
    },
    updateBudget: (key, budget) => {
      const found = cached(key)
      if (!found) return
      found.budget = budget
      changed.add(key)
    },
    budgets: (keyPrefix) => {
      write()
      return list.all(prefix + keyPrefix, after(prefix + keyPrefix)).map((found) => ({
        key: String(found['key']).slice(prefix.length),
        settled: Number(found['settled']),
        reserved: Number(found['reserved']),
      }))
    },
    writeBudgets: write,
    deleteOld: (nowMs) => {
      write()
      removeOld.run(nowMs)
      for (const [key, { keepUntilMs }] of cache) if (keepUntilMs <= nowMs) cache.delete(key)
    },
    forget: () => {
      cache.clear()
      changed.clear()
    },
  }
}

/** The first text after every text with this prefix. */
function after(beginning: string): string {
  return `${beginning}\u{10FFFF}`
}
