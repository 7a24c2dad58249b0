// One interpreter with one session in it, as the host sees it, wherever it runs.
//
// 1. It serves one session. What serves the next one is another interpreter: in a place of its own or, where the link can
//    renew, in the same place after nothing of this one is left there.
// 2. Nothing that it says is trusted: frames.ts checks each frame, and one that says more than it was asked for is killed.
// 3. Only ending it from outside stops a program for sure (loops, `except BaseException`, a regular expression that
//    explodes): `kill`.
import { FrameReader, LineReader, MAX_FRAME_BYTES, ProtocolBroken, frameBytes, type Frame } from './frames.ts'

export type InterpreterEvent =
  Exclude<Frame, { t: 'out' } | { t: 'ready' }> | { readonly t: 'dead'; readonly reason: string }

/** Of what it writes between two frames of the host: the prints that are kept, and one frame. */
const MAX_BYTES_PER_ANSWER = 4 * MAX_FRAME_BYTES
/** The same in frames: prints are gathered before they are sent. */
const MAX_FRAMES_PER_ANSWER = 20_000

/** How an interpreter is reached. */
export interface Link {
  write(bytes: Buffer): void
  /** Ends it, whatever it does. `closed` is told in the end. */
  kill(): void
  /** Puts a fresh interpreter into this one's place, which says `ready` again; it must be waiting, not computing. False: no more. */
  renew?(): boolean
}

export class Interpreter {
  /** Resolves when it is gone or could not be started. */
  readonly ended: Promise<void>
  readonly #link: Link
  readonly #reader = new FrameReader()
  readonly #lines = new LineReader()
  readonly #events: InterpreterEvent[] = []
  #waiting: ((event: InterpreterEvent) => void) | null = null
  #onPrint: (text: string) => void = () => {}
  #dead: string | null = null
  #renewing = false
  #isReady = Promise.withResolvers<void>()
  #received = 0
  #frames = 0
  readonly #isGone = Promise.withResolvers<void>()

  constructor(link: Link) {
    this.#link = link
    this.ended = this.#isGone.promise
    this.#begin()
  }

  /** Resolves when the interpreter is up; rejects with the reason when it ended before. */
  get ready(): Promise<void> {
    return this.#isReady.promise
  }

  get alive(): boolean {
    return this.#dead === null
  }

  send(frame: object, onPrint: (text: string) => void): void {
    this.#onPrint = onPrint
    this.#received = this.#frames = 0
    if (this.#dead === null) this.#link.write(frameBytes(frame))
  }

  /** What it says next; `dead` for ever once it has ended. */
  next(): Promise<InterpreterEvent> {
    const event = this.#events.shift()
    if (event) return Promise.resolve(event)
    if (this.#dead !== null) return Promise.resolve({ t: 'dead', reason: this.#dead })
    return new Promise((resolve) => (this.#waiting = resolve))
  }

  kill(reason: string): void {
    this.#die(reason)
    this.#link.kill()
  }

  /** Replaces an interpreter that waits by a fresh one; false where that can't be, and it has to be killed. */
  renew(): boolean {
    if (this.#dead !== null || this.#renewing || this.#events.length > 0 || !this.#link.renew?.())
      return false
    this.#renewing = true
    this.#begin()
    return true
  }

  /** From the link: bytes that it wrote. */
  receive(chunk: Buffer): void {
    this.#read(chunk.length, () => this.#reader.add(chunk))
  }

  /** From a link that carries text, a line for each frame. True: after this it waits for its host. */
  receiveText(text: string): boolean {
    const last = this.#read(text.length, () => this.#lines.add(text)).at(-1)
    return last !== undefined && last.t !== 'out'
  }

  /** From the link: it is gone. */
  closed(reason: string): void {
    this.#die(reason)
    this.#isGone.resolve()
  }

  #begin(): void {
    this.#isReady = Promise.withResolvers<void>()
    // Who awaits `ready` is told; one that dies before anybody asked must not end this process.
    this.#isReady.promise.catch(() => {})
  }

  #read(size: number, next: () => Frame[]): Frame[] {
    if (this.#dead !== null) return []
    this.#received += size
    try {
      if (this.#received > MAX_BYTES_PER_ANSWER) throw new ProtocolBroken('a flood of frames')
      const frames = next()
      this.#frames += frames.length
      if (this.#frames > MAX_FRAMES_PER_ANSWER) throw new ProtocolBroken('a flood of frames')
      for (const frame of frames) this.#take(frame)
      return frames
    } catch (error) {
      this.kill(`it broke the protocol: ${error instanceof Error ? error.message : String(error)}`)
      return []
    }
  }

  #take(frame: Frame): void {
    if (this.#dead !== null) return
    if (frame.t === 'ready') {
      this.#renewing = false
      this.#isReady.resolve()
    }
    // What the one before had still to say is of no interest.
    if (frame.t === 'ready' || this.#renewing) return
    if (frame.t === 'out') this.#onPrint(frame.text)
    else this.#push(frame)
  }

  #die(reason: string): void {
    if (this.#dead !== null) return
    this.#dead = reason
    this.#isReady.reject(new Error(reason))
    this.#push({ t: 'dead', reason })
  }

  #push(event: InterpreterEvent): void {
    const waiting = this.#waiting
    this.#waiting = null
    // Frames are asked for one at a time; a child that runs ahead of its host is up to no good.
    if (waiting) waiting(event)
    else if (this.#events.length < 2 || event.t === 'dead') this.#events.push(event)
    else this.kill('it broke the protocol: frames that nobody asked for')
  }
}
