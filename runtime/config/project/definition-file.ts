// The file of a configuration: where it is, and what it exports.
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { FlotillaError } from '../../errors.ts'
import type { Environment } from '../environment.ts'
import { importMistake } from './import-mistake.ts'
import { hookProjectModules } from './modules.ts'
import { settled } from './settled-import.ts'
import { shownPath } from './source-place.ts'

/** Used if a project has no file. */
const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const packagedConfig = new URL(`../../../flotilla.config.${extension}`, import.meta.url)
const fileNames = ['flotilla.config.ts', 'flotilla.config.mts', 'flotilla.config.js', 'flotilla.config.mjs']

/** URL of the configuration: named, in the directory, or the packaged one. */
export function findDefinition(environment: Environment, directory: string): string {
  const named = environment.raw['FLOTILLA_CONFIG']?.trim()
  if (named) {
    const path = resolve(directory, named)
    if (!existsSync(path))
      throw new FlotillaError('CONFIG_INVALID', `FLOTILLA_CONFIG names ${path}, which does not exist`)
    return pathToFileURL(path).href
  }
  const found = fileNames.map((file) => join(directory, file)).find((path) => existsSync(path))
  return found ? pathToFileURL(found).href : packagedConfig.href
}

/** Its default export, unchecked. */
export async function importDefinition(file: string): Promise<unknown> {
  hookProjectModules()
  const path = shownPath(fileURLToPath(file))
  const module = (await settled(path, import(file)).catch((error: unknown) => {
    if (error instanceof FlotillaError) throw error
    throw new FlotillaError('CONFIG_INVALID', importMistake(file, error), { cause: error })
  })) as { default?: unknown; 'module.exports'?: unknown }
  if (module.default !== undefined && !isEmptyScript(module)) return module.default
  throw new FlotillaError(
    'CONFIG_INVALID',
    `${path}: it has no default export; write: export default defineFleet({ … })`,
  )
}

/** Node takes a file without import and export, and so an empty one, for CommonJS, which exports an object anyway. */
const isEmptyScript = (module: { 'module.exports'?: unknown }): boolean => {
  const exported = module['module.exports']
  return typeof exported === 'object' && exported !== null && Object.keys(exported).length === 0
}
