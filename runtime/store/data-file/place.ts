// Whether the data file is still what the next process will find. SQLite goes on with a file that was removed, moved or
// replaced, and with one that another program has cut off or written over, as `cp` does: all that is committed from then on
// would be gone with this process, or lie in a file that nothing can read.
//
// 1. The file and its write-ahead log are held open to compare: a number alone may change on some file systems, and is given
//    to another file once its own is gone. Closing drops this process's locks on the file, so it comes after the database.
// 2. The file is looked for by the path that the process was given, which may lead elsewhere by now. SQLite keeps the log
//    beside the file that a link leads to.
// 3. Only what is certain ends a fleet. Other programs may shrink the file (VACUUM) and the log (a checkpoint): where one is
//    smaller than at the last look, SQLite's own numbers decide, and for the file its pages.
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
import { DatabaseSync } from 'node:sqlite'
import type { FlotillaError } from '../../errors.ts'
import { displaced, isDamage, overwritten, unavailable } from './errors.ts'
import { readPages } from './pages.ts'

/** A byte of SQLite's header: 2 in a file with a write-ahead log, 1 in one without, as a backup is until a fleet opens it. */
const WRITE_VERSION_AT = 18
const WITHOUT_LOG = 1

/** The write-ahead log of a database at this path, which may be a link. */
export const logOf = (path: string): string => `${existsSync(path) ? realpathSync(path) : path}-wal`

/** Whether the header of this open file says that it has no write-ahead log. */
export const isWithoutLog = (file: number): boolean =>
  beginningOf(file, BEGINNING)[WRITE_VERSION_AT] === WITHOUT_LOG

interface Held {
  readonly path: string
  readonly file: number
  /** What it begins with for as long as SQLite has it open. */
  readonly beginning: Buffer
  /** At the last look. */
  bytes: number
}

/** Name, size of a page and versions of the format: SQLite changes none of them in a file that is open. */
const BEGINNING = 20
/** The name of a write-ahead log, without the bit that is the order of bytes in its checksums. */
const LOG_NAME = Buffer.from([0x37, 0x7f, 0x06])
const LOG_HEADER = 32
const FRAME_HEADER = 24

export class DataFilePlace {
  /** Whether the problem is that another program has written there. */
  isForeign = false
  readonly #db: DatabaseSync
  readonly #file: Held | null
  readonly #log: Held | null

  /** Takes a file that this process has just opened as this database. */
  constructor(path: string, db: DatabaseSync) {
    this.#db = db
    this.#file = held(path, (file) => beginningOf(file, BEGINNING))
    this.#log = held(logOf(path), () => LOG_NAME)
  }

  /** Why nothing may be written any more; null: all is as it was left. */
  problem(): FlotillaError | null {
    const all = this.#all()
    const gone = all.find((each) => !isInPlace(each))
    if (gone) return displaced(gone.path)
    const changed = all.find(isWrittenOver) ?? this.#cutOff()
    this.isForeign = changed !== null
    return changed && overwritten(changed.path)
  }

  #all(): Held[] {
    return [this.#file, this.#log].filter((each) => each !== null)
  }

  /** The one that lacks what it had. A transaction that is under way keeps SQLite from saying: asked again at the next look. */
  #cutOff(): Held | null {
    if (this.#db.isTransaction) return null
    const [log, file] = [this.#log, this.#file]
    if (log && isSmaller(log) && this.#lacksFrames(log)) return log
    return file && isSmaller(file) && this.#lacksPages(file) ? file : null
  }

  /** Call before the database is closed: it would write the pages of its log into a backup that was copied over it. */
  spareBackup(): void {
    if (this.#log !== null && this.#file !== null && isWithoutLog(this.#file.file)) emptied(this.#log.path)
  }

  close(): void {
    for (const { file } of this.#all()) closeSync(file)
  }

  /** Whether the log is too short for what SQLite has written there. Asked before and after: another program may reset it meanwhile. */
  #lacksFrames({ file }: Held): boolean {
    const frames = this.#frames()
    const { size } = fstatSync(file)
    const needed = frames === 0 ? 0 : LOG_HEADER + frames * (FRAME_HEADER + this.#pragma('page_size'))
    return size < needed && this.#frames() >= frames
  }

  /** Whether pages are missing that no VACUUM has taken away. */
  #lacksPages({ path, bytes }: Held): boolean {
    if (this.#pragma('page_count') * this.#pragma('page_size') <= bytes) return false
    // The connection that writes has the newest pages in its memory.
    const db = new DatabaseSync(path, { readOnly: true, timeout: 1_000 })
    try {
      readPages(db, Number.POSITIVE_INFINITY)
      return false
    } catch (error) {
      return isDamage(unavailable(path, error))
    } finally {
      db.close()
    }
  }

  #frames(): number {
    return Number(this.#db.prepare('PRAGMA wal_checkpoint(NOOP)').get()?.['log'])
  }

  #pragma(name: string): number {
    return Number(this.#db.prepare(`PRAGMA ${name}`).get()?.[name])
  }
}

function held(path: string, beginning: (file: number) => Buffer): Held | null {
  try {
    const file = openSync(path, 'r')
    return { path, file, beginning: beginning(file), bytes: fstatSync(file).size }
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

function beginningOf(file: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  return bytes.subarray(0, readSync(file, bytes, 0, length, 0))
}

/** A log may be empty, the file of a fleet that runs is not. */
function isWrittenOver({ path, file, beginning }: Held): boolean {
  const found = beginningOf(file, beginning.length)
  return !found.equals(beginning) && (found.length > 0 || !path.endsWith('-wal'))
}

function isSmaller(held: Held): boolean {
  const before = held.bytes
  held.bytes = fstatSync(held.file).size
  return held.bytes < before
}

/** True also if the file system doesn't say. */
function isInPlace({ path, file }: Held): boolean {
  try {
    const [ours, there] = [fstatSync(file), statSync(path)]
    return ours.ino === there.ino && ours.dev === there.dev
  } catch (error) {
    return !['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')
  }
}
