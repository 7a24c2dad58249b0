// A pool of interpreters: never more than `max` at once, a few of them warm and unused.
//
// 1. One that served a session is renewed or killed, never handed on.
// 2. At the limit, the session that has waited longest releases its interpreter (its log rebuilds it); if
//    every session is computing, the caller queues.
import { FlotillaError, messageOf } from '../../../runtime/errors.ts'
import type { Interpreter } from './interpreter.ts'

export interface PoolOptions {
  readonly max: number
  /** Started ahead of need. */
  readonly warm: number
  /** Called at the limit: frees a process that is not computing; false if there is none. */
  readonly evict: () => boolean
}

/** A spare process beyond the warm ones is ended when unused for this long. */
const SPARE_MS = 10_000

interface Ticket {
  readonly grant: () => void
}

export class InterpreterPool {
  readonly #begin: () => Promise<Interpreter>
  readonly #options: PoolOptions
  readonly #spare: Interpreter[] = []
  readonly #queue: Ticket[] = []
  #count = 0
  #closed = false

  /** `begin` starts an interpreter; it need not be up when the promise resolves. */
  constructor(begin: () => Promise<Interpreter>, options: PoolOptions) {
    this.#begin = begin
    this.#options = options
  }

  /** Processes alive, warm ones included. */
  get size(): number {
    return this.#count
  }

  /** A process whose interpreter is up. Rejects with SANDBOX_UNAVAILABLE, or with the signal's reason. */
  async acquire(signal: AbortSignal): Promise<Interpreter> {
    for (;;) {
      signal.throwIfAborted()
      if (this.#closed) throw new FlotillaError('SANDBOX_UNAVAILABLE', 'the executor is closed')
      const spare = this.#spare.shift()
      if (spare && !spare.alive) continue
      if (!spare && this.#count >= this.#options.max) {
        this.#options.evict()
        if (this.#spare.length === 0) await this.#turn(signal)
        continue
      }
      const child = spare ?? (await this.#start())
      try {
        await this.#up(child, signal)
      } catch (error) {
        // A renewed one may have ended; try another.
        if (spare && !signal.aborted) continue
        throw error
      }
      void this.refill()
      return child
    }
  }

  /**
   * Releases an interpreter whose session is over or evicted. `waiting`: it is idle, so it may be renewed.
   */
  release(child: Interpreter, reason: string, waiting: boolean): void {
    if (this.#closed || !waiting || !child.renew()) return child.kill(reason)
    this.#keep(child)
  }

  /** A session has stopped computing: frees a process if a caller waits for one. */
  idle(): void {
    if (this.#queue.length > 0) this.#options.evict()
  }

  /** Starts the warm processes. */
  async refill(): Promise<void> {
    try {
      while (!this.#closed && this.#spare.length < this.#options.warm && this.#count < this.#options.max)
        this.#keep(await this.#start())
    } catch {
      // A caller that needs a process starts one itself, and gets the error.
    }
  }

  #keep(child: Interpreter): void {
    if (this.#closed) child.kill('the executor is closed')
    else this.#spare.push(child)
    this.#queue.shift()?.grant()
    if (this.#spare.length > this.#options.warm) setTimeout(() => this.#trim(child), SPARE_MS).unref()
  }

  #trim(child: Interpreter): void {
    const at = this.#spare.indexOf(child)
    if (at < 0 || this.#spare.length <= this.#options.warm) return
    this.#spare.splice(at, 1)
    child.kill('it was not needed')
  }

  close(): void {
    this.#closed = true
    for (const child of this.#spare.splice(0)) child.kill('the executor is closed')
    for (const ticket of this.#queue.splice(0)) ticket.grant()
  }

  async #start(): Promise<Interpreter> {
    this.#count++
    let child: Interpreter
    try {
      child = await this.#begin()
      if (this.#closed) await discard(child)
    } catch (error) {
      this.#onFreed()
      throw error
    }
    child.ended.then(() => this.#onFreed())
    return child
  }

  #onFreed(): void {
    this.#count--
    this.#queue.shift()?.grant()
  }

  /** Waits until a process has ended. A caller that gives up in the meantime passes its turn on. */
  async #turn(signal: AbortSignal): Promise<void> {
    let leave = () => {}
    await new Promise<void>((resolve) => {
      leave = resolve
      this.#queue.push({ grant: resolve })
      signal.addEventListener('abort', leave, { once: true })
    })
    signal.removeEventListener('abort', leave)
    const at = this.#queue.findIndex((ticket) => ticket.grant === leave)
    if (at >= 0) this.#queue.splice(at, 1)
    else if (signal.aborted) this.#queue.shift()?.grant()
  }

  async #up(child: Interpreter, signal: AbortSignal): Promise<void> {
    const stop = () => child.kill('its caller gave up')
    signal.addEventListener('abort', stop, { once: true })
    try {
      await child.ready
    } catch (error) {
      signal.throwIfAborted()
      const said = messageOf(error)
      throw new FlotillaError('SANDBOX_UNAVAILABLE', `starting the Python sandbox: ${said}`, { cause: error })
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }
}

/** Kills an interpreter that was started while the pool was being closed. */
async function discard(child: Interpreter): Promise<never> {
  child.kill('the executor is closed')
  await child.ended
  throw new FlotillaError('SANDBOX_UNAVAILABLE', 'the executor is closed')
}
