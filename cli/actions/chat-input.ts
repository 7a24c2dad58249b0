// What a person types into a chat, or what a pipe holds, line by line.
//
// 1. While a turn runs, nothing is written to the terminal here: the status line is drawn there, and shows what is
//    typed. Lines that come meanwhile are kept in order for the next read.
// 2. On a terminal in raw mode Ctrl-C is a key. While a turn runs it is passed on as the signal that it stands for.
import { createInterface, type Interface } from 'node:readline'
import { Writable } from 'node:stream'
import type { Messages } from './chat.ts'
import { canRewrite } from '../output/status-line.ts'

export type Read =
  { readonly kind: 'line'; readonly text: string } | { readonly kind: 'interrupt' } | { readonly kind: 'end' }

/** Lines that are kept; a pipe is read on when there are fewer. */
const KEPT = 100
const PROMPT = '> '

/** Takes a line that comes while a turn runs. False: it is kept for the next read. */
export type TakeLine = (line: string) => boolean

export class ChatInput implements Messages {
  readonly isTerminal = process.stdin.isTTY === true
  readonly #screen = new Screen()
  readonly #reader: Interface
  readonly #kept: string[] = []
  #isOver = false
  #isInterrupted = false
  #take: TakeLine | null = null
  #wake: () => void = () => {}

  constructor() {
    this.#reader = createInterface({
      input: process.stdin,
      output: this.#screen,
      terminal: this.isTerminal && canRewrite(process.stderr),
      prompt: PROMPT,
    })
    this.#reader.on('line', (line) => this.#line(line))
    this.#reader.on('SIGINT', () => this.#interrupt())
    this.#reader.on('close', () => this.#end())
  }

  get typed(): string {
    return this.#reader.terminal ? this.#reader.line : ''
  }

  /** The next line; `interrupt`: Ctrl-C, which also clears what was typed; `end`: there are no more. */
  async next(): Promise<Read> {
    for (;;) {
      const text = this.#kept.shift()
      if (this.#kept.length < KEPT && !this.#isOver) this.#reader.resume()
      if (text !== undefined) return { kind: 'line', text }
      if (this.#isOver) return { kind: 'end' }
      if (this.#isInterrupted) {
        this.#isInterrupted = false
        return { kind: 'interrupt' }
      }
      if (this.isTerminal) this.#reader.prompt(true)
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      await promise
    }
  }

  /** Runs a turn. */
  async during<T>(take: TakeLine, turn: () => Promise<T>): Promise<T> {
    this.#take = take
    this.#screen.isMuted = true
    try {
      return await turn()
    } finally {
      this.#take = null
      this.#isInterrupted = false
      this.#screen.isMuted = false
    }
  }

  close(): void {
    this.#screen.isMuted = true
    this.#reader.close()
  }

  #line(line: string): void {
    if (this.isTerminal && this.#take?.(line) === true) return
    this.#kept.push(line)
    if (!this.isTerminal && this.#kept.length >= KEPT) this.#reader.pause()
    this.#wake()
  }

  #interrupt(): void {
    this.#isInterrupted = true
    this.#reader.write(null, { ctrl: true, name: 'e' })
    this.#reader.write(null, { ctrl: true, name: 'u' })
    if (this.#take !== null) process.emit('SIGINT')
    else this.#wake()
  }

  #end(): void {
    this.#isOver = true
    // After a Ctrl-C that cancels the turn, Ctrl-D does not wait for the cancel.
    if (this.#take !== null && this.#isInterrupted && this.isTerminal) process.emit('SIGINT')
    this.#wake()
  }
}

/** Writes to stderr, so that stdout holds answers only. */
class Screen extends Writable {
  isMuted = false

  get columns(): number {
    return process.stderr.columns ?? 80
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (!this.isMuted) process.stderr.write(chunk)
    done()
  }
}
