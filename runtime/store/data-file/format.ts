// The data file as a database: its settings and the number of its format.
import { closeSync, existsSync, openSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { shown } from '../../../schemas/identity.ts'
import { FlotillaError } from '../../errors.ts'
import { OWN_PAGES } from './checkpoints.ts'
import { keepPrivate } from './directory.ts'
import { damaged, unavailable } from './errors.ts'
import { readPages } from './pages.ts'
import { isWithoutLog, logOf } from './place.ts'

/**
 * power-loss: fsync at each commit. process-crash: kill -9 loses nothing, a power cut may lose the last
 * commits (never tear them).
 */
export type Durability = 'power-loss' | 'process-crash'

/** 2: records in the order of arrival (record-table.ts). */
const FORMAT = 2

/** Throws where a newer release has written the file. */
export function requireFormat(db: DatabaseSync): void {
  const found = Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
  if (found > FORMAT)
    throw new Error(`it has format ${found}, written by a newer Flotilla (this one: ${FORMAT})`)
}

/**
 * Throws LOG_UNAVAILABLE for a backup that was put beside the write-ahead log of another file: SQLite would write the pages of
 * that log into it. And for a file that was cut off to nothing: SQLite would remove the log, and begin a new one. Call before
 * anything opens the file. `isSuspect`: it is known to have held something.
 */
export function refuseForeignLog(path: string, isSuspect = false): void {
  if (!existsSync(path)) return
  const log = logOf(path)
  const hasLog = existsSync(log) && statSync(log).size > 0
  if ((hasLog || isSuspect) && statSync(path).size === 0)
    throw unavailable(path, damaged('it was cut off, and nothing is left of it'))
  if (!hasLog || !hasNoLog(path)) return
  const [file, beside] = [shown(path), `${basename(log)} and ${basename(log, 'wal')}shm`]
  throw new FlotillaError(
    'LOG_UNAVAILABLE',
    `${file} is a backup beside the write-ahead log of another file, which would ruin it: move ${beside} away and start again`,
  )
}

function hasNoLog(path: string): boolean {
  try {
    const file = openSync(path, 'r')
    try {
      return isWithoutLog(file)
    } finally {
      closeSync(file)
    }
  } catch (cause) {
    throw unavailable(path, cause)
  }
}

/**
 * Kept in memory. A commit that has split a page of a tree looks through all of them, so that few take less time; most of
 * what a fleet writes is at the end of its tables.
 */
const CACHE_PAGES = 512

/** Throws LOG_UNAVAILABLE. `isSuspect`: every page is read first. */
export function openDatabase(path: string, durability: Durability, isSuspect = false): DatabaseSync {
  keepPrivate(path)
  const db = new DatabaseSync(path, { timeout: 5_000 })
  try {
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${durability === 'power-loss' ? 'FULL' : 'NORMAL'};
      PRAGMA wal_autocheckpoint = ${OWN_PAGES}; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = ${CACHE_PAGES}`)
    requireFormat(db)
    if (isSuspect) readPages(db, Number.POSITIVE_INFINITY)
    db.exec(`PRAGMA user_version = ${FORMAT}`)
    return db
  } catch (cause) {
    db.close()
    throw unavailable(path, cause)
  }
}
