// Finds the Python of the native executor, and its library.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { FlotillaError, messageOf } from '../../../../runtime/errors.ts'

export interface Python {
  /** The interpreter itself, not a wrapper. */
  readonly executable: string
  /** Directories that it loads from. */
  readonly library: readonly string[]
}

const LEAST = [3, 11] as const
const PROBE = `import json, os, sys
print(json.dumps({"version": sys.version_info[:2], "executable": sys.executable,
  "library": sorted({os.path.realpath(p) for p in [sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path] if os.path.isdir(p)} | {sys.prefix})}))`

export async function findPython(command: string): Promise<Python> {
  const { version, executable, library } = await probe(command)
  const [major = 0, minor = 0] = version
  if (major !== LEAST[0] || minor < LEAST[1])
    throw unavailable(`${executable} is Python ${version.join('.')}, and ${LEAST.join('.')} is needed`)
  return { executable, library: outermost(library) }
}

async function probe(command: string): Promise<Python & { version: readonly number[] }> {
  try {
    const { stdout } = await promisify(execFile)(command, ['-s', '-P', '-c', PROBE], { timeout: 20_000 })
    return JSON.parse(stdout) as Python & { version: readonly number[] }
  } catch (error) {
    const said = messageOf(error).split('\n').slice(0, 3).join(' ')
    throw unavailable(`running ${command}: ${said}`, error)
  }
}

function unavailable(what: string, cause?: unknown): FlotillaError {
  const remedy = `Install Python ${LEAST.join('.')} or later, and name it in FLOTILLA_PYTHON if it is not python3.`
  return new FlotillaError('SANDBOX_UNAVAILABLE', `the native executor: ${what}. ${remedy}`, { cause })
}

/** Removes paths that are inside another one. */
function outermost(paths: readonly string[]): string[] {
  return paths.filter((path) => !paths.some((other) => other !== path && path.startsWith(`${other}/`)))
}
