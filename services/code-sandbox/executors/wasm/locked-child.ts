// One locked process with one interpreter in it (child.mts), as the host sees it.
//
// 1. It gets two pipes, an empty environment, read access to the interpreter's files, and nothing else: Node's permission
//    model, no code from strings, a memory maximum inside the module; bubblewrap's namespaces around it where they work.
// 2. Only SIGKILL stops a program for sure (loops, `except BaseException`, a regular expression that explodes): `kill`.
// 3. It serves one session and is never handed to another.
import { execFile, spawn, type ChildProcessByStdio } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { FrameReader, frameBytes, type Frame } from './frames.ts'

export interface ChildOptions {
  /** Of the unpacked interpreter. */
  readonly directory: string
  readonly memoryMb: number
  /** Path of bwrap, or null. */
  readonly bubblewrap: string | null
}

export type ChildEvent =
  Exclude<Frame, { t: 'out' } | { t: 'ready' }> | { readonly t: 'dead'; readonly reason: string }

/** Far above what the child needs: V8 counts the module's memory against it, and below that collects garbage at each growth. */
const HEAP_MB = 1_024
const HEAP_PER_MB = 4
const STACK_KB = 2_000
const STDERR_CHARS = 2_000
const suffix = import.meta.url.endsWith('.ts') ? '.mts' : '.mjs'
const scripts = ['child', 'wasi-shim', 'memory-limit'].map((name) =>
  fileURLToPath(new URL(`./${name}${suffix}`, import.meta.url)),
)
const node = realpathSync(process.execPath)

function nodeArguments({ directory, memoryMb }: ChildOptions): string[] {
  return [
    '--permission',
    '--disallow-code-generation-from-strings',
    `--max-old-space-size=${Math.max(HEAP_MB, HEAP_PER_MB * memoryMb)}`,
    `--stack-size=${STACK_KB}`,
    '--no-warnings',
    `--allow-fs-read=${join(directory, '*')}`,
    ...scripts.map((script) => `--allow-fs-read=${script}`),
    scripts[0] ?? '',
    directory,
    String(memoryMb),
  ]
}

const SYSTEM_LIBRARIES = ['/usr/lib', '/usr/lib64', '/lib', '/lib64', '/usr/local/lib', '/etc/ld.so.cache']

/** No network, no user, no process but itself; of the file system the libraries, Node and the given paths, read-only. */
function wrapped(paths: readonly string[]): string[] {
  const namespaces = [
    '--unshare-all',
    '--die-with-parent',
    '--new-session',
    '--clearenv',
    '--cap-drop',
    'ALL',
  ]
  const user = ['--uid', '65534', '--gid', '65534']
  const libraries = SYSTEM_LIBRARIES.flatMap((path) => ['--ro-bind-try', path, path])
  const given = [node, ...paths].flatMap((path) => ['--ro-bind', path, path])
  return [...namespaces, ...user, ...libraries, ...given, '--proc', '/proc', '--dev', '/dev', node]
}

/** The path of bwrap when it is installed and may make namespaces here; else null. */
export async function findBubblewrap(path = process.env['PATH'] ?? ''): Promise<string | null> {
  const found = path
    .split(':')
    .map((folder) => join(folder, 'bwrap'))
    .find(existsSync)
  if (!found) return null
  try {
    await promisify(execFile)(found, [...wrapped([]), '--version'], { timeout: 5_000, env: {} })
    return found
  } catch {
    return null
  }
}

export class LockedChild {
  /** Resolves when the interpreter is up; rejects with what the process said when it is not. */
  readonly ready: Promise<void>
  /** Resolves when the process is gone or could not be started. */
  readonly ended: Promise<void>
  private readonly process: ChildProcessByStdio<Writable, Readable, Readable>
  private readonly events: ChildEvent[] = []
  private waiting: ((event: ChildEvent) => void) | null = null
  private onPrint: (text: string) => void = () => {}
  private dead: string | null = null
  private errors = ''

  constructor(options: ChildOptions) {
    const args = nodeArguments(options)
    const [command, all] = options.bubblewrap
      ? [options.bubblewrap, [...wrapped([options.directory, ...scripts]), ...args]]
      : [node, args]
    this.process = spawn(command, all, { env: {}, stdio: ['pipe', 'pipe', 'pipe'], cwd: '/' })
    this.ended = new Promise((resolve) => {
      this.process.once('close', () => resolve())
      this.process.once('error', () => resolve())
    })
    this.ready = this.listen()
    // Who awaits `ready` is told; a child that dies before anybody asked must not end this process.
    this.ready.catch(() => {})
  }

  get alive(): boolean {
    return this.dead === null
  }

  send(frame: object, onPrint: (text: string) => void): void {
    this.onPrint = onPrint
    this.process.stdin.write(frameBytes(frame))
  }

  /** What the child says next; `dead` for ever once it has ended. */
  next(): Promise<ChildEvent> {
    const event = this.events.shift()
    if (event) return Promise.resolve(event)
    if (this.dead !== null) return Promise.resolve({ t: 'dead', reason: this.dead })
    return new Promise((resolve) => (this.waiting = resolve))
  }

  kill(reason: string): void {
    this.die(reason)
    this.process.kill('SIGKILL')
  }

  private listen(): Promise<void> {
    const reader = new FrameReader()
    this.process.stdin.on('error', () => {})
    this.process.stderr.on('data', (chunk: Buffer) => {
      this.errors = (this.errors + chunk.toString()).slice(-STDERR_CHARS)
    })
    return new Promise((resolve, reject) => {
      const end = (reason: string) => {
        this.die(reason)
        reject(new Error(reason))
      }
      this.process.on('error', (error) => end(error.message))
      this.process.on('close', (code, signal) =>
        end(`the process ended (${signal ?? code}) ${this.errors.trim()}`),
      )
      this.process.stdout.on('data', (chunk: Buffer) => {
        try {
          for (const frame of reader.add(chunk)) this.take(frame, resolve)
        } catch (error) {
          this.kill(
            error instanceof Error ? `it broke the protocol: ${error.message}` : 'it broke the protocol',
          )
        }
      })
    })
  }

  private take(frame: Frame, ready: () => void): void {
    if (this.dead !== null) return
    if (frame.t === 'ready') ready()
    else if (frame.t === 'out') this.onPrint(frame.text)
    else this.push(frame)
  }

  private die(reason: string): void {
    if (this.dead !== null) return
    this.dead = reason
    this.push({ t: 'dead', reason })
  }

  private push(event: ChildEvent): void {
    const { waiting } = this
    this.waiting = null
    // Frames are asked for one at a time; a child that runs ahead of its host is up to no good.
    if (waiting) waiting(event)
    else if (this.events.length < 2 || event.t === 'dead') this.events.push(event)
    else this.kill('it broke the protocol: frames that nobody asked for')
  }
}
