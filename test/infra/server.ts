// One server process of the test infrastructure.
//
// 1. It listens on loopback only, and is ready when `start` returns: by its own sign of readiness, never by time.
// 2. It is ended by its own pid. On Linux the kernel ends it too when this process dies, by SIGKILL even.
// 3. `kill9` and `restart` keep port and data; `stop` removes the data.
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { findProgram } from './tool.ts'

export interface ServerSpec {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Run as this user when we are root. */
  readonly user?: string
  /** Directory of the component's own; removed by `stop`. */
  readonly directory: string
  /** `log` is what this start has written so far. Throwing counts as not yet. */
  readonly ready: (log: () => string) => Promise<boolean>
  /** Asks it to end cleanly and without waiting for its clients; SIGTERM unless given. */
  readonly cleanSignal?: NodeJS.Signals
  /** What `stop` sends. Its data is thrown away then, so SIGKILL is right where a clean end takes long. */
  readonly stopSignal: NodeJS.Signals
}

export interface Server {
  readonly pid: number
  readonly logFile: string
  /** Ends the process and removes its data. Twice is harmless. */
  stop(): Promise<void>
  /** SIGKILL; returns when the process is gone. */
  kill9(): Promise<void>
  /** Ends it (cleanly unless it is dead already) and starts it on the same port and data; returns when ready. */
  restart(): Promise<void>
}

const pollMs = 25
/** One that ends is noticed at once. A start that takes 10 s on a quiet machine has taken 90 on a crowded one. */
const readyWithinMs = 300_000

export const scratch = (name: string): string => mkdtempSync(join(tmpdir(), `flotilla-${name}-`))

export async function startServer(spec: ServerSpec): Promise<Server> {
  const logFile = join(spec.directory, `${spec.name}.log`)
  let child: ChildProcess
  try {
    child = await launch(spec, logFile)
  } catch (error) {
    rmSync(spec.directory, { recursive: true, force: true })
    throw error
  }
  return {
    get pid() {
      return child.pid as number
    },
    logFile,
    kill9: () => end(child, 'SIGKILL'),
    restart: async () => {
      await end(child, spec.cleanSignal ?? 'SIGTERM')
      child = await launch(spec, logFile)
    },
    stop: async () => {
      await end(child, spec.stopSignal)
      rmSync(spec.directory, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

async function launch(spec: ServerSpec, logFile: string): Promise<ChildProcess> {
  const log = openSync(logFile, 'a')
  const from = statSync(logFile).size
  const [command, ...args] = boundToUs([spec.command, ...spec.args], spec.user)
  const child = spawn(command as string, args, {
    cwd: spec.cwd ?? spec.directory,
    env: spec.env ?? process.env,
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  const written = (): string => readFileSync(logFile).subarray(from).toString()
  try {
    await untilReady(spec, child, written)
  } catch (error) {
    await end(child, 'SIGKILL')
    throw error
  }
  return child
}

/** The command line, tied to our own life and to its user where the kernel can do that. */
export function boundToUs(line: readonly string[], user?: string): [command: string, ...args: string[]] {
  const setpriv = findProgram('setpriv')
  if (process.platform !== 'linux' || setpriv === null) return line as [string, ...string[]]
  return [setpriv, '--pdeathsig', 'KILL', ...identity(user), '--', ...line]
}

/** Options of setpriv that turn root into `user`; none for anybody else. */
export const identity = (user: string | undefined): string[] =>
  user !== undefined && process.getuid?.() === 0 ? ['--reuid', user, '--regid', user, '--init-groups'] : []

async function untilReady(spec: ServerSpec, child: ChildProcess, log: () => string): Promise<void> {
  let failure: Error | null = null
  child.once('error', (error) => (failure = error))
  const deadline = Date.now() + readyWithinMs
  while (!(await spec.ready(log).catch(() => false))) {
    const ended = failure !== null || child.exitCode !== null || child.signalCode !== null
    if (ended || Date.now() > deadline) {
      const what = ended ? 'ended before it was ready' : `was not ready within ${readyWithinMs} ms`
      throw new Error(`starting ${spec.name}: it ${what}; it wrote:\n${log().slice(-3000)}`, {
        cause: failure,
      })
    }
    await delay(pollMs)
  }
}

const graceMs = 60_000

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((settle) => child.once('exit', settle))
  child.kill(signal)
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
  await gone
  clearTimeout(timer)
}
