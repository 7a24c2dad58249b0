// One thread of a pool and its current job.
import { Worker } from 'node:worker_threads'
import { FlotillaError, messageOf } from '../errors.ts'
import type { PendingJob, PoolOptions } from './pool.ts'
import type { JobMessage, ThreadData, ThreadMessage } from './thread.ts'

/** Real time that a job may take, as a multiple of its processor time: it may wait for the machine. */
const WALL_FACTOR = 10
/** A thread that has not started by then never will. */
const START_WITHIN_MS = 60_000
const LEAST_CHECK_MS = 20
const YOUNG_MB = 32

/** Installed, the script is JavaScript. */
const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

interface Listener {
  /** It has finished its job. */
  freed(): void
  /** It has ended. */
  ended(): void
}

export class JobThread {
  readonly #worker: Worker
  readonly #options: PoolOptions
  readonly #listener: Listener
  #job: PendingJob | null = null
  #begun = { atMs: 0, cpuUs: 0 }
  #timer: NodeJS.Timeout | undefined
  #hasEnded = false

  constructor(options: PoolOptions, listener: Listener) {
    this.#options = options
    this.#listener = listener
    const { memoryMb, resultChars } = options
    const workerData: ThreadData = { resultChars }
    this.#worker = new Worker(new URL(options.script.href.replace(/ts$/, extension)), {
      workerData,
      // Its jobs need no secrets.
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: memoryMb, maxYoungGenerationSizeMb: YOUNG_MB },
    })
    this.#worker.on('message', (message: ThreadMessage) => this.#heard(message))
    this.#worker.once('error', (error: Error & { code?: string }) => this.#broke(error))
    this.#worker.once('exit', () => this.#gone(new FlotillaError('INTERNAL', 'the worker thread ended')))
  }

  get isFree(): boolean {
    return this.#job === null && !this.#hasEnded
  }

  /** Only while it is free. While it starts, the job waits in its port. */
  run(job: PendingJob): void {
    this.#job = job
    this.#worker.ref()
    this.#watch(START_WITHIN_MS)
    try {
      this.#worker.postMessage({ job: job.job, input: job.input } satisfies JobMessage)
    } catch (error) {
      const why = messageOf(error)
      this.#done((ended) =>
        ended.reject(new FlotillaError('WORKER_LIMIT', `it can't be handed over: ${why}`)),
      )
    }
  }

  async end(): Promise<void> {
    this.#gone(new FlotillaError('CALL_TIMEOUT', 'a job was stopped: the process is closing'))
    await this.#worker.terminate()
  }

  #heard(message: ThreadMessage): void {
    if (message.t === 'ready' || !this.#job) return
    if (message.t === 'begun') {
      this.#begun = { atMs: performance.now(), cpuUs: message.begunUs }
      this.#watch(this.#job.timeMs)
    } else if (message.t === 'done') this.#done((job) => job.resolve(message.json))
    else this.#done((job) => job.reject(new FlotillaError(message.code, message.message)))
  }

  #done(settle: (job: PendingJob) => void): void {
    clearTimeout(this.#timer)
    const job = this.#job
    this.#job = null
    this.#begun = { atMs: 0, cpuUs: 0 }
    this.#worker.unref()
    if (job) settle(job)
    this.#listener.freed()
  }

  #watch(ms: number): void {
    clearTimeout(this.#timer)
    const job = this.#job
    this.#timer = setTimeout(() => void this.#judge(job), Math.max(LEAST_CHECK_MS, ms))
  }

  /** Ends the thread if the job's time has passed, and checks again later otherwise. */
  async #judge(job: PendingJob | null): Promise<void> {
    if (!job || this.#hasEnded) return
    if (this.#begun.atMs === 0) return this.#stop('its thread did not start')
    const { timeMs } = job
    const isOver = performance.now() - this.#begun.atMs >= timeMs * WALL_FACTOR
    const spentMs = isOver ? timeMs : await this.#spentMs(timeMs)
    if (this.#job !== job || this.#hasEnded) return
    if (spentMs >= timeMs) this.#stop(`it took more than ${timeMs / 1000} s`)
    else this.#watch(timeMs - spentMs)
  }

  async #spentMs(timeMs: number): Promise<number> {
    try {
      const { user, system } = await this.#worker.cpuUsage()
      return (user + system - this.#begun.cpuUs) / 1000
    } catch {
      return timeMs
    }
  }

  #stop(why: string): void {
    this.#gone(new FlotillaError('WORKER_LIMIT', why))
    void this.#worker.terminate()
  }

  #broke(error: Error & { code?: string }): void {
    const { memoryMb } = this.#options
    const isMemory = error.code === 'ERR_WORKER_OUT_OF_MEMORY'
    this.#gone(
      isMemory
        ? new FlotillaError('WORKER_LIMIT', `it took more than ${memoryMb} MB of memory`)
        : new FlotillaError('INTERNAL', `a worker thread failed: ${error.message}`, { cause: error }),
    )
  }

  #gone(why: FlotillaError): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    clearTimeout(this.#timer)
    const job = this.#job
    this.#job = null
    job?.reject(why)
    this.#listener.ended()
  }
}
