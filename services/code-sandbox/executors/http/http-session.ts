// A session on a sandbox server, as the link of an interpreter: each frame is a request, and its response the
// frames that the program sends until it waits again.
//
// 1. A request that fails half-way leaves the session in an unknown state: it is ended. One that the server
//    refuses because it no longer has the session did nothing: GONE.
// 2. A session that ends here is ended there too, by the broken connection and by DELETE; the server's own
//    time limits are the last resort.
import { frameBody, frameBytes } from '../frames.ts'
import { Interpreter } from '../interpreter.ts'
import { GONE } from '../live-session.ts'
import type { SandboxServer, StartedSession } from './sandbox-server.ts'

const KILLED = 'the process ended (SIGKILL)'
const NO_END = 'it broke the protocol: an answer without an end'

export class HttpSession {
  readonly interpreter: Interpreter
  readonly #server: SandboxServer
  readonly #session: StartedSession
  readonly #stop = new AbortController()
  /** One request after another: a frame may arrive before its response ends. */
  #work: Promise<void> = Promise.resolve()

  protected constructor(server: SandboxServer, session: StartedSession) {
    this.#server = server
    this.#session = session
    this.interpreter = new Interpreter({
      write: (bytes) => {
        this.#work = this.#work
          .then(() => this.#ask(frameBody(bytes)))
          .catch((error: Error) => this.interpreter.kill(`${KILLED} ${error.message}`))
      },
      kill: () => this.#end(),
    })
  }

  static async start(server: SandboxServer, memoryMb: number): Promise<Interpreter> {
    const { interpreter } = new HttpSession(server, await server.start(memoryMb))
    interpreter.receive(frameBytes({ t: 'ready' }))
    return interpreter
  }

  async #ask(frame: Buffer): Promise<void> {
    this.#stop.signal.throwIfAborted()
    const answer = await this.#server.ask(this.#session, frame, this.#stop.signal)
    if (answer === null) return this.interpreter.kill(GONE)
    const decoder = new TextDecoder()
    let waits = false
    for await (const chunk of answer as AsyncIterable<Buffer>)
      waits = this.interpreter.receiveText(decoder.decode(chunk, { stream: true }))
    if (waits || !this.interpreter.alive) return
    const how = await this.#server.endOf(this.#session)
    this.interpreter.kill(how === null ? NO_END : `the process ended (${how})`)
  }

  #end(): void {
    if (this.#stop.signal.aborted) return
    this.#stop.abort()
    void this.#server.end(this.#session).then(() => this.interpreter.closed(KILLED))
  }
}
