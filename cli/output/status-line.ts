// One line at the bottom of a terminal that says what happens now; nothing in a pipe.
import { visible } from './output.ts'
import { cutTo } from './text-width.ts'

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const FRAME_MS = 120
const CLEAR = '\r\u001b[2K'

export type StatusStream = Pick<NodeJS.WriteStream, 'write' | 'columns'>

export class StatusLine {
  readonly #stream: StatusStream
  readonly #text: () => string
  #timer: NodeJS.Timeout | null = null
  #frame = 0

  /** `text` is asked for several times a second; empty: no line. */
  constructor(stream: StatusStream, text: () => string) {
    this.#stream = stream
    this.#text = text
  }

  start(): void {
    this.#timer ??= setInterval(() => this.draw(), FRAME_MS)
    // It must not keep a command alive.
    this.#timer.unref()
    this.draw()
  }

  draw(): void {
    const text = visible(this.#text()).replaceAll(/\s+/g, ' ')
    const room = Math.max(20, (this.#stream.columns ?? 80) - 3)
    const cut = cutTo(text, room)
    this.#stream.write(text === '' ? CLEAR : `${CLEAR}${FRAMES[this.#frame++ % FRAMES.length]} ${cut}`)
  }

  /** Before a line is printed, and at the end. */
  clear(): void {
    this.#stream.write(CLEAR)
  }

  stop(): void {
    if (this.#timer === null) return
    clearInterval(this.#timer)
    this.#timer = null
    this.clear()
  }
}

/** A terminal that can rewrite a line. */
export const canRewrite = (stream: NodeJS.WriteStream): boolean =>
  stream.isTTY === true && process.env['TERM'] !== 'dumb'
