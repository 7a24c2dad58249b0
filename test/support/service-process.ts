// `flotilla start …` as a child process: started, watched by its HTTP server, ended by a drain or by SIGKILL.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../infra/port.ts'
import { boundToUs } from '../infra/server.ts'

const main = join(import.meta.dirname, '../../cli/bin.js')
const config = join(import.meta.dirname, 'fleet.config.ts')
/** The canaries are looked for in all of what a fleet writes. */
const KEPT_CHARS = 2_000_000
/** Longer by far than a drain takes on a busy machine. */
const END_MS = 180_000

export interface Readiness {
  readonly status: string
  readonly parts: readonly { readonly name: string; readonly problem: string | null }[]
}

export interface ServiceProcess {
  readonly names: readonly string[]
  readonly url: string
  readonly pid: number
  /** The end of what it wrote. */
  output(): string
  /** What /ready says; null while nothing listens. */
  readiness(): Promise<Readiness | null>
  /** Resolves when /ready says so. Rejects when the process ended before, or after `limitMs`. */
  ready(limitMs?: number): Promise<void>
  /** SIGKILL; resolves when it is gone. */
  kill9(): Promise<void>
  /** SIGTERM; resolves with its exit code. Rejects, and kills it, if that takes longer than three minutes. */
  drain(): Promise<number | null>
}

export interface ServiceOptions {
  /** Default: a free one. */
  readonly port?: number
  /** The program. Default: this clone's. */
  readonly main?: string
  readonly env: Readonly<Record<string, string>>
}

/** Starts these services (none named: the whole fleet) in one process. Does not wait until it is ready. */
export async function startServices(
  names: readonly string[],
  options: ServiceOptions,
): Promise<ServiceProcess> {
  const port = options.port ?? (await freePort())
  // A test that is killed takes its fleet with it.
  const program = options.main ?? main
  const [command, ...args] = boundToUs([process.execPath, program, 'start', ...names])
  const child = spawn(command, args, {
    env: {
      PATH: process.env['PATH'] ?? '',
      ...cacheOf(process.env),
      // Half of a start is compiling, and tests start the same program again and again.
      NODE_COMPILE_CACHE: join(tmpdir(), 'flotilla-test-compile-cache'),
      LOG_LEVEL: 'error',
      // Tests that connect no model of their own choose the scripted one, as everybody must.
      FLOTILLA_MODEL: 'scripted',
      FLOTILLA_CONFIG: config,
      ...options.env,
      PORT: String(port),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const keep = (text: Buffer): void => {
    output = (output + text.toString()).slice(-KEPT_CHARS)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const url = `http://127.0.0.1:${port}`
  return {
    names,
    url,
    pid: child.pid ?? 0,
    output: () => output,
    readiness: () => readinessOf(url),
    ready: (limitMs = 180_000) => untilReady(child, url, names, () => output, limitMs),
    kill9: async () => void (await end(child, 'SIGKILL', () => output)),
    drain: () => end(child, 'SIGTERM', () => output),
  }
}

const cacheOf = ({ FLOTILLA_CACHE }: NodeJS.ProcessEnv): Record<string, string> =>
  FLOTILLA_CACHE ? { FLOTILLA_CACHE } : {}

async function readinessOf(url: string): Promise<Readiness | null> {
  try {
    return (await (await fetch(`${url}/ready`)).json()) as Readiness
  } catch {
    return null
  }
}

async function untilReady(
  child: ChildProcess,
  url: string,
  names: readonly string[],
  output: () => string,
  limitMs: number,
): Promise<void> {
  const deadline = Date.now() + limitMs
  for (;;) {
    const state = await readinessOf(url)
    if (state?.status === 'ready') return
    const ended = child.exitCode !== null || child.signalCode !== null
    if (ended || Date.now() > deadline) {
      const problems = state?.parts.filter(({ problem }) => problem !== null)
      const why = ended ? 'ended' : `was not ready within ${limitMs} ms: ${JSON.stringify(problems)}`
      throw new Error(`starting ${names.join(', ') || 'the fleet'}: it ${why}; it wrote:\n${output()}`)
    }
    await pause(30)
  }
}

async function end(
  child: ChildProcess,
  signal: NodeJS.Signals,
  output: () => string,
): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const gone = once(child, 'exit')
  child.kill(signal)
  let isLate = false
  const late = setTimeout(() => {
    isLate = true
    child.kill('SIGKILL')
  }, END_MS)
  await gone
  clearTimeout(late)
  if (isLate) throw new Error(`it did not end within ${END_MS} ms of ${signal}; it wrote:\n${output()}`)
  return child.exitCode
}
