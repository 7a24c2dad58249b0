// Directories are made here: Node's own `recursive` loops forever, in a call that nothing interrupts, where a file
// system says ENOENT of a directory that cannot be made in one that exists, as /proc does.
import { mkdirSync, mkdtempSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { FlotillaError, messageOf } from './errors.ts'

export interface DirectoryOptions {
  /** Mode of each directory that is made. Default 0o777, less the umask. */
  readonly mode?: number | undefined
}

/**
 * Makes a directory and those above it that are missing. Returns the first that it made, null if all were there.
 * Throws what the file system says of the first that can't be made.
 */
export function makeDirectory(path: string, { mode }: DirectoryOptions = {}): string | null {
  const refusal = tryToMake(path, mode)
  if (refusal === null) return path
  if (isDirectory(path)) return null
  const parent = dirname(path)
  if (refusal.code !== 'ENOENT' || parent === path || isDirectory(parent)) throw refusal
  const first = makeDirectory(parent, { mode })
  const again = tryToMake(path, mode)
  // Another process may have made it meanwhile.
  if (again !== null && !isDirectory(path)) throw again
  return first ?? path
}

/** A new directory of this user's for temporary files. Throws CONFIG_INVALID if none can be made. */
export function makeTemporaryDirectory(prefix: string): string {
  const home = tmpdir()
  try {
    return mkdtempSync(join(home, prefix))
  } catch (cause) {
    throw new FlotillaError(
      'CONFIG_INVALID',
      `no temporary directory can be made in ${home}: ${messageOf(cause)}; set TMPDIR to a directory that this process may write`,
      { cause },
    )
  }
}

function tryToMake(path: string, mode: number | undefined): NodeJS.ErrnoException | null {
  try {
    mkdirSync(path, { mode })
    return null
  } catch (error) {
    return error as NodeJS.ErrnoException
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}
