// Threads with limits for input from outside: a schema, a page or a file may take unlimited time and memory.
//
// 1. A job that passes its time or its memory ends its thread, never the process. The next job has a fresh
//    thread.
// 2. Its time is processor time, so that a busy machine fails no job; real time ends it at WALL_FACTOR times
//    as much.
// 3. Jobs wait by key, and keys take turns. Beyond the bounds of the queue a job is refused (WORKER_BUSY).
// 4. Threads start when they are needed; the first free one is taken, so that its caches are reused. They do
//    not keep the process alive.
import { FlotillaError } from '../errors.ts'
import { FairQueue, type QueueBounds } from './fair-queue.ts'
import { JobThread } from './job-thread.ts'

export interface PoolOptions {
  /** Module that calls `serveJobs` (thread.ts), as a URL of its TypeScript source. */
  readonly script: URL
  readonly threads: number
  /** Heap of each thread. */
  readonly memoryMb: number
  /** Characters of a result as JSON. */
  readonly resultChars: number
  readonly queue?: QueueBounds
}

export interface Job {
  /** As the thread's script names it. */
  readonly job: string
  /** Structured-cloneable. */
  readonly input: unknown
  /** Keys take turns: a user, a task. */
  readonly key: string
  /** Processor time. Milliseconds. */
  readonly timeMs: number
  /** The caller waits no longer; a running job ends by itself. */
  readonly signal?: AbortSignal
}

/** A pending job, with its caller's promise. */
export interface PendingJob extends Job {
  readonly resolve: (json: string) => void
  readonly reject: (error: unknown) => void
}

const defaultQueue: QueueBounds = { entries: 2_000, entriesPerKey: 200 }

export class WorkerPool {
  readonly #options: PoolOptions
  readonly #queue: FairQueue<PendingJob>
  #threads: JobThread[] = []

  constructor(options: PoolOptions) {
    this.#options = options
    this.#queue = new FairQueue(options.queue ?? defaultQueue)
  }

  /**
   * The job's result. Rejects with WORKER_LIMIT (its time, memory or result was too large), WORKER_BUSY (too
   * many wait), the FlotillaError that the job threw, or the signal's reason.
   */
  async run<T>(job: Job): Promise<T> {
    job.signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const pending: PendingJob = { ...job, resolve, reject }
    if (!this.#queue.push(job.key, pending))
      throw new FlotillaError('WORKER_BUSY', `${job.job} was refused: ${this.#queue.size} jobs wait already`)
    const abort = () => {
      this.#queue.remove(job.key, pending)
      reject(job.signal?.reason)
    }
    job.signal?.addEventListener('abort', abort, { once: true })
    this.#next()
    try {
      return JSON.parse(await promise) as T
    } finally {
      job.signal?.removeEventListener('abort', abort)
    }
  }

  /**
   * Ends the threads; waiting and running jobs are stopped (CALL_TIMEOUT: they may be retried elsewhere). A
   * later job starts a thread.
   */
  async close(): Promise<void> {
    const threads = this.#threads
    this.#threads = []
    for (let job = this.#queue.shift(); job; job = this.#queue.shift())
      job.reject(new FlotillaError('CALL_TIMEOUT', `${job.job} was stopped: the process is closing`))
    await Promise.all(threads.map((thread) => thread.end()))
  }

  #next(): void {
    while (this.#queue.size > 0) {
      const thread = this.#freeThread()
      const job = thread && this.#queue.shift()
      if (!thread || !job) return
      thread.run(job)
    }
  }

  #freeThread(): JobThread | null {
    const free = this.#threads.find((thread) => thread.isFree)
    if (free) return free
    if (this.#threads.length >= this.#options.threads) return null
    const thread = new JobThread(this.#options, {
      freed: () => this.#next(),
      ended: () => {
        this.#threads = this.#threads.filter((other) => other !== thread)
        this.#next()
      },
    })
    this.#threads.push(thread)
    return thread
  }
}
