// The file of a configuration: where it is, and what it exports.
import { existsSync, statSync } from 'node:fs'
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
const extensions = ['ts', 'mts', 'js', 'mjs', 'cjs']
/** People expect such a file to be read: a start without it would run another fleet. */
const unreadable = ['cts', 'json', 'jsonc', 'json5', 'yaml', 'yml', 'toml', 'tsx', 'jsx']

/** URL of the configuration: named, in the directory, or the packaged one. */
export function findDefinition(environment: Environment, directory: string): string {
  const named = environment.raw['FLOTILLA_CONFIG']?.trim()
  if (named) {
    const path = resolve(directory, named)
    if (!existsSync(path))
      throw new FlotillaError('CONFIG_INVALID', `FLOTILLA_CONFIG names ${path}, which does not exist`)
    return urlOf(path)
  }
  const find = (names: readonly string[]) =>
    names.map((name) => join(directory, `flotilla.config.${name}`)).find((path) => existsSync(path))
  const found = find(extensions)
  if (found !== undefined) return urlOf(found)
  const other = find(unreadable)
  return other === undefined ? packagedConfig.href : urlOf(other)
}

/** Throws CONFIG_INVALID if no module can be there. */
function urlOf(path: string): string {
  const refuse = (why: string) => new FlotillaError('CONFIG_INVALID', `${shownPath(path)}: ${why}`)
  if (statSync(path).isDirectory()) throw refuse('it is a directory; a configuration is one file')
  if (unreadable.some((name) => path.endsWith(`.${name}`)))
    throw refuse(
      'a configuration is a module of TypeScript or JavaScript: name it flotilla.config.ts, and begin it with: export default defineFleet({ … })',
    )
  return pathToFileURL(path).href
}

/** Its default export, or what that resolves with, unchecked. */
export async function importDefinition(file: string): Promise<unknown> {
  hookProjectModules()
  const path = shownPath(fileURLToPath(file))
  const imported = async () => {
    const module = (await import(file)) as { default?: unknown; 'module.exports'?: unknown }
    return isEmptyScript(module) ? undefined : await module.default
  }
  const definition = await settled(path, imported()).catch((error: unknown) => {
    if (error instanceof FlotillaError) throw error
    throw new FlotillaError('CONFIG_INVALID', importMistake(file, error), { cause: error })
  })
  if (definition !== undefined) return definition
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
