// What the components need from the machine: programs on PATH, Debian packages, and commands that run to their end.
import { execFile } from 'node:child_process'
import { accessSync, constants, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The path of a program, or null. PostgreSQL's server programs are not on Debian's PATH, so they are looked up too. */
export function findProgram(name: string): string | null {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', ...postgresDirectories()]
  return directories.map((directory) => join(directory, name)).find(isExecutable) ?? null
}

function postgresDirectories(): string[] {
  const root = '/usr/lib/postgresql'
  try {
    return readdirSync(root)
      .sort((a, b) => Number(b) - Number(a))
      .map((version) => join(root, version, 'bin'))
  } catch {
    return []
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** A program that Flotilla's tests never install by themselves (Java, Maven, Go): found, or an error with the remedy. */
export function requireProgram(name: string, remedy: string): string {
  const path = findProgram(name)
  if (path === null) throw new Error(`'${name}' is not on PATH, and the tests need it. ${remedy}`)
  return path
}

/** A program out of a Debian package; installed when it is lacking and we are root, else an error with the command. */
export async function installedProgram(name: string, debianPackage: string): Promise<string> {
  const present = findProgram(name)
  if (present !== null) return present
  const remedy = `Install it: sudo apt-get install --no-install-recommends ${debianPackage}`
  if (process.getuid?.() !== 0 || findProgram('apt-get') === null) return requireProgram(name, remedy)
  await installPackage(debianPackage)
  return requireProgram(name, remedy)
}

async function installPackage(debianPackage: string): Promise<void> {
  // RUNLEVEL=1 keeps the package from starting its own server; the lock may be held by another run.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const lock = ['-o', 'DPkg::Lock::Timeout=300']
  const install = ['install', '-y', '-qq', '--no-install-recommends', ...lock, debianPackage]
  console.error(`infra: installing the Debian package ${debianPackage}`)
  try {
    await runTool('apt-get', install, { env })
  } catch {
    await runTool('apt-get', ['update', '-qq', ...lock], { env })
    await runTool('apt-get', install, { env })
  }
}

export interface ToolOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  readonly timeoutMs?: number
}

/** Standard output of a command that ended well; otherwise an error that carries the end of what it wrote. */
export async function runTool(
  command: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<string> {
  try {
    const { stdout } = await run(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      timeout: options.timeoutMs ?? 900_000,
      maxBuffer: 64 * 1024 * 1024,
    })
    return stdout
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    const tail = `${stdout}\n${stderr}`.trim().slice(-2000)
    throw new Error(`running '${command} ${args.join(' ')}': it failed:\n${tail}`, { cause: error })
  }
}
