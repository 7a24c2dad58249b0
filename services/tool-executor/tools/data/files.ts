// Files that data tools may read: those under one directory, after resolving paths and links.
import { readdir, realpath } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { isAbsolute, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FlotillaError } from '../../../../runtime/errors.ts'
import type { FileToParse } from '../parsing.ts'

const MAX_FILE_BYTES = 50_000_000
/** Files listed to a model that named an unknown one. */
const LISTED_FILES = 30

/** Options of a tool that reads data files. */
export interface DataOptions {
  /** Default: `data/` in the working directory, or the bundled examples. */
  directory?: string
  /**
   * Larger files are refused, JSON files (but for .jsonl) beyond 10,000,000 bytes in any case. Default
   * 50,000,000.
   */
  maxFileBytes?: number
}

const examples = fileURLToPath(new URL('../../../../examples/data', import.meta.url))

function defaultDirectory(): string {
  const own = resolve('data')
  return existsSync(own) ? own : examples
}

/**
 * Finds `file`, a path within the directory. Rejects with TOOL_DENIED outside it, TOOL_FAILED if it does not
 * exist.
 */
export async function findDataFile(
  file: string,
  { directory = defaultDirectory(), maxFileBytes = MAX_FILE_BYTES }: DataOptions,
): Promise<FileToParse> {
  const root = await realpath(directory).catch(() => {
    throw new FlotillaError('TOOL_FAILED', `there is no data directory ${directory}`)
  })
  const path = resolve(root, file)
  if (!within(root, path)) throw outside(file)
  const real = await realpath(path).catch(async () => {
    throw new FlotillaError(
      'TOOL_FAILED',
      `there is no file ${file}; the files are: ${await listFiles(root)}`,
    )
  })
  if (!within(root, real)) throw outside(file)
  return { path: real, file, maxBytes: maxFileBytes }
}

function within(root: string, path: string): boolean {
  const from = relative(root, path)
  return from !== '..' && !from.startsWith(`..${sep}`) && !isAbsolute(from)
}

const outside = (file: string) =>
  new FlotillaError('TOOL_DENIED', `${file} is outside the data directory; name a file within it`)

async function listFiles(root: string): Promise<string> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const names = files.map((entry) => relative(root, join(entry.parentPath, entry.name))).sort()
  return names.slice(0, LISTED_FILES).join(', ') || 'none'
}
