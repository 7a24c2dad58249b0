// Bounds what the handlings that a stage runs at once hold in memory. Counts alone don't: after a crash a lane starts all
// that was under way again, and a process whose limit is below that would be killed at each start.
//
// 1. A handling holds its event and the state of its key several times over: as bytes, decoded, and as the request of its
//    call, whose body is text and bytes of a socket. It counts with the bytes of event and state.
// 2. Small ones never wait: their number is bounded (context.ts).
// 3. One that is interrupted, or whose lane is lost, waits no longer, and counts all the same.
// 4. A single one of any size runs.
// 5. What was enough before a death may be too much after it, because a process that starts has the state to read besides.
//    So with each death of the events that it finds there is half as much room, until it has lived for a while: one that is
//    killed for its memory gets on with what is left to do, however little that is at once.
import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import type { Clock } from '../clock.ts'
import type { StopSignal } from './calls/stop.ts'

const SMALL_BYTES = 16_384
/** So that what runs fills a fifth of the memory at six times its size. */
const SHARE = 32
const LEAST_BYTES = 4_000_000
/** After it there is twice as much room. */
const WIDEN_MS = 60_000

/** For the memory that this process may use: that of its container, of its heap, or of the machine. */
export function loadBytes(): number {
  const memory = Math.min(
    process.constrainedMemory() || Infinity,
    totalmem(),
    getHeapStatistics().heap_size_limit,
  )
  return Math.max(LEAST_BYTES, Math.floor(memory / SHARE))
}

const isSmall = (bytes: number): boolean => bytes <= SMALL_BYTES

interface Waiting {
  readonly bytes: number
  readonly resume: () => void
}

export class Load {
  readonly #clock: Clock
  readonly #mostBytes: number
  readonly #onRoom: () => void
  #limitBytes: number
  #heldBytes = 0
  #waiting: Waiting[] = []
  #wasFull = false

  /** `onRoom` is called when it is full no longer. */
  constructor(clock: Clock, limitBytes: number, onRoom: () => void) {
    this.#clock = clock
    this.#mostBytes = limitBytes
    this.#limitBytes = limitBytes
    this.#onRoom = onRoom
  }

  /** Events were found that ran when their process died, so many times. */
  narrow(deaths: number): void {
    const limitBytes = Math.floor(this.#mostBytes / 2 ** deaths)
    if (limitBytes >= this.#limitBytes) return
    const isNarrow = this.#limitBytes < this.#mostBytes
    this.#limitBytes = limitBytes
    if (!isNarrow) this.#widenLater()
  }

  #widenLater(): void {
    this.#clock.schedule(WIDEN_MS, () => {
      this.#limitBytes = Math.min(2 * this.#limitBytes, this.#mostBytes)
      if (this.#limitBytes < this.#mostBytes) this.#widenLater()
      this.#admit()
    })
  }

  /** Whether one more of this size should be taken: it may still have to wait. */
  takes(bytes: number): boolean {
    return isSmall(bytes) || !this.isFull
  }

  get isFull(): boolean {
    const isFull = this.#waiting.length > 0 || this.#heldBytes >= this.#limitBytes
    this.#wasFull ||= isFull
    return isFull
  }

  /** Null: it may run at once. Else resolves when it may, or a signal aborts. `leave` with the same size is owed. */
  enter(bytes: number, signals: () => readonly StopSignal[]): Promise<void> | null {
    if (isSmall(bytes)) return null
    if (this.#waiting.length === 0 && this.#hasRoom(bytes)) {
      this.#heldBytes += bytes
      return null
    }
    return this.#wait(bytes, signals())
  }

  leave(bytes: number): void {
    if (isSmall(bytes)) return
    this.#heldBytes -= bytes
    this.#admit()
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next && this.#hasRoom(next.bytes); next = this.#waiting[0])
      next.resume()
    if (!this.#wasFull || this.isFull) return
    this.#wasFull = false
    this.#onRoom()
  }

  #hasRoom(bytes: number): boolean {
    return this.#heldBytes === 0 || this.#heldBytes + bytes <= this.#limitBytes
  }

  #wait(bytes: number, signals: readonly StopSignal[]): Promise<void> {
    this.#wasFull = true
    const { promise, resolve } = Promise.withResolvers<void>()
    const resume = (): void => {
      this.#waiting = this.#waiting.filter((each) => each !== waiting)
      for (const signal of signals) signal.removeEventListener('abort', resume)
      this.#heldBytes += bytes
      resolve()
    }
    const waiting = { bytes, resume }
    this.#waiting.push(waiting)
    for (const signal of signals) signal.addEventListener('abort', resume, { once: true })
    if (signals.some(({ aborted }) => aborted)) resume()
    return promise
  }
}
