// Checkpoints the data file's write-ahead log in a separate thread: it takes 10 to 20 ms each time, most of
// it waiting for the disk, and would block the fleet.
//
// 1. The thread copies while the connection goes on writing, so it never quite catches up: once the log is
//    long, the connection copies the few pages that are left, and the log restarts.
// 2. Without the thread (a short command, or it failed) SQLite checkpoints by itself in a commit, at
//    OWN_PAGES.
import type { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { messageOf } from '../../errors.ts'

/** Commits between two checkpoints: some 3,000 pages under load. */
const COMMITS = 100
/** Length from which the log is to restart. A page has 4 KB. */
const LONG_PAGES = 8_000
/** Length at which a commit checkpoints by itself. */
export const OWN_PAGES = 16_000
const CLOSE_WITHIN_MS = 10_000
/** The thread runs one statement, again and again. */
const HEAP = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 }

export interface ThreadData {
  readonly path: string
  readonly state: Int32Array<SharedArrayBuffer>
}

/** States of the thread: it opens the file only from `started`, and has closed it at `closed`. */
export const states = { started: 0, open: 1, closed: 2 } as const

const source = new URL('./thread.ts', import.meta.url)
/** Installed, it is JavaScript. */
const script = import.meta.url.endsWith('.ts') ? source : new URL(source.href.replace(/ts$/, 'js'))

export class Checkpoints {
  readonly #path: string
  readonly #db: DatabaseSync
  readonly #state = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  #thread: Worker | null = null
  #failed = false
  #commits = 0

  constructor(path: string, db: DatabaseSync) {
    this.#path = path
    this.#db = db
  }

  /** After each commit. Never throws: what was committed must not be taken for failed. */
  committed(): void {
    if (++this.#commits % COMMITS > 0 || this.#failed) return
    try {
      this.#thread ??= this.#start()
      this.#thread.postMessage('checkpoint')
    } catch (error) {
      // The system, or Node's permission model, allows no more threads.
      this.#fail(error)
    }
  }

  /** Waits until the thread has closed the file. */
  close(): void {
    if (!this.#thread) return
    this.#thread.postMessage('close')
    const isOpen = Atomics.compareExchange(this.#state, 0, states.started, states.closed) === states.open
    if (isOpen) Atomics.wait(this.#state, 0, states.open, CLOSE_WITHIN_MS)
    this.#thread = null
  }

  #start(): Worker {
    const workerData: ThreadData = { path: this.#path, state: this.#state }
    const thread = new Worker(script, { workerData, resourceLimits: HEAP })
    thread.on('message', (pages: number) => this.#copied(pages))
    thread.once('error', (error) => this.#fail(error))
    thread.unref()
    return thread
  }

  #fail(error: unknown): void {
    this.#failed = true
    this.#thread = null
    process.emitWarning(
      `the checkpoint thread of ${this.#path} failed; commits checkpoint from now on: ${messageOf(error)}`,
    )
  }

  #copied(pages: number): void {
    const isFree = this.#thread !== null && !this.#db.isTransaction
    if (pages < LONG_PAGES || !isFree) return
    try {
      this.#db.exec('PRAGMA wal_checkpoint(PASSIVE)')
    } catch {
      // Most likely the disk is full; the next commit will fail too and report it.
    }
  }
}
