// Errors of the data file: what happened to which path, and what to do about it. Nothing that was acknowledged is lost
// by any of them: a write that fails is rolled back, and the fleet repeats it.
import { accessSync, closeSync, constants, openSync, statSync } from 'node:fs'
import { devNull } from 'node:os'
import { shown } from '../../../schemas/identity.ts'
import { FlotillaError, messageOf } from '../../errors.ts'

/** Primary result codes of SQLite. */
const SQLITE_BUSY = 5
const SQLITE_READONLY = 8
const SQLITE_IOERR = 10
const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_CANTOPEN = 14
const SQLITE_NOTADB = 26

/** The COMMIT itself failed while writing: whether it took effect shows only when the file is reopened. */
export class WriteUncertain extends FlotillaError {
  constructor(message: string, cause: unknown) {
    super('LOG_UNAVAILABLE', message, { cause })
  }
}

/** Primary SQLite result code, or null for any other error. */
export function sqliteCode(error: unknown): number | null {
  const code = error instanceof Error && 'errcode' in error ? error.errcode : null
  return typeof code === 'number' ? code & 0xff : null
}

export const isLocked = (error: unknown): boolean => sqliteCode(error) === SQLITE_BUSY

const elsewhere = 'or set FLOTILLA_DATA to another directory'
const noPermission = `let the user of this process write there, ${elsewhere}`
const isFull = 'free space on its disk; a fleet that runs goes on by itself, and nothing that it took is lost'
const isDamaged = `go back to a backup (docs/disaster-recovery.md), ${elsewhere}`
const openFiles = 'raise the limit of open files of this process (ulimit -n)'
const isReadOnly = `mount it writable, ${elsewhere}`

const adviceOf: Readonly<Record<string | number, string>> = {
  [SQLITE_FULL]: isFull,
  ENOSPC: isFull,
  EDQUOT: isFull,
  [SQLITE_BUSY]:
    'another program has locked it, such as sqlite3: end that one; a fleet that runs goes on by itself',
  [SQLITE_CORRUPT]: isDamaged,
  [SQLITE_NOTADB]: isDamaged,
  [SQLITE_READONLY]: isReadOnly,
  EROFS: isReadOnly,
  EACCES: noPermission,
  EPERM: noPermission,
  [SQLITE_CANTOPEN]: noPermission,
  [SQLITE_IOERR]: 'look for errors of the disk in the system log, and for a limit of file sizes (ulimit -f)',
  EFBIG: 'raise the limit of file sizes of this process (ulimit -f)',
  EMFILE: openFiles,
  ENFILE: openFiles,
  EISDIR: `a directory has its name: move it away, ${elsewhere}`,
  EEXIST:
    'a file, or a link that leads nowhere, has its name or one above it; set FLOTILLA_DATA to a directory',
  ENAMETOOLONG: 'set FLOTILLA_DATA to a shorter path',
  ENOTDIR: 'a file has its name, or one above it; set FLOTILLA_DATA to a directory',
}

/** Pages of the file are no longer what was written: no retry helps. */
export function isDamage(error: unknown): error is FlotillaError {
  const code = error instanceof FlotillaError ? sqliteCode(error.cause) : null
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB
}

/** Damage that SQLite itself does not report. */
export const damaged = (reason: string): Error =>
  Object.assign(new Error(reason), { errcode: SQLITE_CORRUPT })

export const damagedRow = (what: string): Error => damaged(`${what} is damaged`)

/** The file is no longer where it was opened. */
export const displaced = (path: string): FlotillaError =>
  new FlotillaError(
    'LOG_UNAVAILABLE',
    `${shown(path)} was removed, moved or replaced while this process has it open, so that nothing would be left of what it ` +
      'writes: nothing more is taken. Put back what was there, or a backup (docs/disaster-recovery.md), and start again',
    { cause: damaged('the file is gone') },
  )

/** Another program has written there, or cut it off. */
export const overwritten = (path: string): FlotillaError =>
  new FlotillaError(
    'LOG_UNAVAILABLE',
    `${shown(path)} was cut off or written over by another program while this process has it open, so that what is written next ` +
      'could not be read: nothing more is taken. Go back to a backup (docs/disaster-recovery.md), and start again',
    { cause: damaged('the file was changed by another program') },
  )

/** What happened, and what helps. */
function reasonOf(cause: unknown): string {
  const code = sqliteCode(cause) ?? (cause as NodeJS.ErrnoException | null)?.code ?? ''
  const advice = adviceOf[code]
  const reason = withoutCall(messageOf(cause))
  return advice === undefined ? reason : `${reason}; ${advice}`
}

/** Without the system call and its path, which Node adds: the sentence around it has named the path. */
const withoutCall = (reason: string): string => reason.replace(/, [a-z]+ '.*'$/su, '')

/** SQLite opens no path of 512 bytes, counting the endings of its own files. */
const PATH_BYTES = 504

/** Why a file could not be opened, where SQLite says only that. Opening it here would drop a lock that this process has on it. */
function reasonToOpen(path: string, cause: unknown): unknown {
  if (sqliteCode(cause) !== SQLITE_CANTOPEN) return cause
  try {
    if (statSync(path).isDirectory()) return Object.assign(new Error('it is a directory'), { code: 'EISDIR' })
    accessSync(path, constants.R_OK | constants.W_OK)
    closeSync(openSync(devNull, 'r'))
  } catch (refusal) {
    if ((refusal as NodeJS.ErrnoException).code !== 'ENOENT') return refusal
  }
  if (Buffer.byteLength(path) <= PATH_BYTES) return cause
  const tooLong = new Error(`${messageOf(cause)}: SQLite takes no path of more than ${PATH_BYTES} bytes`)
  return Object.assign(tooLong, { code: 'ENAMETOOLONG' })
}

export function unavailable(path: string, failed: unknown): FlotillaError {
  const cause = reasonToOpen(path, failed)
  return new FlotillaError('LOG_UNAVAILABLE', `using ${shown(path)}: ${reasonOf(cause)}`, { cause })
}

export function notCreated(dir: string, cause: unknown): FlotillaError {
  // The directories above it are there, or were made: its file system makes none.
  const isImpossible = (cause as NodeJS.ErrnoException | null)?.code === 'ENOENT'
  const advice = isImpossible ? '; no directory can be made there: set FLOTILLA_DATA to another' : ''
  const message = `creating the data directory ${shown(dir)}: ${reasonOf(cause)}${advice}`
  return new FlotillaError('LOG_UNAVAILABLE', message, { cause })
}

/** Failures of the file and its disk as LOG_UNAVAILABLE; anything else, as a refused row or a bug, as it is. */
export function dataError(error: unknown, path: string): unknown {
  const code = sqliteCode(error)
  return code !== null && code in adviceOf ? unavailable(path, error) : error
}

export function commitError(error: unknown, dir: string): Error {
  if (error instanceof FlotillaError) return error
  if (sqliteCode(error) !== SQLITE_IOERR) return unavailable(dir, error)
  return new WriteUncertain(`writing ${dir}: ${reasonOf(error)}`, error)
}

export function closedError(dir: string): FlotillaError {
  return new FlotillaError('LOG_UNAVAILABLE', `${dir} was closed by this process`)
}
