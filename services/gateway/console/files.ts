// The files of the console: the built ones that the package and the image bring along; in a clone, built at their
// first use and kept in the cache.
import { readdir, readFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Environment } from '../../../runtime/config/environment.ts'

export interface ConsoleFile {
  readonly type: string
  readonly body: Buffer
  /** The same, compressed; absent if that is no shorter. */
  readonly br?: Buffer
  readonly gzip?: Buffer
}

/** By name: `index.html`, and what it loads. */
export type ConsoleFiles = ReadonlyMap<string, ConsoleFile>

/** console/build.ts, which needs packages that an installation does not have. */
interface Builder {
  readonly builtConsole: (cacheDir: string | null, report: Report) => Promise<string>
}
type Report = (line: string) => void

const packaged = new URL('../../../console/built/', import.meta.url)
const builder = new URL('../../../console/build.ts', import.meta.url)

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

let found: Promise<ConsoleFiles> | null = null

/** Reads them once for each process. `report` gets a line if they have to be built. Rejects if they can't be. */
export function consoleFiles(environment: Pick<Environment, 'raw'>, report: Report): Promise<ConsoleFiles> {
  found ??= directoryOf(environment, report)
    .then(readAll)
    .catch((error: unknown) => {
      found = null
      throw error
    })
  return found
}

async function directoryOf({ raw }: Pick<Environment, 'raw'>, report: Report): Promise<string> {
  if (existsSync(packaged) || !existsSync(builder)) return fileURLToPath(packaged)
  const { builtConsole } = (await import(builder.href)) as Builder
  return builtConsole(raw['FLOTILLA_CACHE'] ?? null, report)
}

async function readAll(directory: string): Promise<ConsoleFiles> {
  const names = await readdir(directory)
  const read = async (name: string) => (names.includes(name) ? await readFile(`${directory}/${name}`) : null)
  const files = names.flatMap((name) => {
    const type = types[extname(name)]
    return type === undefined ? [] : [{ name, type }]
  })
  return new Map(
    await Promise.all(
      files.map(async ({ name, type }): Promise<[string, ConsoleFile]> => {
        const [body, br, gzip] = await Promise.all([read(name), read(`${name}.br`), read(`${name}.gz`)])
        return [name, { type, body: body ?? Buffer.alloc(0), ...(br && { br }), ...(gzip && { gzip }) }]
      }),
    ),
  )
}
