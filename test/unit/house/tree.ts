// The files of the project as the house rules see them: what is written by hand and kept in the repository.
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../../..', import.meta.url))

/** Never part of the project's text: installed, built, cached, or the data of a run. */
const outside = new Set(['node_modules', 'dist', '.git', '.cache', '.flotilla', '__pycache__'])
const binary = new Set(['.zst', '.png', '.ico', '.woff2'])

export interface TextFile {
  /** From the root, with `/`. */
  readonly path: string
  readonly text: string
}

/** Every text file, in order of path. */
export function textFiles(): TextFile[] {
  return pathsIn('')
    .sort()
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
}

function pathsIn(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name)
    // In a linked work tree `.git` is a file.
    if (outside.has(entry.name)) return []
    if (entry.isDirectory()) return pathsIn(path)
    return entry.isFile() && !binary.has(extname(entry.name)) ? [path] : []
  })
}

/** Written by a generator: its form is the generator's business. */
export const isGenerated = (path: string): boolean => path.startsWith('schemas/generated/')

export const isTypeScript = ({ path }: TextFile): boolean => /\.m?ts$/.test(path)

/** What runs in production, as opposed to tests, benchmarks and generators. */
export function isProduct(path: string): boolean {
  return (
    /^(schemas|runtime|services|client|operator|api|cli|evaluation)\//.test(path) &&
    !path.startsWith('runtime/testing/')
  )
}
