// The data directory of an embedded fleet: made private, and held by one process.
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  realpathSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { FlotillaError } from '../errors.ts'
import { makeDirectory } from '../make-directory.ts'
import { isLocked, notCreated, unavailable } from './data-file-errors.ts'

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

/**
 * The open transaction is the lock. Nothing is ever written to this file, and nothing else may open it
 * (closing it would drop the lock).
 */
export function takeLock(dir: string): DatabaseSync {
  const lock = openLock(join(dir, 'flotilla.lock'))
  try {
    lock.exec('BEGIN EXCLUSIVE')
    return lock
  } catch (cause) {
    lock.close()
    if (!isLocked(cause)) throw unavailable(dir, cause)
    throw new FlotillaError('DATA_LOCKED', `${dir} is in use by ${describeOwner(dir)}`, { cause })
  }
}

function openLock(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path)
  } catch (cause) {
    throw unavailable(path, refusalOf(dirname(path)) ?? cause)
  }
}

function describeOwner(dir: string): string {
  try {
    const owner = JSON.parse(readFileSync(join(dir, 'owner.json'), 'utf8')) as Record<string, unknown>
    const gateway = typeof owner['gateway'] === 'string' ? `, gateway ${owner['gateway']}` : ''
    return `process ${String(owner['pid'])}${gateway}`
  } catch {
    return 'another process'
  }
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
