// The data directory of an embedded fleet: made private, and held by one process.
//
// 1. The proof is an SQLite lock on `flotilla.lock`, which the operating system drops with the process.
// 2. Somebody may remove or replace that file under a fleet that runs: the next process then holds another file. So
//    a holder writes the inode of its own into `owner.json`; while it lives, no other file can have that number.
// 3. Where the two differ (also in a copy, and after a backup was restored), `flotilla.db` itself is wanted alone
//    once: that fails beside a fleet, in whatever container, and beside a program that reads the file.
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { FlotillaError } from '../../errors.ts'
import { makeDirectory } from '../../make-directory.ts'
import { isLocked, notCreated, unavailable } from './errors.ts'

/** The path itself, or the first above it that exists. */
export function nearestDirectory(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestDirectory(dirname(path))
}

const PRIVATE = 0o600

export function createDirectory(dataDir: string): string {
  try {
    makeDirectory(dataDir, { mode: 0o700 })
    return realpathSync(dataDir)
  } catch (cause) {
    throw notCreated(dataDir, refusalOf(dataDir) ?? cause)
  }
}

/** Why nothing can be made there, which `mkdir` does not always say: of a read-only file system it may say ENOENT. */
function refusalOf(dataDir: string): unknown {
  try {
    accessSync(nearestDirectory(dataDir), constants.W_OK)
    return null
  } catch (error) {
    return error
  }
}

/** A lock that is held until `db` is closed. */
export interface DirectoryLock {
  readonly db: DatabaseSync
  /** Number of its file, which no other has as long as this one is open. */
  readonly inode: string
}

const LOCK = 'flotilla.lock'

/**
 * The open transaction is the lock. Nothing is ever written to this file, and nothing else may open it
 * (closing it would drop the lock).
 */
export function takeLock(dir: string): DirectoryLock {
  const path = join(dir, LOCK)
  const db = open(path)
  try {
    db.exec('BEGIN EXCLUSIVE')
    return { db, inode: String(statSync(path, { bigint: true }).ino) }
  } catch (cause) {
    db.close()
    if (!isLocked(cause)) throw unavailable(dir, cause)
    throw new FlotillaError('DATA_LOCKED', `${dir} is in use by ${describeOwner(dir)}`, { cause })
  }
}

/** A copy or a diagnosis that reads the file usually ends within this. */
const READERS_MS = 1_000

/** Throws DATA_LOCKED if the file may be in use although its lock was free. */
export function refuseShared(path: string, { inode }: DirectoryLock): void {
  const dir = dirname(path)
  if (!existsSync(path) || ownerOf(dir)['lock'] === inode) return
  const alone = open(path, READERS_MS)
  try {
    // In this mode SQLite wants the file for itself, in WAL mode too.
    alone.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; ROLLBACK')
  } catch (cause) {
    if (!isLocked(cause)) throw unavailable(path, cause)
    const who = `${describeOwner(dir)}, or in a program that reads it`
    throw new FlotillaError(
      'DATA_LOCKED',
      `${path} is open in ${who}; its ${LOCK} was removed or replaced, so both are refused until it is closed there`,
      { cause },
    )
  } finally {
    alone.close()
  }
}

function open(path: string, timeout = 0): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout })
  } catch (cause) {
    throw unavailable(path, refusalOf(dirname(path)) ?? cause)
  }
}

/** Notes for others who holds the directory, and by which lock. `shown` is in their DATA_LOCKED error. */
export function noteOwner(dir: string, { inode }: DirectoryLock, shown: { gateway?: string }): void {
  writeOwner(dir, { pid: process.pid, startedMs: Date.now(), lock: inode, ...shown })
}

/** Notes that another program has changed the file under this process: the next one reads every page before it goes on. */
export function noteSuspect(dir: string, { inode }: DirectoryLock): void {
  try {
    writeOwner(dir, { pid: process.pid, lock: inode, isSuspect: true })
  } catch {
    // Its disk refuses: this process has said it.
  }
}

export const isSuspect = (dir: string): boolean => ownerOf(dir)['isSuspect'] === true

const OWNER = 'owner.json'

function writeOwner(dir: string, owner: object): void {
  writeFileSync(join(dir, OWNER), JSON.stringify(owner), { mode: PRIVATE })
}

/** Empty: nobody has held the directory, or what it says can't be read. */
export function ownerOf(dir: string): Record<string, unknown> {
  try {
    return { ...(JSON.parse(readFileSync(join(dir, OWNER), 'utf8')) as Record<string, unknown> | null) }
  } catch {
    return {}
  }
}

function describeOwner(dir: string): string {
  const { pid, gateway } = ownerOf(dir)
  if (typeof pid !== 'number') return 'another process'
  return `process ${pid}${typeof gateway === 'string' ? `, gateway ${gateway}` : ''}`
}

/** Makes the file private, even in an existing directory: it holds tasks' texts. The WAL takes its mode. */
export function keepPrivate(path: string): void {
  try {
    closeSync(openSync(path, 'a', PRIVATE))
    chmodSync(path, PRIVATE)
  } catch (cause) {
    throw unavailable(path, cause)
  }
}
