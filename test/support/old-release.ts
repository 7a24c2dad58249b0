// Processes of an earlier release, beside those of this one.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import { startServices, type ServiceOptions, type ServiceProcess } from './service-process.ts'

const repository = join(import.meta.dirname, '../..')

/** Unpacks a release of test/golden/releases below node_modules' parent, where it finds its packages. */
function unpack(version: string): string {
  const packed = readFileSync(join(repository, `test/golden/releases/${version}.json.zst`))
  const files = JSON.parse(zstdDecompressSync(packed).toString()) as Record<string, string>
  const directory = join(repository, `.cache/releases/${version}-${process.pid}`)
  const draft = `${directory}.draft`
  mkdirSync(draft, { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(draft, name), text)
  renameSync(draft, directory)
  return directory
}

export interface OldRelease {
  start(names: readonly string[], options: ServiceOptions): Promise<ServiceProcess>
  /** Deletes what was unpacked. */
  remove(): void
}

export function oldRelease(version: string): OldRelease {
  const directory = unpack(version)
  return {
    start: (names, options) =>
      startServices(names, {
        ...options,
        main: join(directory, 'main.mjs'),
        env: { FLOTILLA_CONFIG: join(directory, 'fleet.config.mjs'), ...options.env },
      }),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}
