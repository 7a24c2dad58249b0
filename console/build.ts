// Builds the console: one page and the files that it loads, with a hash in each name, and compressed beside it.
//
//   node console/build.ts DIRECTORY
import { createHash, randomUUID } from 'node:crypto'
import { globSync } from 'node:fs'
import { access, lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { build } from 'esbuild'
import { makeDirectory } from '../runtime/make-directory.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const brotli = promisify(brotliCompress)
const gzipped = promisify(gzip)

/** Shorter files are not worth a second copy. */
const COMPRESSED_BYTES = 500

/** The directory of the console built from these sources. Rejects if the packages for it are not installed. */
export async function builtConsole(
  cacheDir: string | null,
  report: (line: string) => void = () => {},
): Promise<string> {
  const hash = await sourceHash()
  const kept = join(root, '.cache/console', hash)
  if (!cacheDir && (await exists(kept))) return kept
  const home = cacheDir ? join(cacheDir, 'console') : await ownHome(join(root, '.cache'))
  const directory = join(home, hash)
  if (await exists(directory)) return directory
  report('building the console, once')
  const begun = performance.now()
  const made = `${directory}.${randomUUID()}`
  await buildConsole(made)
  // Another process may have built the same meanwhile.
  await rename(made, directory).catch(async (error: unknown) => {
    await rm(made, { recursive: true, force: true })
    if (!(await exists(directory))) throw error
  })
  report(`built the console in ${Math.round(performance.now() - begun)} ms`)
  return directory
}

export async function buildConsole(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true })
  makeDirectory(directory)
  const { metafile } = await build({
    entryPoints: [
      join(root, 'console/src/main.tsx'),
      join(root, 'console/style/main.css'),
      join(root, 'console/style/icon.svg'),
    ],
    absWorkingDir: root,
    outdir: directory,
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    loader: { '.svg': 'copy' },
    bundle: true,
    splitting: true,
    format: 'esm',
    minify: true,
    target: 'es2023',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    tsconfig: join(root, 'console/tsconfig.json'),
    legalComments: 'none',
    metafile: true,
    logLevel: 'silent',
  })
  const names = Object.keys(metafile.outputs).map((path) => basename(path))
  const nameOf = (pattern: RegExp): string => {
    const name = names.find((each) => pattern.test(each))
    if (name === undefined) throw new Error(`the build of the console has no ${pattern}`)
    return name
  }
  const page = await readFile(join(root, 'console/index.html'), 'utf8')
  const filled = page
    .replace('{icon}', nameOf(/^icon-.*\.svg$/))
    .replace('{style}', nameOf(/^main-.*\.css$/))
    .replace('{script}', nameOf(/^main-.*\.js$/))
  await writeFile(join(directory, 'index.html'), filled)
  await Promise.all((await readdir(directory)).map((name) => compress(join(directory, name))))
}

async function compress(path: string): Promise<void> {
  const body = await readFile(path)
  if (body.length < COMPRESSED_BYTES) return
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: body.length }
  await Promise.all([
    brotli(body, { params }).then((packed) => writeFile(`${path}.br`, packed)),
    gzipped(body, { level: 9 }).then((packed) => writeFile(`${path}.gz`, packed)),
  ])
}

/** Changes with every file that the console is made of. */
async function sourceHash(): Promise<string> {
  const paths = globSync(['console/**/*.{ts,tsx,css,html,svg,json}', 'api/**/*.ts', 'package-lock.json'], {
    cwd: root,
    exclude: (path) => String(path).startsWith('console/built'),
  }).toSorted()
  const hash = createHash('sha256')
  for (const path of paths) hash.update(path).update(await readFile(join(root, path)))
  return hash.digest('hex').slice(0, 20)
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

/** `console` in the cache, or a directory of the system's if that can't be written, as in a read-only checkout. */
async function ownHome(cache: string): Promise<string> {
  const probe = join(cache, `.${randomUUID()}`)
  try {
    makeDirectory(cache)
    await writeFile(probe, '')
    await rm(probe)
    return join(cache, 'console')
  } catch {
    return privateDirectory(tmpdir())
  }
}

/**
 * A directory of this user below one that all users may write. Another user could have made it, with scripts in it
 * that the gateway would serve as its own: rejects unless it is this user's, and nobody else may write it.
 */
export async function privateDirectory(shared: string): Promise<string> {
  const uid = process.getuid?.()
  const directory = join(shared, `flotilla-console-${uid ?? 'user'}`)
  await mkdir(directory, { mode: 0o700 }).catch(() => {})
  const found = await lstat(directory)
  const isOwn =
    found.isDirectory() && (uid === undefined || (found.uid === uid && (found.mode & 0o022) === 0))
  if (!isOwn)
    throw new Error(
      `${directory} is not a directory that only this user writes; remove it, or set FLOTILLA_CACHE to another`,
    )
  return directory
}

if (import.meta.main) {
  const [directory] = process.argv.slice(2)
  if (directory === undefined) throw new Error('name the directory to build into')
  await buildConsole(directory)
}
