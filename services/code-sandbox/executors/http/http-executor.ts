// Sessions on your own server or in a cloud: anything that speaks the protocol of docs/sandbox-http.md, such
// as deploy/sandbox-http/server.py in a container of Cloud Run, a function of Modal or a virtual machine.
//
// 1. The server is responsible for confining its programs; the one in the repository confines them as the
//    native executor does. Its answers are not trusted: sizes, shapes, tool names and times are checked.
// 2. A session that the server has dropped (idle, evicted, restarted) is rebuilt from its log when it is next
//    used.
import { FlotillaError } from '../../../../runtime/errors.ts'
import { shownUrl } from '../../../../runtime/text/redaction.ts'
import { SessionExecutor, type CommonOptions, type InterpreterSource } from '../session-executor.ts'
import { HttpSession } from './http-session.ts'
import { SandboxServer } from './sandbox-server.ts'

export interface HttpOptions extends CommonOptions {
  /** Memory of one session. */
  readonly memoryMb: number
  /** Sessions at once, of this process. */
  readonly maxChildren: number
  /** Base URL of the server; /v1 is below it. */
  readonly url: string
  /** Absent: the server needs none. */
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
    // Every readiness probe asks, so the server is not asked each time.
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
    'Start deploy/sandbox-http/server.py or another server of its protocol there, and set FLOTILLA_SANDBOX_URL to ' +
    'its URL and FLOTILLA_SANDBOX_TOKEN to its token.'
  return new FlotillaError(
    'SANDBOX_UNAVAILABLE',
    `the http executor at ${shownUrl(url)}: ${message || code || String(error)}. ${remedy}`,
    { cause: error },
  )
}
