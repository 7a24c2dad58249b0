// One interpreter with one session, as the host sees it, wherever it runs.
//
// 1. It serves one session. The next session gets another interpreter: in another process or, if the link can
//    renew, in the same process after nothing of this one is left.
// 2. Its output is not trusted: frames.ts checks each frame, and an interpreter that sends more than it was
//    asked for is killed.
// 3. Only `kill` from outside stops a program for sure (loops, `except BaseException`, a regular expression
//    that explodes).
import { messageOf } from '../../../runtime/errors.ts'
import { FrameReader, LineReader, MAX_FRAME_BYTES, ProtocolBroken, frameBytes, type Frame } from './frames.ts'

export type InterpreterEvent =
  Exclude<Frame, { t: 'out' } | { t: 'ready' }> | { readonly t: 'dead'; readonly reason: string }

/** Bytes it may write between two frames of the host: the prints that are kept, and one frame. */
const MAX_BYTES_PER_ANSWER = 4 * MAX_FRAME_BYTES
/** The same in frames: prints are batched before they are sent. */
const MAX_FRAMES_PER_ANSWER = 20_000

const UNASKED = 'it broke the protocol: frames that were not asked for'

/** How an interpreter is reached. */
export interface Link {
  write(bytes: Buffer): void
  /** Ends it, whatever it does. `closed` is called in the end. */
  kill(): void
  /**
   * Replaces this interpreter by a fresh one, which sends `ready` again; it must be waiting, not computing.
   * False: not possible.
   */
  renew?(): boolean
}

export class Interpreter {
  /** Resolves when it has ended or could not be started. */
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

  /** Resolves when the interpreter is up; rejects with the reason if it ends before. */
  get ready(): Promise<void> {
    return this.#isReady.promise
  }

  get alive(): boolean {
    return this.#dead === null
  }

  send(frame: object, onPrint: (text: string) => void): void {
    this.#onPrint = onPrint
    this.#received = this.#frames = 0
    // Frames of its last answer, behind the one that ended it: the next would be taken for the answer to this.
    if (this.#events.splice(0).length > 0 && this.#dead === null) this.kill(UNASKED)
    if (this.#dead === null) this.#link.write(frameBytes(frame))
  }

  /** Its next event; always `dead` once it has ended. */
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

  /** Replaces a waiting interpreter by a fresh one; false if that is not possible, and it must be killed. */
  renew(): boolean {
    if (this.#dead !== null || this.#renewing || this.#events.length > 0 || !this.#link.renew?.())
      return false
    this.#renewing = true
    this.#begin()
    return true
  }

  /** Called by the link with bytes that it wrote. */
  receive(chunk: Buffer): void {
    this.#read(chunk.length, () => this.#reader.add(chunk))
  }

  /** Called by a text link, with a line for each frame. True: it now waits for the host. */
  receiveText(text: string): boolean {
    const last = this.#read(text.length, () => this.#lines.add(text)).at(-1)
    return last !== undefined && last.t !== 'out'
  }

  /** Called by the link: the interpreter is gone. */
  closed(reason: string): void {
    this.#die(reason)
    this.#isGone.resolve()
  }

  #begin(): void {
    this.#isReady = Promise.withResolvers<void>()
    // A caller that awaits `ready` gets the error; an interpreter that dies before that must not end this
    // process.
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
      this.kill(`it broke the protocol: ${messageOf(error)}`)
      return []
    }
  }

  #take(frame: Frame): void {
    if (this.#dead !== null) return
    if (frame.t === 'ready') {
      this.#renewing = false
      this.#isReady.resolve()
    }
    // Remaining output of the previous interpreter is ignored.
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
    // Frames are requested one at a time; a child that runs ahead of its host is malicious.
    if (waiting) waiting(event)
    else if (this.#events.length < 2 || event.t === 'dead') this.#events.push(event)
    else this.kill(UNASKED)
  }
}
