// Limits in the data file. Operations of one turn share a transaction with the log's writes.
//
// One process has the file, so data that every operation needs is kept in memory (sqlite-tables.ts). Budgets are
// written once a transaction, at its end. When a transaction is rolled back the memory is dropped and read
// again.
import { systemClock, type Clock } from '../clock.ts'
import { onDataFile, type DataFile, type DataFileOptions } from '../store/data-file/data-file.ts'
import { Accounts } from './accounts.ts'
import type { Limits } from './port.ts'
import { sqliteTables } from './sqlite-tables.ts'

export interface SqliteLimitsOptions extends DataFileOptions {
  /** Fleets that share a directory are kept apart by it. Default `flotilla`. */
  readonly prefix?: string
  readonly clock?: Clock
}

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
    end: (id) => run(() => accounts.end(id)),
    budgets: (keyPrefix) => run(() => accounts.budgets(keyPrefix, clock.now())),
    correct: (key, settled, resetsAtMs) => run(() => accounts.correct(key, settled, resetsAtMs)),
    check: () => file.check(),
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
  const undone = (): void => tables.forget()
  file.beforeCommit(() => tables.writeBudgets())
  return {
    accounts: new Accounts(tables),
    deleteOld: (nowMs) => tables.deleteOld(nowMs),
    run: (operation) => file.write(operation, undone),
  }
}
