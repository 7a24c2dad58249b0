// An E2B sandbox for each session: a small virtual machine of theirs, to keep agents' Python off your own
// machines.
//
// 1. The program is uploaded when a sandbox starts, and runs there as elsewhere, confined by sandbox_jail.py:
//    no shell, no file writes. The sandbox itself is created without access to the internet.
// 2. A sandbox whose session waits is paused, not ended, and then costs nothing; the next frame connects to
//    it again. One that can't be connected to is gone, and its session is rebuilt from the log.
// 3. E2B ends a forgotten sandbox after LIFE_MS.
import { readFile, readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Sandbox } from 'e2b'
import { FlotillaError, messageOf } from '../../../../runtime/errors.ts'
import { SessionExecutor, type CommonOptions, type InterpreterSource } from '../session-executor.ts'
import { RemoteSession } from './remote-session.ts'

export interface E2bOptions extends Pick<CommonOptions, 'watch'> {
  /** Memory of one session. */
  readonly memoryMb: number
  /** Sandboxes at once. */
  readonly maxChildren: number
  /** With Python 3.11 or later. Default: E2B's base template. */
  readonly template?: string
  /** Packages in the template; steps may import them. */
  readonly packages?: readonly string[]
  /** A session that waits for longer is paused. Default 10 s. */
  readonly pauseAfterMs?: number
}

const LIFE_MS = 600_000
const PAUSE_AFTER_MS = 10_000
const REQUEST_MS = 60_000
const CHECK_EVERY_MS = 60_000
/** Directory in the home of the sandbox's user. */
const FOLDER = 'flotilla-sandbox'
const ENVIRONMENT = { PYTHONHASHSEED: '0', LC_ALL: 'C.UTF-8', TZ: 'UTC', OPENBLAS_NUM_THREADS: '1' }

export class E2bExecutor extends SessionExecutor {
  constructor(options: E2bOptions) {
    const { maxChildren: max, watch } = options
    super('e2b', e2bSource(options), { max, warm: 0, ...(watch && { watch }) })
  }
}

function e2bSource(options: E2bOptions): InterpreterSource {
  const program = programFiles()
  // The caller that awaits it gets the error.
  program.catch(() => {})
  let checkedMs = -Infinity
  return {
    start: async () => {
      try {
        return await startSession(options, await program)
      } catch (error) {
        throw unavailable(error)
      }
    },
    // Every readiness probe asks, so E2B is not asked each time.
    check: async () => {
      if (performance.now() - checkedMs < CHECK_EVERY_MS) return
      try {
        await Sandbox.list({ limit: 1, requestTimeoutMs: REQUEST_MS }).nextItems()
        checkedMs = performance.now()
      } catch (error) {
        throw unavailable(error)
      }
    },
  }
}

async function programFiles(): Promise<{ path: string; data: string }[]> {
  const files = ['python', 'cpython'].map(async (folder) => {
    const from = fileURLToPath(new URL(`../${folder}/`, import.meta.url))
    const names = (await readdir(from)).filter((name) => name.endsWith('.py'))
    return await Promise.all(
      names.map(async (name) => ({
        path: `${FOLDER}/${folder}/${name}`,
        data: await readFile(from + name, 'utf8'),
      })),
    )
  })
  return (await Promise.all(files)).flat()
}

async function startSession(options: E2bOptions, program: { path: string; data: string }[]) {
  const { memoryMb, packages = [], template, pauseAfterMs = PAUSE_AFTER_MS } = options
  const settings = { timeoutMs: LIFE_MS, requestTimeoutMs: REQUEST_MS, allowInternetAccess: false }
  const sandbox = await (template ? Sandbox.create(template, settings) : Sandbox.create(settings))
  try {
    await sandbox.files.write(program)
    const words = [String(memoryMb), 'lines', ...packages]
    const command = `exec python3 -s -P -B ${FOLDER}/cpython/sandbox_process.py ${words.join(' ')}`
    return (await RemoteSession.start(sandbox, { command, envs: ENVIRONMENT, pauseAfterMs })).interpreter
  } catch (error) {
    await sandbox.kill().catch(() => {})
    throw error
  }
}

function unavailable(error: unknown): FlotillaError {
  const said = messageOf(error)
  const remedy =
    'Set E2B_API_KEY to a key of your account, and see that the template has Python 3.11 or later.'
  return new FlotillaError('SANDBOX_UNAVAILABLE', `the e2b executor: ${said}. ${remedy}`, { cause: error })
}
