// A project to begin with: a configuration, an agent, a tool with its test, and questions to evaluate it by.
import { lstatSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FlotillaError, messageOf } from '../../runtime/errors.ts'
import { makeDirectory } from '../../runtime/make-directory.ts'
import { shown } from '../../schemas/identity.ts'
import { VERSION } from '../version.ts'

/** The task that the agent is made for; the scripted model has a recorded conversation for it. */
export const FIRST_TASK = 'What does it cost to send 3 kg to Norway?'

const starter = fileURLToPath(new URL('../../examples/starter/', import.meta.url))

/** The folder of this package: in node_modules, or a clone, which no registry has. */
const ownFolder = dirname(createRequire(import.meta.url).resolve('flotilla/package.json'))
const isClone = !ownFolder.split(sep).includes('node_modules')

/** Files that a project has anyway: an existing one stays as it is. */
const shared: readonly string[] = ['.gitignore', 'README.md', 'package.json', 'tsconfig.json']

const ignored: readonly string[] = ['.flotilla/', '.env', 'node_modules/']

export interface InitOptions {
  /** The fleet's model: `provider/model`, or `scripted`. Default: the one whose key is set. */
  readonly model?: string
}

export interface Initialized {
  /** Paths of the files written. */
  readonly written: readonly string[]
  /** Names of the files that were there and stay. */
  readonly kept: readonly string[]
  /** False: the package.json that was there does not name Flotilla, so the project can't import it. */
  readonly isDependency: boolean
  /** False: nothing above the project has Flotilla installed, so `npx flotilla` would ask the registry for it. */
  readonly isInstalled: boolean
  /** What `npm install` takes to install this very Flotilla. */
  readonly source: string
  /** Lines that the .gitignore that was there lacks: without them git takes keys and data. */
  readonly unignored: readonly string[]
}

/**
 * Writes the starter below this directory. Throws REQUEST_INVALID, leaving none of it behind, if one of its files
 * exists, apart from those that a project has anyway, or can't be written.
 */
export function init(directory: string, { model }: InitOptions = {}): Initialized {
  if (model !== undefined && !/^[A-Za-z0-9][\w./:@-]*$/.test(model))
    throw new FlotillaError(
      'REQUEST_INVALID',
      `--model must be provider/model or scripted, not "${shown(model)}"`,
    )
  if (directory === '')
    throw new FlotillaError(
      'REQUEST_INVALID',
      'the name of the directory is empty; for this one leave it out',
    )
  const all = starterFiles(directory, model)
  const found = [...all.keys()].filter((name) => isThere(join(directory, name)))
  const taken = found.filter((name) => !shared.includes(name))
  if (taken.length > 0)
    throw new FlotillaError(
      'REQUEST_INVALID',
      `${directory} has ${taken.join(', ')} already, which init would overwrite; nothing was written. Give another directory: flotilla init my-fleet`,
    )
  const missing = [...all].filter(([name]) => !found.includes(name))
  const written = writeAll(missing.map(([name, text]) => [join(directory, name), text]))
  return {
    written,
    kept: found,
    isDependency: !found.includes('package.json') || dependsOnUs(directory),
    isInstalled: isInstalled(directory),
    source: isClone ? ownFolder : 'flotilla',
    unignored: found.includes('.gitignore') ? notIgnored(directory) : [],
  }
}

function isInstalled(directory: string): boolean {
  try {
    createRequire(join(directory, 'package.json')).resolve('flotilla/package.json')
    return true
  } catch {
    return false
  }
}

function notIgnored(directory: string): string[] {
  let text = ''
  try {
    text = readFileSync(join(directory, '.gitignore'), 'utf8')
  } catch {
    // One that can't be read ignores nothing that we know of.
  }
  const plain = (line: string): string => line.trim().replaceAll(/^\/|\/$/g, '')
  const lines = new Set(text.split('\n').map(plain))
  return ignored.filter((name) => !lines.has(plain(name)))
}

/** A link that leads nowhere is there too. */
function isThere(path: string): boolean {
  try {
    lstatSync(path)
    return true
  } catch {
    // If it is not because the file is missing, writing it fails too, and says why.
    return false
  }
}

function dependsOnUs(directory: string): boolean {
  try {
    const { dependencies, devDependencies } = JSON.parse(
      readFileSync(join(directory, 'package.json'), 'utf8'),
    ) as Readonly<Record<string, Readonly<Record<string, string>> | undefined>>
    return [dependencies, devDependencies].some((each) => each?.['flotilla'] !== undefined)
  } catch {
    // Not JSON: npm says so better than a guess here.
    return false
  }
}

/** Name → text. npm leaves a .gitignore out of packages, so that one is written here. */
function starterFiles(directory: string, model: string | undefined): Map<string, string> {
  const names = readdirSync(starter, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(starter.length))
    .sort()
  const files = new Map(names.map((name) => [name, readFileSync(join(starter, name), 'utf8')]))
  files.set('.gitignore', ignored.map((name) => `${name}\n`).join(''))
  files.set('package.json', packageOf(directory, files.get('package.json') ?? '{}'))
  const configuration = files.get('flotilla.config.ts') ?? ''
  if (model !== undefined)
    files.set('flotilla.config.ts', configuration.replace('\n})', `\n  models: { default: '${model}' },\n})`))
  return files
}

function packageOf(directory: string, text: string): string {
  const name = basename(directory)
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '')
  const { devDependencies, ...rest } = JSON.parse(text) as Record<string, unknown>
  // A package can't depend on one of its own name.
  const whole = {
    name: name === 'flotilla' ? 'my-flotilla' : name || 'fleet',
    ...rest,
    dependencies: { flotilla: isClone ? `file:${ownFolder}` : `^${VERSION}` },
    devDependencies,
  }
  return `${JSON.stringify(whole, null, 2)}\n`
}

/** All of these files or, if one can't be written, none: a second attempt would find the first ones in its way. */
function writeAll(files: readonly (readonly [path: string, text: string])[]): string[] {
  const undo: (() => void)[] = []
  let current = ''
  try {
    for (const [path, text] of files) {
      current = path
      const made = makeDirectory(dirname(path))
      if (made !== null) undo.push(() => removeMade(made, dirname(path)))
      writeFileSync(path, text, { flag: 'wx' })
      undo.push(() => rmSync(path))
    }
    return files.map(([path]) => path)
  } catch (cause) {
    for (const each of undo.reverse()) each()
    const message = `writing ${current}: ${messageOf(cause)}; nothing was written. Make it writable, or give another directory: flotilla init my-fleet`
    throw new FlotillaError('REQUEST_INVALID', message, { cause })
  }
}

/** Removes directories from `deepest` up to `first`, unless something else is in them by now. */
function removeMade(first: string, deepest: string): void {
  try {
    for (let path = deepest; path.length >= first.length; path = dirname(path)) rmdirSync(path)
  } catch {
    // Somebody has put a file there.
  }
}
