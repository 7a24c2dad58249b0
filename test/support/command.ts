// `flotilla …` as a real process: what it writes, and how it ends. As users have it, by cli/bin.js: the bundle where it is
// fresh, which starts in half of the processor time.
import { spawn } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { tmpdir } from 'node:os'

const repository = join(import.meta.dirname, '../..')
const LIMIT_MS = 180_000

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
  /** How it is started: by this Node, or as users do, by whatever Node the machine has. Default node. */
  readonly by?: 'node' | 'npx'
}

/** Runs to its end; killed, and rejected, after three minutes. */
export function flotilla(args: readonly string[], options: CommandOptions = {}): Promise<Ended> {
  const { program, first, path } = starters[options.by ?? 'node']()
  const child = spawn(program, [...first, ...args], {
    cwd: repository,
    env: {
      PATH: path,
      HOME: process.env['HOME'] ?? tmpdir(),
      NODE_COMPILE_CACHE: join(tmpdir(), 'flotilla-test-compile-cache'),
      FLOTILLA_PARTITIONS: '3',
      // Nothing listens there: without it a test would meet whatever fleet runs on this machine at port 8000.
      PORT: '1',
      LOG_LEVEL: 'error',
      // Tests that connect no model of their own choose the scripted one, as everybody must.
      FLOTILLA_MODEL: 'scripted',
      ...(process.env['FLOTILLA_CACHE'] ? { FLOTILLA_CACHE: process.env['FLOTILLA_CACHE'] } : {}),
      ...options.env,
    },
  })
  let [out, err] = ['', '']
  child.stdout.on('data', (text: Buffer) => (out += text.toString()))
  child.stderr.on('data', (text: Buffer) => (err += text.toString()))
  // One that has read enough ends before all of it is written.
  child.stdin.on('error', () => {})
  child.stdin.end(options.stdin ?? '')
  return new Promise((resolve, reject) => {
    const late = () => {
      child.kill('SIGKILL')
      reject(
        new Error(`flotilla ${args.join(' ').slice(0, 200)} ran longer than ${LIMIT_MS} ms\n${out}\n${err}`),
      )
    }
    const timer = setTimeout(late, LIMIT_MS)
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ code, out, err })
    })
  })
}

const path = process.env['PATH'] ?? ''
const starters = {
  node: () => ({ program: process.execPath, first: [join(repository, 'cli/bin.js')], path }),
  npx: () => {
    const own = path.split(delimiter).filter((folder) => !folder.includes('node_modules'))
    return { program: 'npx', first: ['--no', 'flotilla'], path: own.join(delimiter) }
  },
}
