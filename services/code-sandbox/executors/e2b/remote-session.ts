// The program's process in an E2B sandbox. Only text can pass, so a frame is a line; frames are sent in
// order.
import type { CommandHandle, Sandbox } from 'e2b'
import { frameBody } from '../frames.ts'
import { Interpreter } from '../interpreter.ts'

export interface RemoteCommand {
  readonly command: string
  readonly envs: Record<string, string>
  readonly pauseAfterMs: number
}

const STDERR_CHARS = 2_000
/** The command has no time limit of its own: the executor's is the step's. */
const NO_LIMIT = { timeoutMs: 0 }

export class RemoteSession {
  readonly interpreter: Interpreter
  readonly #sandbox: Sandbox
  readonly #pauseAfterMs: number
  #handle: CommandHandle | null = null
  #said = ''
  #paused = false
  #over = false
  #timer: NodeJS.Timeout | null = null
  /** Operations on the sandbox, one after another. */
  #work: Promise<void> = Promise.resolve()

  protected constructor(sandbox: Sandbox, pauseAfterMs: number) {
    this.#sandbox = sandbox
    this.#pauseAfterMs = pauseAfterMs
    this.interpreter = new Interpreter({
      write: (bytes) => this.#next(() => this.#send(bytes)),
      kill: () => this.#end('the process ended (SIGKILL)'),
    })
  }

  static async start(
    sandbox: Sandbox,
    { command, envs, pauseAfterMs }: RemoteCommand,
  ): Promise<RemoteSession> {
    const session = new RemoteSession(sandbox, pauseAfterMs)
    const options = { background: true, stdin: true, envs, ...session.#listeners, ...NO_LIMIT } as const
    session.#follow(await sandbox.commands.run(command, options))
    return session
  }

  get #listeners() {
    return {
      onStdout: (text: string) => this.#receive(text),
      onStderr: (text: string) => {
        this.#said = (this.#said + text).slice(-STDERR_CHARS)
      },
    }
  }

  #follow(handle: CommandHandle): void {
    this.#handle = handle
    handle.wait().then(
      ({ exitCode }) => this.#gone(handle, String(exitCode)),
      (error: { exitCode?: number; message?: string }) =>
        this.#gone(handle, error.exitCode === undefined ? 'SIGKILL' : String(error.exitCode)),
    )
  }

  /** A process that was disconnected by a pause has not ended. */
  #gone(handle: CommandHandle, how: string): void {
    if (handle === this.#handle && !this.#paused) this.#end(`the process ended (${how}) ${this.#said.trim()}`)
  }

  #next(step: () => Promise<void>): void {
    this.#work = this.#work
      .then(step)
      .catch((error: Error) => this.#end(`the process ended (SIGKILL) ${error.message}`))
  }

  async #send(bytes: Buffer): Promise<void> {
    if (this.#over) return
    this.#rest()
    if (this.#paused) await this.#wake()
    await this.#handle?.sendStdin(`${frameBody(bytes).toString()}\n`)
  }

  async #wake(): Promise<void> {
    await this.#sandbox.connect()
    const pid = this.#handle?.pid ?? 0
    this.#paused = false
    this.#follow(await this.#sandbox.commands.connect(pid, { ...this.#listeners, ...NO_LIMIT }))
  }

  async #pause(): Promise<void> {
    if (this.#over || this.#paused) return
    this.#paused = true
    await this.#handle?.disconnect()
    await this.#sandbox.pause()
  }

  #rest(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
  }

  #receive(text: string): void {
    const waits = this.interpreter.receiveText(text)
    this.#rest()
    if (!this.#over && waits)
      this.#timer = setTimeout(() => this.#next(() => this.#pause()), this.#pauseAfterMs).unref()
  }

  #end(reason: string): void {
    if (this.#over) return
    this.#over = true
    this.#rest()
    void this.#sandbox
      .kill()
      .catch(() => {})
      .then(() => this.interpreter.closed(reason))
  }
}
