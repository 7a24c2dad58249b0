// The SQLite file of an embedded fleet: log, key-value store, blobs and ledgers share it, so that one fsync
// serves all.
//
// 1. One process holds a data directory. The proof is an SQLite lock on `flotilla.lock`, which the operating
//    system drops with the process (kill -9 included); `owner.json` only names the holder for the error
//    message.
// 2. Writes requested within one tick share one transaction; each resolves after its COMMIT.
// 3. A write that throws is rolled back alone; the others of its transaction stay.
// 4. A hold (a transaction over several ticks) has the connection's writes to itself; other writes wait for
//    its end.
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  realpathSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { StatementSync } from 'node:sqlite'
import { FlotillaError } from '../errors.ts'
import { makeDirectory } from '../make-directory.ts'
import { Checkpoints, OWN_PAGES } from './data-file-checkpoints.ts'
import {
  closedError,
  commitError,
  isLocked,
  notCreated,
  sqliteCode,
  unavailable,
} from './data-file-errors.ts'

/**
 * power-loss: fsync at each commit. process-crash: kill -9 loses nothing, a power cut may lose the last
 * commits (never tear them).
 */
export type Durability = 'power-loss' | 'process-crash'

export interface DataFileOptions {
  readonly dataDir: string
  /** Default process-crash. The first opener in a process decides. */
  readonly durability?: Durability
}

interface Write {
  readonly work: () => unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** 2: records in the order of arrival (record-table.ts). */
const FORMAT = 2
const openFiles = new Map<string, DataFile>()

const FILE_NAME = 'flotilla.db'

export const dataFileIn = (dataDir: string): string => join(dataDir, FILE_NAME)

/** Whether a data directory holds the file of a fleet. Creates nothing. */
export const hasDataFile = (dataDir: string): boolean => existsSync(dataFileIn(dataDir))

/**
 * What the data directory holds, for a diagnosis: reads only, and takes no lock, so that it stops no fleet from
 * starting. `look` may read the file. Throws LOG_UNAVAILABLE if a fleet could not use it, and what `look` throws.
 */
export function inspectDataFile(dataDir: string, look: (db: DatabaseSync) => void = () => {}): string {
  const path = join(dataDir, FILE_NAME)
  try {
    const home = nearestDirectory(dataDir)
    if (!statSync(home).isDirectory()) throw notADirectory(home)
    accessSync(home, constants.W_OK)
    if (!hasDataFile(dataDir)) return 'new'
    accessSync(path, constants.W_OK)
    const db = new DatabaseSync(path, { readOnly: true, timeout: 1_000 })
    try {
      const found = Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
      if (found > FORMAT) throw newerFormat(found)
      look(db)
      return `${Math.ceil(statSync(path).size / 2 ** 20)} MB`
    } finally {
      db.close()
    }
  } catch (cause) {
    throw cause instanceof FlotillaError ? cause : unavailable(path, cause)
  }
}

/** Room on the disk of the data directory. Throws LOG_UNAVAILABLE if there is too little to start a fleet. */
export function inspectRoom(dataDir: string): string {
  const { bavail, bsize } = statfsSync(nearestDirectory(dataDir))
  const free = bavail * bsize
  if (free >= ROOM_BYTES) return `${Math.floor(free / 2 ** 20)} MB free`
  const full = new Error(`only ${Math.floor(free / 1_024)} KB are free`)
  throw unavailable(dataDir, Object.assign(full, { code: 'ENOSPC' }))
}

/** A fleet that starts writes about a third of it. */
const ROOM_BYTES = 2 ** 20

function nearestDirectory(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestDirectory(dirname(path))
}

const notADirectory = (path: string): Error =>
  Object.assign(new Error(`${path} is not a directory`), { code: 'ENOTDIR' })

const newerFormat = (found: number): Error =>
  new Error(`it has format ${found}, written by a newer Flotilla (this one: ${FORMAT})`)

/** Opens the file, or shares the one that this process has open. Call `release` once for each open. */
export function openDataFile(options: DataFileOptions): DataFile {
  const dir = createDirectory(options.dataDir)
  const open = openFiles.get(dir) ?? new DataFile(dir, options.durability ?? 'process-crash')
  openFiles.set(dir, open)
  open.users++
  return open
}

/** Opens the file and sets up what uses it. If that fails, the file is released; a full disk is LOG_UNAVAILABLE. */
export function onDataFile<T>(options: DataFileOptions, setUp: (file: DataFile) => T): T {
  const file = openDataFile(options)
  try {
    return setUp(file)
  } catch (error) {
    file.release()
    throw sqliteCode(error) === null ? error : unavailable(file.dir, error)
  }
}

export class DataFile {
  readonly dir: string
  readonly durability: Durability
  readonly db: DatabaseSync
  users = 0
  #lock: DatabaseSync
  #writes: Write[] = []
  #scheduled = false
  #held = false
  #holds: (() => void)[] = []
  #closed = false
  readonly #checkpoints: Checkpoints
  readonly #statements = new Map<string, StatementSync>()

  constructor(dir: string, durability: Durability) {
    this.dir = dir
    this.durability = durability
    this.#lock = takeLock(dir)
    const path = join(dir, FILE_NAME)
    try {
      this.db = openDatabase(path, durability)
    } catch (error) {
      this.#lock.close()
      throw error
    }
    this.#checkpoints = new Checkpoints(path, this.db)
    try {
      this.announce({})
    } catch (error) {
      this.#close()
      throw unavailable(dir, error)
    }
  }

  /** Tells others who holds the directory; shown in their DATA_LOCKED error. */
  announce(owner: { gateway?: string }): void {
    const text = JSON.stringify({ pid: process.pid, startedMs: Date.now(), ...owner })
    writeFileSync(join(this.dir, 'owner.json'), text, { mode: 0o600 })
  }

  /** Whether a hold is under way: reads of this connection may then see uncommitted data. */
  get held(): boolean {
    return this.#held
  }

  /** Runs `work` (synchronous statements on `db`) in the next transaction. Resolves once that is durable. */
  write<T>(work: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(closedError(this.dir))
    return new Promise<T>((resolve, reject) => {
      this.#writes.push({ work, resolve: resolve as (value: unknown) => void, reject })
      this.#schedule()
    })
  }

  /**
   * Waits for the connection, for a transaction over several ticks. The caller runs BEGIN … COMMIT itself,
   * then calls the result.
   */
  hold(): Promise<() => void> {
    if (this.#closed) return Promise.reject(closedError(this.dir))
    return new Promise((resolve) => {
      const begin = (): void => {
        this.#held = true
        resolve(() => this.#endHold())
      }
      if (this.#held) this.#holds.push(begin)
      else begin()
    })
  }

  /** Rejects when the file can't be written now. */
  async check(): Promise<void> {
    await this.write(() => this.db.prepare('SELECT 1').get())
  }

  /** Ends one open. The last one flushes pending writes, closes the file and unlocks the directory. */
  release(): void {
    if (--this.users > 0 || this.#closed) return
    if (!this.#held) this.#flush()
    this.#closed = true
    openFiles.delete(this.dir)
    for (const write of this.#writes.splice(0)) write.reject(closedError(this.dir))
    this.#close()
  }

  #close(): void {
    this.#checkpoints.close()
    this.db.close()
    this.#lock.close()
  }

  #schedule(): void {
    if (this.#scheduled || this.#held) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      if (!this.#held && !this.#closed) this.#flush()
    })
  }

  #endHold(): void {
    if (!this.#held) return
    this.#held = false
    if (!this.#closed) this.#flush()
    this.#holds.shift()?.()
  }

  #flush(): void {
    const writes = this.#writes.splice(0)
    if (writes.length === 0) return
    const settle: (() => void)[] = []
    try {
      this.#statement('BEGIN IMMEDIATE').run()
      for (const write of writes) settle.push(this.#runOne(write, writes.length > 1))
      this.#statement('COMMIT').run()
      this.#checkpoints.committed()
    } catch (error) {
      this.#rollBack()
      const reason = commitError(error, this.dir)
      for (const write of writes) write.reject(reason)
      return
    }
    for (const done of settle) done()
  }

  /** A lone write needs no savepoint: its failure rolls back the whole transaction, which is its own. */
  #runOne(write: Write, amongOthers: boolean): () => void {
    if (amongOthers) this.#statement('SAVEPOINT write').run()
    try {
      const value = write.work()
      if (amongOthers) this.#statement('RELEASE write').run()
      return () => write.resolve(value)
    } catch (error) {
      // A full disk or a failed read aborts the whole transaction, not only this write.
      if (!this.db.isTransaction) throw error
      this.db.exec(amongOthers ? 'ROLLBACK TO write; RELEASE write' : 'ROLLBACK; BEGIN')
      return () => write.reject(error)
    }
  }

  /** Prepared once: these run for every commit. */
  #statement(text: string): StatementSync {
    const statement = this.#statements.get(text) ?? this.db.prepare(text)
    this.#statements.set(text, statement)
    return statement
  }

  #rollBack(): void {
    if (this.db.isTransaction) this.db.exec('ROLLBACK')
  }
}

const PRIVATE = 0o600

function createDirectory(dataDir: string): string {
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
function takeLock(dir: string): DatabaseSync {
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
function keepPrivate(path: string): void {
  try {
    closeSync(openSync(path, 'a', PRIVATE))
    chmodSync(path, PRIVATE)
  } catch (cause) {
    throw unavailable(path, cause)
  }
}

function openDatabase(path: string, durability: Durability): DatabaseSync {
  keepPrivate(path)
  const db = new DatabaseSync(path, { timeout: 5_000 })
  try {
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${durability === 'power-loss' ? 'FULL' : 'NORMAL'};
      PRAGMA wal_autocheckpoint = ${OWN_PAGES}; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -8192`)
    const found = Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
    if (found > FORMAT) throw newerFormat(found)
    db.exec(`PRAGMA user_version = ${FORMAT}`)
    return db
  } catch (cause) {
    db.close()
    throw unavailable(path, cause)
  }
}
