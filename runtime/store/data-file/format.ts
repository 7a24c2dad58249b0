// The data file as a database: its settings and the number of its format.
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { shown } from '../../../schemas/identity.ts'
import { FlotillaError } from '../../errors.ts'
import { OWN_PAGES } from './checkpoints.ts'
import { keepPrivate } from './directory.ts'
import { damaged, unavailable } from './errors.ts'
import { readPages } from './pages.ts'

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

/** A byte of SQLite's header: 2 in a file with a write-ahead log, 1 in one without, as a backup is until a fleet opens it. */
const WRITE_VERSION_AT = 18
const WITHOUT_LOG = 1

/**
 * Throws LOG_UNAVAILABLE for a backup that was put beside the write-ahead log of another file: SQLite would write the pages of
 * that log into it. And for a file that was cut off to nothing: SQLite would remove the log, and begin a new one. Call before
 * anything opens the file. `isSuspect`: it is known to have held something.
 */
export function refuseForeignLog(path: string, isSuspect = false): void {
  if (!existsSync(path)) return
  const log = `${path}-wal`
  const hasLog = existsSync(log) && statSync(log).size > 0
  if ((hasLog || isSuspect) && statSync(path).size === 0)
    throw unavailable(path, damaged('it was cut off, and nothing is left of it'))
  if (!hasLog) return
  if (headerOf(path)[WRITE_VERSION_AT] !== WITHOUT_LOG) return
  const [file, beside] = [shown(path), `${basename(log)} and ${basename(path)}-shm`]
  throw new FlotillaError(
    'LOG_UNAVAILABLE',
    `${file} is a backup beside the write-ahead log of another file, which would ruin it: move ${beside} away and start again`,
  )
}

function headerOf(path: string): Buffer {
  const header = Buffer.alloc(WRITE_VERSION_AT + 1)
  try {
    const file = openSync(path, 'r')
    readSync(file, header)
    closeSync(file)
  } catch (cause) {
    throw unavailable(path, cause)
  }
  return header
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
