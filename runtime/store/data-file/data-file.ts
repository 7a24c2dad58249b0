// The SQLite file of an embedded fleet: log, key-value store, blobs and ledgers share it, so that one fsync
// serves all.
//
// 1. One process holds a data directory, until it ends (kill -9 included): directory.ts.
// 2. Writes requested within one tick share one transaction; each resolves after its COMMIT.
// 3. A write that throws is rolled back alone; the others of its transaction stay. A savepoint costs as much as a small
//    write, so they run without any first. If one throws, all are rolled back and run again, each in a savepoint: a
//    write may run twice, and its `undone` is called in between.
// 4. Nothing is written any more once the file is no longer what it was left as (place.ts).
// 5. A hold (a transaction over several ticks) has the connection's writes to itself; other writes wait for its end.
import { accessSync, constants, existsSync, realpathSync, statfsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { FlotillaError } from '../../errors.ts'
import { Checkpoints } from './checkpoints.ts'
import {
  createDirectory,
  isSuspect,
  nearestDirectory,
  noteOwner,
  noteSuspect,
  refuseShared,
  takeLock,
  type DirectoryLock,
} from './directory.ts'
import { closedError, commitError, dataError, isDamage, sqliteCode, unavailable } from './errors.ts'
import { openDatabase, refuseForeignLog, requireFormat, type Durability } from './format.ts'
import { DataFilePlace } from './place.ts'

export type { Durability }

export interface DataFileOptions {
  readonly dataDir: string
  /** Default process-crash. The first opener in a process decides. */
  readonly durability?: Durability
}

interface Write {
  readonly work: () => unknown
  readonly undone: () => void
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** How often its place is looked at. */
const PLACE_MS = 1_000
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
    // Where this process has it open, that would drop its locks.
    if (openedDataFile(dataDir) === null) refuseForeignLog(path)
    const db = new DatabaseSync(path, { readOnly: true, timeout: 1_000 })
    try {
      requireFormat(db)
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

const notADirectory = (path: string): Error =>
  Object.assign(new Error(`${path} is not a directory`), { code: 'ENOTDIR' })

/** Opens the file, or shares the one that this process has open. Call `release` once for each open. */
export function openDataFile(options: DataFileOptions): DataFile {
  const dir = createDirectory(options.dataDir)
  const open =
    openFiles.get(dir) ?? new DataFile(dir, resolve(options.dataDir), options.durability ?? 'process-crash')
  openFiles.set(dir, open)
  open.users++
  return open
}

/** The file of this directory, if this process has it open. */
export function openedDataFile(dataDir: string): DataFile | null {
  return existsSync(dataDir) ? (openFiles.get(realpathSync(dataDir)) ?? null) : null
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
  readonly #lock: DirectoryLock
  #writes: Write[] = []
  #scheduled = false
  #held = false
  #holds: (() => void)[] = []
  readonly #beforeCommits = new Set<() => void>()
  /** `undone` of writes that were rolled back, until it has run. */
  readonly #toUndo = new Set<() => void>()
  /** The first error that a damaged page led to; null: none has. */
  #damage: Error | null = null
  readonly #damageListeners = new Set<(error: Error) => void>()
  #closed = false
  readonly #place: DataFilePlace
  readonly #placeTimer: NodeJS.Timeout
  /** Null: the file is in its place, as it was left. */
  #displaced: FlotillaError | null = null
  readonly #checkpoints: Checkpoints
  readonly #statements = new Map<string, StatementSync>()

  /** `given`: the directory as the process was given it, which may be a link. */
  constructor(dir: string, given: string, durability: Durability) {
    this.dir = dir
    this.durability = durability
    this.#lock = takeLock(dir)
    const path = join(dir, FILE_NAME)
    const suspect = isSuspect(dir)
    try {
      refuseForeignLog(path, suspect)
      refuseShared(path, this.#lock)
      this.db = openDatabase(path, durability, suspect)
    } catch (error) {
      this.#lock.db.close()
      throw error
    }
    this.#checkpoints = new Checkpoints(path, this.db)
    this.#place = new DataFilePlace(join(given, FILE_NAME), this.db)
    this.#placeTimer = setInterval(() => this.#requirePlace(), PLACE_MS).unref()
    try {
      this.announce({})
    } catch (error) {
      this.#close()
      throw unavailable(dir, error)
    }
  }

  /** Tells others who holds the directory; shown in their DATA_LOCKED error. */
  announce(owner: { gateway?: string }): void {
    noteOwner(this.dir, this.#lock, owner)
  }

  /** A hold is under way: reads of this connection may then see uncommitted data. */
  get held(): boolean {
    return this.#held
  }

  /**
   * Runs `work` (synchronous statements on `db`) in the next transaction. Resolves once that is durable.
   * `undone` is called at once when it was rolled back: it drops what `work` has changed in memory, and may be
   * called once for several writes.
   */
  write<T>(work: () => T, undone: () => void = nothing): Promise<T> {
    const refusal = this.#refusal()
    if (refusal) return Promise.reject(refusal)
    return new Promise<T>((resolve, reject) => {
      this.#writes.push({ work, undone, resolve: resolve as (value: unknown) => void, reject })
      this.#schedule()
    })
  }

  /**
   * Runs `work` behind the writes of each transaction, in it: it writes what they have gathered in memory. A
   * write that gathers has an `undone`.
   */
  beforeCommit(work: () => void): void {
    this.#beforeCommits.add(work)
  }

  /**
   * Waits for the connection, for a transaction over several ticks. The caller runs BEGIN … COMMIT itself,
   * then calls the result.
   */
  hold(): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        const refusal = this.#refusal()
        if (refusal) return reject(refusal)
        this.#held = true
        resolve(() => this.#endHold())
      }
      if (this.#held) this.#holds.push(begin)
      else begin()
    })
  }

  /** Runs statements outside of `write`. Throws LOG_UNAVAILABLE if the file or its disk failed. */
  guarded<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw this.#errorOf(error)
    }
  }

  /** Calls the listener when something first meets a damaged page, at once if it has, and when the file is gone. */
  onDamage(listener: (error: Error) => void): void {
    this.#damageListeners.add(listener)
    if (this.#damage) listener(this.#damage)
  }

  /** Whether the file is gone or was written over, and nothing is written any more. */
  get isDisplaced(): boolean {
    return this.#displaced !== null
  }

  /** Rejects when the file can't be written now, and from the first damaged page on. */
  async check(): Promise<void> {
    this.#requirePlace()
    if (this.#damage) throw this.#damage
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
    clearInterval(this.#placeTimer)
    this.#checkpoints.close()
    this.#place.spareBackup()
    this.db.close()
    this.#place.close()
    this.#lock.db.close()
  }

  #refusal(): FlotillaError | null {
    return this.#closed ? closedError(this.dir) : this.#displaced
  }

  #requirePlace(): void {
    this.#displaced ??= this.#place.problem()
    if (this.#displaced === null || this.#damage === this.#displaced) return
    if (this.#place.isForeign) noteSuspect(this.dir, this.#lock)
    this.#noteDamage(this.#displaced)
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
    while (!this.#held && this.#holds.length > 0) this.#holds.shift()?.()
  }

  #flush(): void {
    const writes = this.#writes.splice(0)
    if (writes.length === 0) return
    try {
      if (this.#displaced) throw this.#displaced
      this.#rollBack([])
      this.#statement('BEGIN IMMEDIATE').run()
      const settle = this.#runTogether(writes) ?? this.#runApart(writes)
      this.#statement('COMMIT').run()
      this.#checkpoints.committed()
      for (const done of settle) done()
    } catch (error) {
      try {
        this.#rollBack(writes)
      } catch {
        // The next transaction begins with what is left of it, and fails with its reason.
      }
      const reason = commitError(error, this.dir)
      this.#noteDamage(reason)
      for (const write of writes) write.reject(reason)
    }
  }

  /** Null: one threw, and nothing of them is left in the transaction. */
  #runTogether(writes: readonly Write[]): (() => void)[] | null {
    try {
      const values = writes.map((write) => write.work())
      this.#finish()
      return writes.map((write, at) => () => write.resolve(values[at]))
    } catch (error) {
      this.#mustGoOn(error)
      this.#rollBack(writes)
      this.db.exec('BEGIN IMMEDIATE')
      return writes.length > 1 ? null : writes.map((write) => () => write.reject(this.#errorOf(error)))
    }
  }

  #runApart(writes: readonly Write[]): (() => void)[] {
    return writes.map((write) => {
      this.db.exec('SAVEPOINT write')
      try {
        const value = write.work()
        this.#finish()
        this.db.exec('RELEASE write')
        return () => write.resolve(value)
      } catch (error) {
        this.#mustGoOn(error)
        this.db.exec('ROLLBACK TO write; RELEASE write')
        this.#undo([write])
        return () => write.reject(this.#errorOf(error))
      }
    })
  }

  #errorOf(error: unknown): unknown {
    const known = dataError(error, join(this.dir, FILE_NAME))
    this.#noteDamage(known)
    return known
  }

  /** The first, and that the file is gone, which is more than a damaged page. */
  #noteDamage(error: unknown): void {
    if (this.#damage === error || (this.#damage && error !== this.#displaced) || !isDamage(error)) return
    this.#damage = error
    for (const listener of this.#damageListeners) listener(error)
  }

  /** A full disk or a failed read aborts the whole transaction, not only a write. */
  #mustGoOn(error: unknown): void {
    if (!this.db.isTransaction) throw error
  }

  #finish(): void {
    for (const work of this.#beforeCommits) work()
  }

  /** Prepared once: these run for every commit. */
  #statement(text: string): StatementSync {
    const statement = this.#statements.get(text) ?? this.db.prepare(text)
    this.#statements.set(text, statement)
    return statement
  }

  #rollBack(writes: readonly Write[]): void {
    for (const { undone } of writes) this.#toUndo.add(undone)
    if (this.db.isTransaction) this.db.exec('ROLLBACK')
    this.#undo([])
  }

  /** Also what failed to be undone before. */
  #undo(writes: readonly Write[]): void {
    for (const { undone } of writes) this.#toUndo.add(undone)
    for (const undone of this.#toUndo) {
      undone()
      this.#toUndo.delete(undone)
    }
  }
}

const nothing = (): void => {}
