// A project to begin with: a configuration, an agent, a tool with its test, and questions to evaluate it by.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FlotillaError, messageOf } from '../runtime/errors.ts'
import { shown } from '../schemas/identity.ts'
import { VERSION } from './version.ts'

/** The task that the agent is made for; the scripted model has a recorded conversation for it. */
export const FIRST_TASK = 'What does it cost to send 3 kg to Norway?'

const starter = fileURLToPath(new URL('../examples/starter/', import.meta.url))

/** Files that a project has anyway: an existing one stays as it is. */
const shared: readonly string[] = ['.gitignore', 'README.md', 'package.json', 'tsconfig.json']

export interface InitOptions {
  /** The fleet's model: `provider/model`, or `scripted`. Default: the one whose key is set. */
  readonly model?: string
}

export interface Initialized {
  /** Paths of the files written. */
  readonly written: readonly string[]
  /** Names of the files that were there and stay. */
  readonly kept: readonly string[]
}

/**
 * Writes the starter below this directory. Throws REQUEST_INVALID, having written none, if one of its files
 * exists, apart from those that a project has anyway.
 */
export function init(directory: string, { model }: InitOptions = {}): Initialized {
  if (model !== undefined && !/^[A-Za-z0-9][\w./:@-]*$/.test(model))
    throw new FlotillaError(
      'REQUEST_INVALID',
      `--model must be provider/model or scripted, not "${shown(model)}"`,
    )
  const all = starterFiles(directory, model)
  const found = [...all.keys()].filter((name) => existsSync(join(directory, name)))
  const taken = found.filter((name) => !shared.includes(name))
  if (taken.length > 0)
    throw new FlotillaError(
      'REQUEST_INVALID',
      `${directory} has ${taken.join(', ')} already, which init would overwrite; nothing was written. Give another directory: flotilla init my-fleet`,
    )
  const missing = [...all].filter(([name]) => !found.includes(name))
  return { written: missing.map(([name, text]) => write(join(directory, name), text)), kept: found }
}

/** Name → text. npm leaves a .gitignore out of packages, so that one is written here. */
function starterFiles(directory: string, model: string | undefined): Map<string, string> {
  const names = readdirSync(starter, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(starter.length))
    .sort()
  const files = new Map(names.map((name) => [name, readFileSync(join(starter, name), 'utf8')]))
  files.set('.gitignore', '.flotilla/\n.env\nnode_modules/\n')
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
  const whole = { name: name || 'fleet', ...rest, dependencies: { flotilla: `^${VERSION}` }, devDependencies }
  return `${JSON.stringify(whole, null, 2)}\n`
}

function write(path: string, text: string): string {
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text, { flag: 'wx' })
    return path
  } catch (cause) {
    throw new FlotillaError('REQUEST_INVALID', `writing ${path}: ${messageOf(cause)}`, { cause })
  }
}
