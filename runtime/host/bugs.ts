// Errors that escape every handling of a process: an unhandled rejection, an error thrown in a callback.
//
// A rejection leaves the rest of the process as it was, so the process goes on, and reports it in the log, in
// /health and in a metric. After an error thrown out of a callback the process may be in any state: the
// process drains and ends with 1.
import type { Instruments } from '../telemetry/instruments.ts'

export interface Health {
  /** degraded: a bug showed itself; the process goes on. */
  readonly status: 'ok' | 'degraded'
  /** Promises that rejected and that nobody awaited, since the start. */
  readonly unhandledRejections: number
}

export class Bugs {
  readonly #instruments: Instruments
  #rejections = 0

  constructor(instruments: Instruments) {
    this.#instruments = instruments
  }

  get health(): Health {
    const unhandledRejections = this.#rejections
    return { status: unhandledRejections > 0 ? 'degraded' : 'ok', unhandledRejections }
  }

  /** Listens until `close`. `end` is called once, after an error that was thrown out of a callback. */
  watch(end: () => void): { close(): void } {
    const rejected = (reason: unknown): void => this.#rejected(reason)
    const thrown = (error: unknown): void => {
      process.off('uncaughtException', thrown)
      this.#count('uncaught_exception')
      this.#instruments.log.error({ err: error }, 'an error was thrown out of a callback (bug); draining')
      end()
    }
    process.on('unhandledRejection', rejected)
    process.on('uncaughtException', thrown)
    return {
      close: () => {
        process.off('unhandledRejection', rejected)
        process.off('uncaughtException', thrown)
      },
    }
  }

  #rejected(reason: unknown): void {
    this.#rejections++
    this.#count('unhandled_rejection')
    const err = reason instanceof Error ? reason : new Error(String(reason))
    this.#instruments.log.error({ err }, 'unhandled rejection (bug); the process goes on')
  }

  #count(kind: string): void {
    this.#instruments.count('bugs', 1, { kind })
  }
}
