// One tail of the log for all followers: each record is decoded once, and offered to the streams of its name.
//
// 1. No reader blocks another: items that one does not take are buffered up to a limit (stream.ts), then its
//    stream ends with READER_TOO_SLOW. Best-effort items are dropped before that.
// 2. The tail is open while there is a follower.
import { FlotillaError } from '../runtime/errors.ts'
import type { LogRecord, Tail } from '../runtime/log/port.ts'
import { Stream, type Room } from './stream.ts'

/** Beyond this share of a reader's buffer, best-effort items are dropped. */
const BEST_EFFORT_SHARE = 0.5

export interface Fan<T> {
  readonly tail: (handler: (records: readonly LogRecord[]) => Promise<void>) => Tail
  /** Streams of this name get the record. */
  readonly nameOf: (record: LogRecord) => string
  /** Null: not shown. */
  readonly translate: (record: LogRecord) => Promise<T | null>
  readonly isLast: (item: T) => boolean
  readonly isBestEffort: (item: T) => boolean
  /** What is kept for a reader that does not take it. Default: that of a Stream. */
  readonly waiting?: Room
}

export class FanOut<T> {
  readonly #fan: Fan<T>
  readonly #streams = new Map<string, Map<Stream<T>, () => void>>()
  #tail: Tail | null = null

  constructor(fan: Fan<T>) {
    this.#fan = fan
  }

  /**
   * `ready` resolves once everything from now on is sure to be seen. `onTooSlow` runs when the stream ends with
   * READER_TOO_SLOW, which its reader would learn only when it takes what is kept.
   */
  follow(
    name: string,
    onTooSlow: () => void = () => {},
  ): { readonly stream: Stream<T>; readonly ready: Promise<void> } {
    const stream: Stream<T> = new Stream(() => this.#leave(name, stream), this.#fan.waiting)
    const streams = this.#streams.get(name) ?? new Map<Stream<T>, () => void>()
    this.#streams.set(name, streams.set(stream, onTooSlow))
    this.#tail ??= this.#open()
    return { stream, ready: this.#tail.ready }
  }

  async close(): Promise<void> {
    const tail = this.#tail
    for (const streams of this.#streams.values()) for (const stream of [...streams.keys()]) stream.end()
    await tail?.close()
  }

  #open(): Tail {
    const tail: Tail = this.#fan.tail(async (records) => {
      for (const record of records) {
        // A tail that is being closed may still deliver records that the next one delivers too.
        if (this.#tail !== tail) return
        await this.#pass(record)
      }
    })
    return tail
  }

  async #leave(name: string, stream: Stream<T>): Promise<void> {
    const streams = this.#streams.get(name)
    streams?.delete(stream)
    if (streams?.size === 0) this.#streams.delete(name)
    if (this.#streams.size > 0) return
    const tail = this.#tail
    this.#tail = null
    await tail?.close()
  }

  async #pass(record: LogRecord): Promise<void> {
    const name = this.#fan.nameOf(record)
    if (!this.#streams.has(name)) return
    try {
      const item = await this.#fan.translate(record)
      if (item !== null)
        for (const [stream, onTooSlow] of this.#of(name)) this.#offer(stream, onTooSlow, item, record)
    } catch (error) {
      for (const [stream] of this.#of(name)) stream.end(error)
    }
  }

  #of(name: string): [Stream<T>, () => void][] {
    return [...(this.#streams.get(name) ?? [])]
  }

  #offer(stream: Stream<T>, onTooSlow: () => void, item: T, { value }: LogRecord): void {
    const isBestEffort = this.#fan.isBestEffort(item)
    const isTaken = stream.offer(item, value?.length ?? 0, isBestEffort ? BEST_EFFORT_SHARE : 1)
    if (!isTaken && !isBestEffort) {
      stream.end(tooSlow())
      onTooSlow()
    } else if (this.#fan.isLast(item)) stream.end()
  }
}

function tooSlow(): FlotillaError {
  return new FlotillaError(
    'READER_TOO_SLOW',
    'more has happened than is kept for a reader that does not take it',
  )
}
