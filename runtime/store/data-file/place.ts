// Whether the data file is still where the next process will look for it. SQLite goes on with a file that was removed, moved or
// replaced, and all that is committed from then on would be gone with this process.
//
// 1. The file and its write-ahead log are held open to compare: a number alone may change on some file systems, and is
//    given to another file once its own is gone. Closing drops this process's locks on the file, so it comes after the
//    database.
// 2. The file is looked for by the path that the process was given, which may lead elsewhere by now. SQLite keeps the log
//    beside the file that a link leads to.
// 3. What is written over them in place keeps its number: a backup has no log, and SQLite never shortens a log below
//    LOG_LIMIT.
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readSync,
  realpathSync,
  statSync,
  truncateSync,
} from 'node:fs'

/** Size to which SQLite cuts a log that grew beyond it. Bytes. */
export const LOG_LIMIT = 2 ** 26

/** A byte of SQLite's header: 2 in a file with a write-ahead log, 1 in one without, as a backup is until a fleet opens it. */
const WRITE_VERSION_AT = 18
const WITHOUT_LOG = 1

/** The write-ahead log of a database at this path, which may be a link. */
export const logOf = (path: string): string => `${existsSync(path) ? realpathSync(path) : path}-wal`

/** Whether the header of this open file says that it has no write-ahead log. */
export function isWithoutLog(file: number): boolean {
  const found = Buffer.alloc(1)
  readSync(file, found, 0, 1, WRITE_VERSION_AT)
  return found[0] === WITHOUT_LOG
}

interface Held {
  readonly path: string
  readonly file: number
}

export class DataFilePlace {
  readonly #file: Held | null
  readonly #log: Held | null
  #logBytes = 0

  /** Takes a file that this process has just opened as a database. */
  constructor(path: string) {
    this.#file = opened(path)
    this.#log = opened(logOf(path))
  }

  /** The path of the first file that is no longer there as it was; null: all are. */
  missing(): string | null {
    const [file, log] = [this.#file, this.#log]
    if (file !== null && (!isInPlace(file) || isWithoutLog(file.file))) return file.path
    return log !== null && (!isInPlace(log) || this.#isCut(log)) ? log.path : null
  }

  /** Call before the database is closed: it would write the pages of its log into a backup that was copied over it. */
  spareBackup(): void {
    if (this.#file !== null && this.#log !== null && isWithoutLog(this.#file.file)) emptied(this.#log.path)
  }

  close(): void {
    for (const held of [this.#file, this.#log]) if (held !== null) closeSync(held.file)
  }

  #isCut({ file }: Held): boolean {
    const { size } = fstatSync(file)
    const isCut = size < Math.min(this.#logBytes, LOG_LIMIT)
    this.#logBytes = size
    return isCut
  }
}

function opened(path: string): Held | null {
  try {
    return { path, file: openSync(path, 'r') }
  } catch {
    return null
  }
}

function emptied(path: string): void {
  try {
    truncateSync(path)
  } catch {
    // It is gone, and so are its pages.
  }
}

/** True also if the file system doesn't say: only what is certain ends a fleet. */
function isInPlace({ path, file }: Held): boolean {
  try {
    const [ours, there] = [fstatSync(file), statSync(path)]
    return ours.ino === there.ino && ours.dev === there.dev
  } catch (error) {
    return !['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')
  }
}
