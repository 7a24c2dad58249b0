// Sessions on a server of one's own, or of a cloud's: anything that speaks the protocol of docs/sandbox-http.md, such as
// deploy/sandbox-http/server.py in a container of Cloud Run, a function of Modal or a virtual machine.
//
// 1. How much its programs are confined is the server's promise; the one in the repository confines them as the native
//    executor does. Here nothing that it answers is trusted: sizes, shapes, tool names and times are checked.
// 2. A session that the server has given up (idle, crowded out, restarted) is rebuilt from its log as soon as it is asked.
import { FlotillaError } from '../../../../runtime/errors.ts'
import { shownUrl } from '../../../../runtime/redaction.ts'
import { SessionExecutor, type CommonOptions, type InterpreterSource } from '../session-executor.ts'
import { HttpSession } from './http-session.ts'
import { SandboxServer } from './sandbox-server.ts'

export interface HttpOptions extends CommonOptions {
  /** Of one session. */
  readonly memoryMb: number
  /** Sessions at once, of this process. */
  readonly maxChildren: number
  /** Where the server is; below it lies /v1. */
  readonly url: string
  /** Absent: the server asks for none. */
  readonly token?: string
}

const CHECK_EVERY_MS = 60_000

export class HttpExecutor extends SessionExecutor {
  constructor(options: HttpOptions) {
    super('http', httpSource(options), { ...options, max: options.maxChildren, warm: 0 })
  }
}

function httpSource({ url, token, memoryMb }: HttpOptions): InterpreterSource {
  const server = new SandboxServer(url, token)
  let checkedMs = -Infinity
  return {
    start: async () => {
      try {
        return await HttpSession.start(server, memoryMb)
      } catch (error) {
        throw unavailable(url, error)
      }
    },
    // Asked for by every probe of readiness, so not each time of the server.
    check: async () => {
      if (performance.now() - checkedMs < CHECK_EVERY_MS) return
      try {
        await server.check(memoryMb)
        checkedMs = performance.now()
      } catch (error) {
        throw unavailable(url, error)
      }
    },
    close: () => server.close(),
  }
}

function unavailable(url: string, error: unknown): FlotillaError {
  const { message, code } = error as { message?: string; code?: string }
  const remedy =
    'Start deploy/sandbox-http/server.py or another server of its protocol there, and set FLOTILLA_SANDBOX_URL to where ' +
    'it is and FLOTILLA_SANDBOX_TOKEN to its token.'
  return new FlotillaError(
    'SANDBOX_UNAVAILABLE',
    `the http executor at ${shownUrl(url)}: ${message || code || String(error)}. ${remedy}`,
    { cause: error },
  )
}
