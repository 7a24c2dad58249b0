// The zygote process (../cpython/zygote.py) as the host sees it: started once, then a socket for each
// session.
//
// 1. It runs in bubblewrap's namespaces if they work: no network, no process but its own, of the file system
//    only the interpreter's library, read-only. Inside, each session drops the rest (sandbox_jail.py).
//    Without namespaces the system-call filter and the memory limit remain; without those nothing starts.
// 2. A session's process ends with its socket; the zygote reports how on its standard output.
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { FlotillaError, messageOf } from '../../../../runtime/errors.ts'
import { Interpreter } from '../interpreter.ts'
import { groupKiller, withPipes } from '../program.ts'
import type { Python } from './python.ts'

export interface ZygoteOptions {
  readonly python: Python
  readonly memoryMb: number
  /** Packages loaded before the first session; steps may import them. */
  readonly packages: readonly string[]
  /** Path of bwrap, or null: without namespaces. */
  readonly bubblewrap: string | null
}

const executors = fileURLToPath(new URL('..', import.meta.url))
const SOURCES = ['python', 'cpython'].map((folder) => join(executors, folder))
const SCRIPT = join(executors, 'cpython', 'zygote.py')
/** Python's hashes are fixed, so a replay sees sets in the same order. Numeric libraries use one thread. */
const ENVIRONMENT = {
  PYTHONHASHSEED: '0',
  LC_ALL: 'C.UTF-8',
  TZ: 'UTC',
  OPENBLAS_NUM_THREADS: '1',
  OMP_NUM_THREADS: '1',
  MKL_NUM_THREADS: '1',
} as const
const START_MS = 60_000
const STDERR_CHARS = 2_000
/** Numbers of equal size, so that each session's memory has the same layout. */
const FIRST_NUMBER = 1_000_000
const SIGNALS = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]))

export class Zygote {
  readonly #process: ChildProcessByStdio<null, Readable, Readable>
  readonly #kill: () => void
  readonly #directory: string
  readonly #sessions = new Map<number, Interpreter>()
  #nextNumber = FIRST_NUMBER
  #errors = ''
  /** Resolves when it has ended, and every session with it. */
  readonly ended: Promise<void>
  alive = true
  readonly #gone = Promise.withResolvers<void>()

  protected constructor(options: ZygoteOptions, directory: string) {
    this.#directory = directory
    this.ended = this.#gone.promise
    const { bubblewrap, python } = options
    const line = [
      ...(bubblewrap ? [bubblewrap, ...namespaces(python, directory)] : []),
      ...commandLine(options),
    ]
    this.#process = withPipes(
      spawn(line[0] ?? '', line.slice(1), {
        env: ENVIRONMENT,
        stdio: ['ignore', 'pipe', 'pipe'],
        cwd: directory,
        detached: true,
      }),
    )
    this.#kill = groupKiller(this.#process)
  }

  /** Rejects with the process's error output if it does not start. */
  static async start(options: ZygoteOptions): Promise<Zygote> {
    const directory = await mkdtemp(join(tmpdir(), 'flotilla-native-'))
    await chmod(directory, 0o700)
    try {
      const zygote = new Zygote(options, directory)
      await zygote.#listen()
      return zygote
    } catch (error) {
      await rm(directory, { recursive: true, force: true })
      throw error
    }
  }

  connect(): Interpreter {
    const number = this.#nextNumber++
    const socket = createConnection(join(this.#directory, 'socket'))
    const interpreter = new Interpreter({
      write: (bytes) => void socket.write(bytes),
      kill: () => void socket.destroy(),
    })
    this.#sessions.set(number, interpreter)
    const head = Buffer.allocUnsafe(4)
    head.writeUInt32LE(number)
    let connected = false
    let problem = ''
    socket.once('connect', () => (connected = true))
    socket.write(head)
    socket.on('data', (chunk: Buffer) => interpreter.receive(chunk))
    socket.on('error', (error) => (problem = error.message))
    // The zygote reports how a session ended, except one that it never had.
    socket.once('close', () => {
      if (!connected) this.#closeSession(number, 'SIGKILL', `it was never there: ${problem}`)
    })
    return interpreter
  }

  /** Ends every session with it. */
  async close(): Promise<void> {
    this.#kill()
    await this.ended
  }

  #listen(): Promise<void> {
    let text = ''
    return new Promise((resolve, reject) => {
      const timer = setTimeout(this.#kill, START_MS)
      this.#process.stderr.on('data', (chunk: Buffer) => {
        this.#errors = (this.#errors + chunk.toString()).slice(-STDERR_CHARS)
      })
      this.#process.stdout.on('data', (chunk: Buffer) => {
        const lines = (text + chunk.toString()).split('\n')
        text = lines.pop() ?? ''
        for (const line of lines)
          if (line === 'ready') {
            clearTimeout(timer)
            resolve()
          } else {
            this.#readReport(line)
          }
      })
      const end = (reason: string): void => {
        clearTimeout(timer)
        this.alive = false
        reject(new Error(reason))
        for (const number of [...this.#sessions.keys()]) this.#closeSession(number, 'SIGKILL')
        void rm(this.#directory, { recursive: true, force: true }).then(this.#gone.resolve)
      }
      this.#process.once('error', (error) => end(error.message))
      this.#process.once('close', (code, signal) =>
        end(this.#errors.trim() || `it ended (${signal ?? code})`),
      )
    })
  }

  /** `NUMBER WAITSTATUS` */
  #readReport(line: string): void {
    const [number, status] = line.split(' ').map(Number)
    if (number === undefined || status === undefined) return
    const signal = status & 127
    const how = signal === 0 ? String(status >> 8) : (SIGNALS.get(signal) ?? `signal ${signal}`)
    this.#closeSession(number, how)
  }

  #closeSession(number: number, how: string, why: string = this.#errors.trim()): void {
    this.#sessions.get(number)?.closed(`the process ended (${how}) ${why}`)
    this.#sessions.delete(number)
  }
}

function commandLine(options: ZygoteOptions): string[] {
  const { python, memoryMb, packages, bubblewrap } = options
  const around = bubblewrap ? 'namespaces' : String(process.pid)
  return [python.executable, '-s', '-P', '-B', SCRIPT, 'socket', String(memoryMb), around, ...packages]
}

const SYSTEM_LIBRARIES = ['/usr', '/lib', '/lib64', '/etc/ld.so.cache', '/etc/alternatives']

function namespaces({ library }: Python, directory: string): string[] {
  const kinds = ['user', 'pid', 'net', 'ipc', 'uts', 'cgroup-try'].map((kind) => `--unshare-${kind}`)
  const environment = Object.entries(ENVIRONMENT).flatMap(([name, value]) => ['--setenv', name, value])
  const libraries = [...SYSTEM_LIBRARIES, ...library].flatMap((path) => ['--ro-bind-try', path, path])
  const sources = SOURCES.flatMap((path) => ['--ro-bind', path, path])
  // Capabilities in its own namespaces, to make those of each session; a session drops all of them.
  return [
    ...[...kinds, '--die-with-parent', '--new-session', '--clearenv', ...environment],
    ...[
      '--tmpfs',
      '/tmp',
      ...libraries,
      ...sources,
      '--bind',
      directory,
      '/run/zygote',
      '--chdir',
      '/run/zygote',
    ],
    ...['--proc', '/proc', '--dev', '/dev', '--uid', '65534', '--gid', '65534', '--cap-add', 'ALL'],
  ]
}

export function startFailure(error: unknown): FlotillaError {
  const said = messageOf(error)
  const remedy =
    'It needs Linux on x86_64 or aarch64 with seccomp; bubblewrap (apt-get install bubblewrap) adds namespaces. ' +
    'The wasm executor needs none of this.'
  return new FlotillaError('SANDBOX_UNAVAILABLE', `starting the native Python sandbox: ${said}. ${remedy}`, {
    cause: error,
  })
}
