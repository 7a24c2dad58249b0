// Starts one locked process with one interpreter in it (child.mts).
//
// It gets two pipes, an empty environment, read access to the interpreter's files, and nothing else: Node's
// permission model, no code from strings, a memory maximum inside the module; bubblewrap's namespaces around
// it if they work.
import { execFile, spawn } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { frameBytes } from '../frames.ts'
import { Interpreter } from '../interpreter.ts'
import { groupKiller, programOnPath, withPipes } from '../program.ts'

export interface ChildOptions {
  /** Directory of the unpacked interpreter. */
  readonly directory: string
  readonly memoryMb: number
  /** Path of bwrap, or null. */
  readonly bubblewrap: string | null
}

/**
 * Far above the child's need: V8 counts the module's memory against it, and with less collects garbage at
 * each growth.
 */
const HEAP_MB = 1_024
const HEAP_PER_MB = 4
/**
 * Half of what systems give. With much less, it overflows before Python's own check of its stack, and the step
 * ends by a trap instead of a RecursionError.
 */
const STACK_KB = 4_000
const STDERR_CHARS = 2_000
/** Interpreters that one process holds, one after the other. */
const INTERPRETERS = 200
const suffix = import.meta.url.endsWith('.ts') ? '.mts' : '.mjs'
const scripts = ['child', 'wasi-shim', 'memory-limit'].map((name) =>
  fileURLToPath(new URL(`./${name}${suffix}`, import.meta.url)),
)
/** If an upgrade has removed it, each start of a child fails; the fleet goes on without code. */
const node = existsSync(process.execPath) ? realpathSync(process.execPath) : process.execPath

function nodeArguments({ directory, memoryMb }: ChildOptions): string[] {
  return [
    '--permission',
    '--disallow-code-generation-from-strings',
    '--expose-gc',
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

/**
 * No network, no user, no other process; of the file system only the libraries, Node and the given paths,
 * read-only.
 */
function wrapCommand(paths: readonly string[]): string[] {
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

/** The path of bwrap if it is installed and can make namespaces here; else null. */
export async function findBubblewrap(): Promise<string | null> {
  const found = programOnPath('bwrap')
  if (!found) return null
  try {
    await promisify(execFile)(found, [...wrapCommand([]), '--version'], { timeout: 5_000, env: {} })
    return found
  } catch {
    return null
  }
}

export function startLockedChild(options: ChildOptions): Interpreter {
  const args = nodeArguments(options)
  const [command, all] = options.bubblewrap
    ? [options.bubblewrap, [...wrapCommand([options.directory, ...scripts]), ...args]]
    : [node, args]
  const child = withPipes(
    spawn(command, all, { env: {}, stdio: ['pipe', 'pipe', 'pipe'], cwd: '/', detached: true }),
  )
  let left = INTERPRETERS - 1
  const renew = () => {
    if (left-- <= 0) return false
    child.stdin.write(frameBytes({ renew: true }))
    return true
  }
  const interpreter = new Interpreter({
    write: (bytes) => void child.stdin.write(bytes),
    kill: groupKiller(child),
    renew,
  })
  let errors = ''
  child.stdin.on('error', () => {})
  child.stdout.on('data', (chunk: Buffer) => interpreter.receive(chunk))
  child.stderr.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-STDERR_CHARS)
  })
  child.once('error', (error) => interpreter.closed(error.message))
  child.once('close', (code, signal) =>
    interpreter.closed(`the process ended (${signal ?? code}) ${errors.trim()}`),
  )
  return interpreter
}
